/** Every parser of bytes from outside: what it is fed at first, and what it may do with the rest. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { OPTIONS } from '../../src/cli/options.js';
import { linesOf, parseConfig, SettingError } from '../../src/cli/settings.js';
import { BencodeDictionary, decode, encode, type BencodeValue } from '../../src/common/bencode.js';
import { BencodeError } from '../../src/common/bencode-error.js';
import { Bitfield } from '../../src/common/bitfield.js';
import { MetainfoError, ProtocolError, TrackerError } from '../../src/common/errors.js';
import { decodeResume, encodeResume } from '../../src/file/resume.js';
import { FileStamps } from '../../src/file/stamps.js';
import { tarHeader } from '../../src/file/tar.js';
import { decodeInfo, decodeMetainfo } from '../../src/metainfo/decode.js';
import { magnetOf, parseMagnet } from '../../src/metainfo/magnet.js';
import type { Metainfo } from '../../src/metainfo/metainfo.js';
import { decodeExtensionHandshake, encodeExtensionHandshake } from '../../src/peer/extension/handshake.js';
import {
  decodeMetadataMessage,
  encodeMetadataData,
  encodeMetadataReject,
  encodeMetadataRequest,
  METADATA_PIECE_LENGTH,
} from '../../src/peer/extension/metadata.js';
import { decodePex, encodePex, PEX_FLAG } from '../../src/peer/extension/pex.js';
import { decodeHandshake, encodeHandshake, HANDSHAKE_LENGTH } from '../../src/peer/handshake.js';
import { BLOCK_HEAD_LENGTH, encodeExtended, encodeHave, encodeMessage, MESSAGE } from '../../src/peer/wire.js';
import { WireReader, writeBlockHead } from '../../src/peer/wire.js';
import { encodeQuery, encodeReply, parseMessage } from '../../src/tracker/dht/krpc.js';
import { parseState, serializeState } from '../../src/tracker/dht/store.js';
import { formatLsdSearch, parseLsdSearch } from '../../src/tracker/lsd-message.js';
import { parseAnnounceReply, parseScrapeReply } from '../../src/tracker/response.js';
import { readAnnounce, readConnect, readError, readHeader, readScrape } from '../../src/tracker/udp-wire.js';
import { readTarHeader } from '../file/read-tar.js';

export interface Target {
  readonly name: string;
  /** What is damaged; all of it is in order. */
  readonly seeds: () => Uint8Array[];
  /** Feeds the bytes to the parser. @throws when it does what it must not */
  readonly run: (bytes: Uint8Array) => void;
}

const FIXTURES = new URL('../fixtures/', import.meta.url);
const CHECKSUM_LENGTH = 20;
const HASH = Buffer.alloc(20, 0xab);
const PEERS4 = Buffer.from([192, 0, 2, 1, 0x1a, 0xe1, 198, 51, 100, 7, 0x1a, 0xe2]);
const NODE = { id: HASH, address: { host: '192.0.2.1', port: 6881 } };
const PEERS6 = Buffer.from('20010db8000000000000000000000001 1ae1'.replace(' ', ''), 'hex');

const fixtures = (suffix: string): Buffer[] =>
  readdirSync(FIXTURES, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(suffix))
    .sort()
    .map((name) => readFileSync(new URL(name, FIXTURES)));

const torrents = (): Buffer[] => fixtures('.torrent');

