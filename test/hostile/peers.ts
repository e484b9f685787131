/** What hostile peers do (THREATS P1–P10). Each is tried beside one honest seed. */
import bencode from 'bencode';
import {
  encodeExtended,
  encodeHave,
  encodeMessage,
  MESSAGE,
  REQUEST_LENGTH,
  writeRequest,
} from '../../src/peer/wire.js';
import { randomBytes, type MadeTorrent } from '../helpers/torrent.js';
import type { Script, Visit } from './wild-peer.js';

export interface HostilePeer {
  readonly name: string;
  readonly threat: string;
  /** Whether it is hung up on as soon as it has shown what it is. */
  readonly isDropped?: true;
  readonly script: Script;
}

const KIB = 1024;
const MOST = 0xffff_ffff;
const zeros = Buffer.alloc(64 * KIB);
const noise = randomBytes('noise', 64 * KIB);

/** Our ids, as our handshake tells them; a peer would read them there. */
const UT_PEX = 1;
const UT_METADATA = 3;

function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [at, value] of values.entries()) bytes.writeUInt32BE(value, at * 4);
  return bytes;
}

/** A length prefix and an id that promise `length` bytes. */
function promise(id: number, length: number): Buffer {
  return Buffer.concat([numbers(length + 1), Uint8Array.of(id)]);
}

function block(index: number, begin: number, data: Uint8Array): Uint8Array {
  return encodeMessage(MESSAGE.piece, Buffer.concat([numbers(index, begin), data]));
}

function request(id: number, index: number, begin: number, length: number): Uint8Array {
  const bytes = new Uint8Array(REQUEST_LENGTH);
  writeRequest(bytes, 0, id, index, begin, length);
  return bytes;
}

/** Whatever `make` gives, again and again, in portions of some 64 KiB. */
function manyOf(make: () => Uint8Array): Uint8Array {
  const one = make();
  return Buffer.concat(Array.from({ length: Math.max(1, Math.floor((64 * KIB) / one.length)) }, () => one));
}

/** Pretends to have everything, and answers each request so. */
function answering(answer: (visit: Visit, index: number, begin: number, length: number) => void): Script {
  return (visit) => {
    visit.pretend();
    visit.onMessage = (id, payload) => {
      if (id !== MESSAGE.request) return;
      answer(visit, payload.readUInt32BE(0), payload.readUInt32BE(4), payload.readUInt32BE(8));
    };
  };
}

function saying(bytes: Uint8Array | ((torrent: MadeTorrent) => Uint8Array)): Script {
  return (visit) => {
    visit.greet();
    visit.say(typeof bytes === 'function' ? bytes(visit.torrent) : bytes);
  };
}

function pouring(make: () => Uint8Array): Script {
  return (visit) => {
    visit.pretend();
    const bytes = manyOf(make);
    visit.pour(() => bytes);
  };
}

const nested = 'd1:m'.repeat(50_000);

const handshakes: readonly HostilePeer[] = [
  { name: 'says nothing', threat: 'P5', script: () => undefined },
  {
    name: 'sends its handshake a byte at a time, for ever',
    threat: 'P5',
    script: (visit) => visit.every(100, () => visit.say(Uint8Array.of(19))),
  },
  {
    name: 'sends noise instead of a handshake',
    threat: 'P1',
    isDropped: true,
    script: (visit) => visit.pour(() => noise),
  },
  {
    name: 'has another torrent',
    threat: 'P1',
    isDropped: true,
    script: (visit) => {
      visit.greet(Buffer.alloc(20, 7));
      visit.pour(() => noise);
    },
  },
  { name: 'is a mirror', threat: 'P9', isDropped: true, script: ({ socket }) => void socket.pipe(socket) },
  { name: 'hangs up at once', threat: 'P10', isDropped: true, script: ({ socket }) => void socket.end() },
  {
    name: 'resets the connection',
    threat: 'P10',
    isDropped: true,
    script: ({ socket }) => void socket.resetAndDestroy(),
  },
  {
    name: 'hangs up after its handshake',
    threat: 'P10',
    isDropped: true,
    script: (visit) => {
      visit.pretend();
      visit.socket.end();
    },
  },
];

const messages: readonly HostilePeer[] = [
  ...[MESSAGE.choke, MESSAGE.bitfield, MESSAGE.piece, MESSAGE.extended, 99].map((id): HostilePeer => ({
    name: `promises 4 GiB of message ${id}`,
    threat: 'P1',
    isDropped: true,
    script: (visit) => {
      visit.greet();
      visit.say(promise(id, MOST - 1));
      if (id === MESSAGE.piece) visit.say(numbers(0, 0));
      visit.pour(() => zeros);
    },
  })),
  {
    name: 'has too short a bitfield',
    threat: 'P2',
    isDropped: true,
    script: saying(encodeMessage(MESSAGE.bitfield, zeros.subarray(0, 1))),
  },
  {
    name: 'has too long a bitfield',
    threat: 'P2',
    isDropped: true,
    script: saying(encodeMessage(MESSAGE.bitfield, zeros)),
  },
  {
    name: 'sets the spare bits of its bitfield',
    threat: 'P2',
    isDropped: true,
    script: saying(({ pieceCount }) => encodeMessage(MESSAGE.bitfield, Buffer.alloc(Math.ceil(pieceCount / 8), 0xff))),
  },
  { name: 'has a piece that there is not', threat: 'P2', isDropped: true, script: saying(encodeHave(MOST)) },
  {
    name: 'has another bitfield each time',
    threat: 'P2',
    isDropped: true,
    script: pouring(() => encodeMessage(MESSAGE.haveAll)),
  },
  ...Object.entries(MESSAGE)
    .filter(([name]) => !/choke|nterested|haveAll|haveNone/.test(name))
    .map(([name, id]): HostilePeer => ({
      name: `sends an empty message "${name}"`,
      threat: 'P2',
      isDropped: true,
      script: saying(encodeMessage(id)),
    })),
  { name: 'keeps the connection alive without end', threat: 'P8', script: pouring(() => new Uint8Array(4)) },
  {
    name: 'sends unknown messages without end',
    threat: 'P8',
    script: pouring(() => encodeMessage(99, noise.subarray(0, 60 * KIB))),
  },
  {
    name: 'chokes and unchokes without end',
    threat: 'P6',
    script: pouring(() => Buffer.concat([encodeMessage(MESSAGE.choke), encodeMessage(MESSAGE.unchoke)])),
  },
  {
    name: 'is interested, and is not, without end',
    threat: 'P7',
    script: pouring(() => Buffer.concat([encodeMessage(MESSAGE.interested), encodeMessage(MESSAGE.notInterested)])),
  },
  {
    name: 'suggests and allows pieces that there are not',
    threat: 'P8',
    script: pouring(() =>
      Buffer.concat([MESSAGE.suggestPiece, MESSAGE.allowedFast].map((id) => encodeMessage(id, numbers(MOST)))),
    ),
  },
];

const blocks: readonly HostilePeer[] = [
  {
    name: 'brings blocks that nobody asked for',
    threat: 'P3',
    isDropped: true,
    script: pouring(() => block(0, 0, noise.subarray(0, 16 * KIB))),
  },
  {
    name: 'brings blocks of pieces that there are not',
    threat: 'P3',
    isDropped: true,
    script: pouring(() => block(MOST, MOST, noise.subarray(0, 16 * KIB))),
  },
  {
    name: 'brings blocks of one byte',
    threat: 'P3',
    script: answering((visit, index, begin) => visit.say(block(index, begin, noise.subarray(0, 1)))),
  },
  {
    name: 'brings blocks that are too long',
    threat: 'P3',
    script: answering((visit, index, begin, length) => visit.say(block(index, begin, noise.subarray(0, length + 1)))),
  },
  {
    name: 'brings blocks beside their place',
    threat: 'P3',
    script: answering((visit, index, begin, length) => visit.say(block(index, begin + 1, noise.subarray(0, length)))),
  },
  {
    name: 'brings each block five times, and wrong',
    threat: 'P4',
    script: answering((visit, index, begin, length) => {
      for (let time = 0; time < 5; time++) visit.say(block(index, begin, noise.subarray(time, time + length)));
    }),
  },
  {
    name: 'brings one wrong block of each piece, and no more of it',
    threat: 'P4',
    script: (visit) => {
      visit.pretend();
      const asked = new Set<string>();
      visit.onMessage = (id, payload) => {
        if (id !== MESSAGE.request) return;
        const [index, begin] = [payload.readUInt32BE(0), payload.readUInt32BE(4)];
        const isNewTry = [...asked].every((key) => !key.startsWith(`${index} `)) || asked.has(`${index} ${begin}`);
        if (isNewTry) for (const key of asked) if (key.startsWith(`${index} `)) asked.delete(key);
        asked.add(`${index} ${begin}`);
        if (isNewTry) visit.say(block(index, begin, noise.subarray(asked.size, asked.size + payload.readUInt32BE(8))));
      };
    },
  },
  {
    name: 'stops in its first block',
    threat: 'P5',
    script: (visit) => {
      visit.pretend();
      visit.onMessage = (id, payload) => {
        if (id !== MESSAGE.request) return;
        visit.say(
          block(payload.readUInt32BE(0), payload.readUInt32BE(4), noise.subarray(0, 16 * KIB)).subarray(0, 999),
        );
        visit.onMessage = () => undefined;
      };
    },
  },
  {
    name: 'rejects each request twice',
    threat: 'P6',
    script: answering((visit, ...asked) => [1, 2].forEach(() => visit.say(request(MESSAGE.rejectRequest, ...asked)))),
  },
  {
    name: 'rejects what nobody asked of it',
    threat: 'P6',
    script: pouring(() => request(MESSAGE.rejectRequest, 0, 0, 16 * KIB)),
  },
];