export const TARGETS: readonly Target[] = [
  {
    name: 'bencode',
    seeds: () => [...torrents(), Buffer.from('d1:ai-7e1:bl1:x0:de3:\xff\xfe\x00ee', 'latin1')],
    run: only(BencodeError, (bytes) => {
      const { value, end } = decode(bytes);
      assert.ok(end <= bytes.length);
      walk(value); // values are made of bytes when they are asked for
    }),
  },
  { name: 'metainfo', seeds: torrents, run: only(MetainfoError, (bytes) => checkMetainfo(decodeMetainfo(bytes))) },
  {
    name: 'info dictionary',
    seeds: () => torrents().flatMap((bytes) => infoOf(bytes) ?? []),
    run: only(MetainfoError, (bytes) => checkMetainfo(decodeInfo(bytes))),
  },
  {
    name: 'magnet link',
    seeds: () =>
      [
        `magnet:?xt=urn:btih:${'ab'.repeat(20)}&dn=a+b%20c&tr=udp%3A%2F%2Ft.example%3A80%2Fa&tr=http://t.example/?k=1`,
        `magnet:?xt=urn:btih:${'MFRGGZDFMZTWQ2LK'.repeat(2)}&x.pe=192.0.2.1:6881&x.pe=[2001:db8::1]:1&so=0,2,4-8`,
        `magnet:?xt.1=urn:btih:${'cd'.repeat(20)}&xt.2=urn:btmh:1220${'ef'.repeat(32)}&ws=https://w.example/%E2%98%83`,
      ].map((text) => Buffer.from(text)),
    run: only(MetainfoError, (bytes) => {
      const magnet = parseMagnet(Buffer.from(bytes).toString());
      assert.equal(magnet.infoHash.length, 20);
      for (const text of [magnet.name ?? '', ...magnet.warnings]) assert.doesNotMatch(text, /\p{Cc}/u);
      const again = parseMagnet(magnetOf({ ...magnet, name: magnet.name ?? 'x' }));
      assert.deepEqual(again.infoHash, magnet.infoHash);
    }),
  },
  {
    name: 'tracker reply over HTTP',
    seeds: () => [
      encode({ interval: 1800, 'min interval': 60, complete: 3, incomplete: 4, peers: PEERS4, peers6: PEERS6 }),
      encode({ interval: 60, peers: [{ ip: '192.0.2.1', port: 6881, 'peer id': HASH }], 'tracker id': 'x' }),
      encode({ 'failure reason': 'no \x1b[2J', 'retry in': 5 }),
      encode({ files: { ['x'.repeat(20)]: { complete: 1, downloaded: 2, incomplete: 3 } } }),
    ],
    run: only(TrackerError, (bytes) => {
      const { peers, intervalMs, warning } = parseAnnounceReply(bytes);
      for (const { host, port } of peers) assert.ok(host !== '' && port > 0 && port < 65_536);
      assert.ok(intervalMs > 0 && Number.isFinite(intervalMs));
      assert.doesNotMatch(warning ?? '', /\p{Cc}/u);
      parseScrapeReply(bytes, [HASH]);
    }),
  },
  {
    name: 'tracker reply over UDP',
    seeds: () => [
      Buffer.from('000000000000002a0123456789abcdef', 'hex'),
      Buffer.concat([Buffer.from('000000010000002a000007080000000100000002', 'hex'), PEERS4, PEERS6]),
      Buffer.from('000000020000002a000000010000000200000003', 'hex'),
      Buffer.concat([Buffer.from('000000030000002a', 'hex'), Buffer.from('not here \x1b[31m')]),
    ],
    run: only(TrackerError, (bytes) => {
      if (!readHeader(bytes)) return;
      assert.doesNotMatch(readError(bytes).message, /\p{Cc}/u);
      readConnect(bytes);
      for (const family of ['ipv4', 'ipv6'] as const) readAnnounce(bytes, family);
      readScrape(bytes, 1);
    }),
  },
  { name: 'wire messages', seeds: wireSeeds, run: only(ProtocolError, readWire) },
  {
    name: 'handshake',
    seeds: () => [
      Buffer.from(encodeHandshake({ infoHash: HASH, peerId: HASH })),
      ...sessions().map((bytes) => bytes.subarray(0, HANDSHAKE_LENGTH)),
    ],
    run: only(ProtocolError, (bytes) => {
      if (bytes.length >= HANDSHAKE_LENGTH) decodeHandshake(bytes.subarray(0, HANDSHAKE_LENGTH));
    }),
  },
  {
    name: 'extension handshake',
    seeds: () => [extensionHandshake(), ...recorded(0)],
    run: only(ProtocolError, (bytes) => {
      const { messageIds, port = 1, client = '' } = decodeExtensionHandshake(bytes);
      assert.ok(messageIds.size <= 64 && port > 0 && port < 65_536);
      assert.doesNotMatch(client, /\p{Cc}/u);
    }),
  },
  {
    name: 'metadata message',
    seeds: () => [
      encodeMetadataRequest(3),
      encodeMetadataReject(1),
      encodeMetadataData(1, Buffer.alloc(METADATA_PIECE_LENGTH + 100, 'x')),
      ...recorded(METADATA_ID),
    ],
    run: only(ProtocolError, (bytes) => {
      const message = decodeMetadataMessage(bytes);
      if (message.type !== 'unknown') assert.ok(message.piece >= 0 && Number.isInteger(message.piece));
    }),
  },
  {
    name: 'peer exchange',
    seeds: () => {
      const peer = { address: { host: '192.0.2.1', port: 6881 }, flags: PEX_FLAG.isSeed };
      const other = { address: { host: '2001:db8::1', port: 1 }, flags: 0 };
      const made = encodePex([peer, other], [{ host: '198.51.100.1', port: 9 }]);
      return [made, ...recorded(PEX_ID)];
    },
    run: only(ProtocolError, (bytes) => {
      const { added, dropped } = decodePex(bytes);
      assert.ok(added.length + dropped.length <= 100);
    }),
  },
  {
    name: 'DHT message',
    seeds: () => [
      encodeQuery(
        Buffer.from('aa'),
        { id: HASH, isReadOnly: true },
        { method: 'get_peers', target: HASH, wants: ['ipv6'] },
      ),
      encodeReply(
        Buffer.from('bb'),
        { host: '192.0.2.1', port: 1 },
        { id: HASH, token: Buffer.from('token'), peers: [PEERS4.subarray(0, 6)], contacts: { ipv4: [NODE] } },
      ),
      encode({ t: 'cc', y: 'e', e: [203, 'Protocol Error'] }),
    ],
    run: only(undefined, (bytes) => void parseMessage(bytes)),
  },
  {
    name: 'DHT state',
    seeds: () => [serializeState({ ipv4: { id: HASH, contacts: [NODE] } })],
    run: only(undefined, (bytes) => void parseState(bytes)),
  },
  {
    name: 'LSD message',
    seeds: () => [formatLsdSearch('239.192.152.143:6771', { port: 6881, infoHashes: ['ab'.repeat(20)], cookie: 'x' })],
    run: only(undefined, (bytes) => void parseLsdSearch(bytes)),
  },
  { name: 'resume state', seeds: resumeSeeds, run: only(undefined, (bytes) => void decodeResume(bytes, RESUMED)) },
  {
    // The checksum stops nearly all damage: here it is right, as of a state that somebody else wrote.
    name: 'resume state with its checksum',
    seeds: () => resumeSeeds().map((bytes) => bytes.subarray(0, -CHECKSUM_LENGTH)),
    run: only(undefined, (body) => {
      const checksum = createHash('sha1').update(body).digest();
      const state = decodeResume(Buffer.concat([body, checksum]), RESUMED);
      if (typeof state === 'string') return;
      assert.ok(state.have.length === RESUMED.pieceCount && state.unsynced.length === RESUMED.files.length);
    }),
  },
  {
    name: 'configuration file',
    seeds: () => [
      Buffer.from('# mine\nout = ~/x\nport = 6881\nmax-peers = 50\r\nseed = yes\ntracker = http://t.example/a\n'),
      Buffer.from('\ufeffpeer = [2001:db8::1]:1\npeer = 192.0.2.1:6881\ntimeout = 1.5h\nwindow = 4MiB\ndht = off'),
    ],
    run: only(SettingError, (bytes) => {
      for (const [key, { words }] of parseConfig(OPTIONS, 'config', linesOf(bytes))) {
        assert.ok(Object.hasOwn(OPTIONS, key) && words.length > 0);
      }
    }),
  },
  {
    name: 'names in tar archives',
    seeds: torrents,
    run: only(MetainfoError, (bytes) => {
      for (const { path, length } of decodeMetainfo(bytes).files) {
        const entry = { path, length, mode: 0o644, mtime: 0 };
        assert.deepEqual(readTarHeader(tarHeader(entry)), entry);
      }
    }),
  },
];

/** Parsers that fail, for the tests of the fuzzer itself. */
export const FAILING: readonly Target[] = [
  {
    name: 'one that hangs',
    seeds: () => [Buffer.from('x')],
    run: () => {
      for (;;);
    },
  },
  {
    name: 'one that takes all memory',
    seeds: () => [Buffer.from('x')],
    run: () => {
      const taken: number[][] = [];
      for (;;) taken.push(Array.from({ length: 100_000 }, (_, index) => index));
    },
  },
  {
    name: 'one that throws',
    seeds: () => [Buffer.from('x')],
    run: only(ProtocolError, (bytes) => {
      if (bytes.length > 3) throw new TypeError('no such thing');
    }),
  },
];

function walk(value: BencodeValue): void {
  if (value instanceof BencodeDictionary) for (const [, inner] of value) walk(inner);
  else if (Array.isArray(value)) for (const inner of value) walk(inner);
}

/** Errors of one class are what a parser says; any other is a finding. */
function only(
  allowed: (abstract new (...values: never[]) => Error) | undefined,
  run: (bytes: Uint8Array) => void,
): (bytes: Uint8Array) => void {
  return (bytes) => {
    try {
      run(bytes);
    } catch (error) {
      if (!allowed || !(error instanceof allowed)) throw error;
      assert.match(error.message, /^\P{Cc}{1,2000}$/u, 'a message that a terminal can show');
    }
  };
}