const uploads: readonly HostilePeer[] = [
  {
    name: 'asks for all that we have, again and again, and reads nothing',
    threat: 'P7',
    script: (visit) => {
      visit.greet();
      visit.send(MESSAGE.haveNone);
      visit.send(MESSAGE.interested);
      visit.onMessage = (id, payload) => {
        if (id !== MESSAGE.have) return;
        visit.socket.pause();
        const asked = manyOf(() => request(MESSAGE.request, payload.readUInt32BE(0), 0, 16 * KIB));
        visit.pour(() => asked);
      };
    },
  },
  ...[
    [MOST, MOST, MOST],
    [0, 0, MOST],
    [0, MOST, 16 * KIB],
    [0, 0, 0],
  ].map(([index = 0, begin = 0, length = 0]): HostilePeer => ({
    name: `asks for ${length} bytes at ${begin} of piece ${index}`,
    threat: 'P7',
    script: (visit) => {
      visit.greet();
      visit.send(MESSAGE.interested);
      visit.every(10, () => visit.say(manyOf(() => request(MESSAGE.request, index, begin, length)).subarray(0, 170)));
    },
  })),
  { name: 'cancels without end', threat: 'P7', script: pouring(() => request(MESSAGE.cancel, 0, 0, 16 * KIB)) },
];

const extended: readonly HostilePeer[] = [
  {
    name: 'has an extension handshake of noise',
    threat: 'P8',
    isDropped: true,
    script: saying(encodeExtended(0, noise.subarray(0, 999))),
  },
  {
    name: 'has an extension handshake of depth 50,000',
    threat: 'P8',
    isDropped: true,
    script: saying(encodeExtended(0, Buffer.from(nested))),
  },
  {
    name: 'has an extension handshake of wrong types',
    threat: 'P8',
    script: saying(
      encodeExtended(
        0,
        Buffer.from('d1:mli1ee1:pi-1e4:reqqi-9223372036854775808e1:vi0e6:yourip1:x13:metadata_sizele'),
      ).subarray(0),
    ),
  },
  {
    name: 'knows 10,000 extensions, and asks for no requests',
    threat: 'P8',
    script: saying(() => {
      const m = Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`x_${at}`, at % 256]));
      return encodeExtended(
        0,
        bencode.encode({ m, reqq: 0, metadata_size: 2 ** 31 - 1, p: 65_536, v: '\u001b[2J'.repeat(99) }),
      );
    }),
  },
  {
    name: 'sends extension handshakes without end',
    threat: 'P8',
    isDropped: true,
    script: pouring(() => encodeExtended(0, bencode.encode({ m: { ut_pex: 5, ut_metadata: 6 }, p: 6881 }))),
  },
  {
    name: 'asks for metadata without end',
    threat: 'P8',
    script: pouring(() => encodeExtended(UT_METADATA, Buffer.from('d8:msg_typei0e5:piecei0ee'))),
  },
  {
    name: 'tells of 30,000 peers, again and again',
    threat: 'P9',
    script: (visit) => {
      visit.greet();
      visit.extended(0, bencode.encode({ m: { ut_pex: UT_PEX } }));
      visit.every(20, () => {
        const added = randomBytes(Math.random(), 30_000 * 6);
        for (let at = 0; at < added.length; at += 6) added.set([127, 250], at); // loopback, where nobody is
        visit.extended(UT_PEX, bencode.encode({ added }));
      });
    },
  },
];

export const HOSTILE_PEERS: readonly HostilePeer[] = [...handshakes, ...messages, ...blocks, ...uploads, ...extended];