/** What the line behind the decoder trusts. */
function checkMetainfo(metainfo: Metainfo): void {
  const { files, name, pieceCount, pieceLength, totalLength, pieceHashes } = metainfo;
  assert.ok(pieceLength > 0 && pieceCount === Math.ceil(totalLength / pieceLength));
  assert.equal(pieceHashes.length, pieceCount * 20);
  let offset = 0;
  const places = new Set<string>();
  for (const file of files) {
    assert.equal(file.offset, offset);
    offset += file.length;
    assert.ok(file.path === name || file.path.startsWith(`${name}/`), file.path);
    for (const part of file.path.split('/')) assert.doesNotMatch(part, /^\.{0,2}$|\p{Cc}/u);
    assert.ok(file.isPadding || !places.has(file.path.toLowerCase()), file.path);
    if (!file.isPadding) places.add(file.path.toLowerCase());
  }
  assert.equal(offset, totalLength);
  for (const warning of metainfo.warnings) assert.doesNotMatch(warning, /\p{Cc}/u);
}

function infoOf(torrent: Uint8Array): Uint8Array | undefined {
  try {
    return decodeMetainfo(torrent).infoBytes;
  } catch (error) {
    if (error instanceof MetainfoError) return undefined; // for v2 only
    throw error;
  }
}

function extensionHandshake(): Uint8Array {
  const messageIds = { ut_metadata: 3, ut_pex: 1 };
  const known = { port: 6881, client: 'x 1.0', yourIp: '192.0.2.1', metadataSize: 31_235, isUploadOnly: true };
  return encodeExtensionHandshake({ messageIds, requestQueueLength: 250, ...known });
}

function wireSeeds(): Uint8Array[] {
  const block = Buffer.alloc(BLOCK_HEAD_LENGTH + 64, 7);
  writeBlockHead(block, 0, 1, 16_384, 64);
  const messages = [
    encodeMessage(MESSAGE.bitfield, Buffer.of(0xff, 0x80)),
    encodeMessage(MESSAGE.unchoke),
    encodeHave(3),
    block,
    encodeExtended(0, extensionHandshake()),
    encodeMessage(MESSAGE.interested),
    Buffer.alloc(4),
  ];
  const said = sessions().map((bytes) => bytes.subarray(HANDSHAKE_LENGTH));
  return [Buffer.concat(messages), ...messages, ...said];
}

/** What real clients said to a downloader, from their handshake on; see `record.ts`. */
function sessions(): Buffer[] {
  return fixtures('.bin');
}

/** The ids by which the recorder wanted to be sent messages. */
const METADATA_ID = 1;
const PEX_ID = 2;

/** Payloads of extended messages in the sessions, by the id that they came under. */
function recorded(wanted: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (const bytes of sessions()) {
    const sink = { onBlock: () => undefined, onBlockBytes: () => undefined, onBlockEnd: () => undefined };
    const onMessage = (id: number, payload: Uint8Array): void => {
      if (id === MESSAGE.extended && payload[0] === wanted) found.push(Buffer.from(payload.subarray(1)));
    };
    new WireReader(2, sink, { onMessage }).push(bytes, HANDSHAKE_LENGTH, bytes.length);
  }
  return found;
}

/** Splits the bytes in two ways; the messages must be the same. (What is wrong may show a little later in one of them.) */
function readWire(bytes: Uint8Array): void {
  const whole = messagesOf(bytes, bytes.length);
  const parts = messagesOf(bytes, 1 + (bytes.length % 7));
  const error = whole.error ?? parts.error;
  if (error) throw error;
  assert.deepEqual(parts.seen, whole.seen);
}

function messagesOf(bytes: Uint8Array, readLength: number): { seen: string[]; error?: Error } {
  const seen: string[] = [];
  let length = 0;
  const reader = new WireReader(
    2,
    {
      onBlock: (index, begin) => seen.push(`block ${index} ${begin}`),
      onBlockBytes: (_, from, to) => (length += to - from),
      onBlockEnd: () => seen.push('end'),
    },
    { onMessage: (id, payload) => seen.push(`${id} ${Buffer.from(payload).toString('hex')}`) },
  );
  try {
    for (let at = 0; at < bytes.length; at += readLength) {
      reader.push(bytes, at, Math.min(bytes.length, at + readLength));
    }
  } catch (error) {
    return { seen, error: error as Error };
  }
  seen.push(`${length} bytes`);
  return { seen };
}

const RESUMED = { infoHash: HASH, pieceCount: 20, files: [{}, {}] } as unknown as Metainfo;

function resumeSeeds(): Uint8Array[] {
  const have = new Bitfield(20);
  have.add(3);
  const unsynced = new Bitfield(2);
  return [encodeResume(RESUMED, { have, stamps: new FileStamps(2), unsynced, boot: 'abcd' })];
}
