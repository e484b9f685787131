import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProtocolError } from '../../src/common/errors.js';
import { MetadataAssembler } from '../../src/peer/extension/metadata-assembler.js';
import { MetadataUpload } from '../../src/peer/extension/metadata-upload.js';
import {
  decodeMetadataMessage,
  encodeMetadataData,
  encodeMetadataReject,
  encodeMetadataRequest,
  metadataPieces,
} from '../../src/peer/extension/metadata.js';
import { randomBytes } from '../helpers/torrent.js';

const MIB = 1024 * 1024;

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

// ── Messages ────────────────────────────────────────────────────────────────────────────────────────────────────────

test('messages are as BEP 9 has them', () => {
  assert.equal(latin1(encodeMetadataRequest(3)), 'd8:msg_typei0e5:piecei3ee');
  assert.equal(latin1(encodeMetadataReject(3)), 'd8:msg_typei2e5:piecei3ee');
  const metadata = randomBytes('m', 20_000);
  const payload = encodeMetadataData(1, metadata);
  assert.equal(latin1(payload.subarray(0, 45)), 'd8:msg_typei1e5:piecei1e10:total_sizei20000ee'.slice(0, 45));
  const { data, ...head } = { data: new Uint8Array(), ...decodeMetadataMessage(payload) };
  assert.deepEqual(head, { type: 'data', piece: 1, totalSize: 20_000 });
  assert.ok(metadata.subarray(16_384).equals(data), 'the bytes behind the dictionary');
  assert.deepEqual(decodeMetadataMessage(encodeMetadataRequest(7)), { type: 'request', piece: 7 });
  assert.deepEqual(decodeMetadataMessage(encodeMetadataReject(7)), { type: 'reject', piece: 7 });
  assert.deepEqual(decodeMetadataMessage(Buffer.from('d8:msg_typei9ee')), { type: 'unknown' });
});

for (const text of [
  '',
  'x',
  'i1e',
  'de',
  'd8:msg_type1:0e',
  'd8:msg_typei0ee',
  'd8:msg_typei0e5:piecei-1ee',
  'l-3:e',
]) {
  test(`"${text}" is no metadata message`, () => {
    assert.throws(() => decodeMetadataMessage(Buffer.from(text)), ProtocolError);
  });
}

// ── Fetching ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A swarm in one object: asks everybody in turn, and has each answer as it likes, until nothing happens any more. */
class Swarm {
  readonly guilty: number[] = [];
  readonly asked = new Map<number, number>();
  readonly assembler: MetadataAssembler;
  readonly peers = new Map<number, (piece: number) => Uint8Array | undefined>();
  nowMs = 0;
  mostHeld = 0;

  constructor(readonly metadata: Uint8Array) {
    const infoHash = createHash('sha1').update(metadata).digest();
    this.assembler = new MetadataAssembler(
      infoHash,
      (ids) => this.guilty.push(...ids),
      () => 0.5,
    );
  }

  join(id: number, answer: (piece: number) => Uint8Array | undefined, size = this.metadata.length): void {
    this.peers.set(id, answer);
    this.assembler.offer(id, size, this.nowMs);
  }

  honest = (piece: number): Uint8Array => encodeMetadataData(piece, this.metadata);
  lying = (piece: number): Uint8Array => encodeMetadataData(piece, flipped(this.metadata, piece));

  /** Lets time pass in steps of 100 ms. */
  run(forMs: number): void {
    for (const end = this.nowMs + forMs; this.nowMs < end && !this.assembler.metadata; this.nowMs += 100) {
      this.assembler.tick(this.nowMs);
      const requests = [...this.peers.keys()].flatMap((id) =>
        this.assembler.request(id, this.nowMs).map((piece) => ({ id, piece })),
      );
      for (const { id, piece } of requests) {
        this.asked.set(id, (this.asked.get(id) ?? 0) + 1);
        const answer = this.peers.get(id)!(piece);
        if (answer) this.#deliver(id, answer);
      }
    }
  }

  #deliver(id: number, answer: Uint8Array): void {
    try {
      this.assembler.onMessage(id, answer, this.nowMs);
    } catch (error) {
      assert.ok(error instanceof ProtocolError, String(error));
      this.assembler.remove(id);
    }
    this.mostHeld = Math.max(this.mostHeld, this.assembler.held);
  }

  assertDone(): void {
    assert.ok(this.assembler.metadata, 'no metadata');
    assert.ok(Buffer.from(this.assembler.metadata).equals(this.metadata), 'wrong metadata');
  }
}

function flipped(metadata: Uint8Array, piece: number): Uint8Array {
  const wrong = new Uint8Array(metadata);
  wrong[piece * 16_384]! ^= 0xff;
  return wrong;
}

for (const size of [1, 16_383, 16_384, 16_385, 100_000, 16 * MIB]) {
  test(`metadata of ${size} bytes comes from three peers, and little of it is asked for twice`, () => {
    const swarm = new Swarm(randomBytes('metadata', size));
    for (const id of [1, 2, 3]) swarm.join(id, swarm.honest);
    swarm.run(60_000);
    swarm.assertDone();
    assert.deepEqual(swarm.guilty, []);
    if (size > MIB) assert.deepEqual([...swarm.asked.keys()], [1, 2, 3]);
    const asked = [...swarm.asked.values()].reduce((sum, count) => sum + count, 0);
    assert.ok(asked <= metadataPieces(size) + 3 * 8, `${asked} requests`);
  });
}

test('a sole liar is guilty, and the next peer goes on', () => {
  const swarm = new Swarm(randomBytes('liar', 50_000));
  swarm.join(1, swarm.lying);
  swarm.run(1000);
  assert.deepEqual(swarm.guilty, [1]);
  assert.equal(swarm.assembler.offers, 0);
  swarm.join(2, swarm.honest);
  swarm.run(1000);
  swarm.assertDone();
});

for (const liars of [1, 2, 5]) {
  test(`${liars} liars among honest peers are found, and nobody else is blamed`, () => {
    const swarm = new Swarm(randomBytes('mixed', 300_000));
    for (let id = 0; id < liars; id++) swarm.join(id, swarm.lying);
    for (let id = 10; id < 13; id++) swarm.join(id, swarm.honest);
    swarm.run(60_000);
    swarm.assertDone();
    assert.notEqual(swarm.guilty.length, 0);
    assert.ok(
      swarm.guilty.every((id) => id < liars),
      String(swarm.guilty),
    );
  });
}

test('liars that stall when they are fetched from alone hold nobody up for long', () => {
  const swarm = new Swarm(randomBytes('stalling liars', 300_000));
  for (let id = 0; id < 4; id++) {
    let sent = 0;
    swarm.join(id, (piece) => (sent++ < 6 ? swarm.lying(piece) : undefined));
  }
  for (let id = 10; id < 12; id++) swarm.join(id, swarm.honest);
  swarm.run(60_000);
  swarm.assertDone();
  assert.ok(swarm.nowMs <= 30_000, `${swarm.nowMs} ms`);
  assert.ok(
    swarm.guilty.every((id) => id < 4),
    String(swarm.guilty),
  );
});

test('peers that stall, refuse or leave midway keep nobody from finishing', () => {
  const swarm = new Swarm(randomBytes('hindered', 300_000));
  swarm.join(1, () => undefined);
  swarm.join(2, (piece) => encodeMetadataReject(piece));
  let sent = 0;
  swarm.join(3, (piece) => {
    if (++sent > 2) swarm.assembler.remove(3);
    return swarm.honest(piece);
  });
  swarm.join(4, swarm.honest);
  swarm.run(5000);
  swarm.assertDone();
  assert.deepEqual(swarm.guilty, []);
});

test('a peer that stalls or refuses is asked again, ever more rarely', () => {
  const swarm = new Swarm(randomBytes('again', 10_000));
  let isReady = false;
  swarm.join(1, (piece) => (isReady ? swarm.honest(piece) : encodeMetadataReject(piece)));
  swarm.join(2, () => undefined);
  swarm.run(120_000);
  assert.ok(swarm.asked.get(1)! >= 4 && swarm.asked.get(1)! < 20, `asked ${swarm.asked.get(1)} times`);
  assert.ok(swarm.asked.get(2)! >= 3 && swarm.asked.get(2)! < 12, `asked ${swarm.asked.get(2)} times`);
  isReady = true;
  swarm.run(120_000);
  swarm.assertDone();
});

test('who sends what does not fit its claim is to be dropped', () => {
  const metadata = randomBytes('misfits', 40_000);
  const misfits: Record<string, Uint8Array> = {
    'another total size': encodeMetadataData(0, new Uint8Array(39_999)),
    'a short piece': encodeMetadataData(0, metadata).subarray(0, -1),
    'a long piece': Buffer.concat([encodeMetadataData(0, metadata), Buffer.alloc(1)]),
    'no bencoding': Buffer.from('nonsense'),
  };
  for (const [what, payload] of Object.entries(misfits)) {
    const swarm = new Swarm(metadata);
    swarm.join(1, swarm.honest);
    assert.deepEqual(swarm.assembler.request(1, 0), [0, 1, 2]);
    assert.throws(() => swarm.assembler.onMessage(1, payload, 0), ProtocolError, what);
  }
});

test('pieces that nobody asked for are not taken, and too many of them are an error', () => {
  const swarm = new Swarm(randomBytes('unasked', 40_000));
  swarm.join(1, swarm.honest);
  for (let time = 0; time < 16; time++) assert.equal(swarm.assembler.onMessage(1, swarm.honest(time % 3), 0), false);
  assert.equal(swarm.assembler.metadata, undefined);
  assert.throws(() => swarm.assembler.onMessage(1, swarm.honest(0), 0), ProtocolError);
});

test('a piece that comes late or twice does no harm', () => {
  const swarm = new Swarm(randomBytes('late', 10_000));
  swarm.join(1, swarm.honest);
  assert.deepEqual(swarm.assembler.request(1, 0), [0]);
  swarm.assembler.tick(11_000);
  assert.deepEqual(swarm.assembler.request(1, 11_000), [], 'left in peace after the time-out');
  assert.equal(swarm.assembler.onMessage(1, swarm.honest(0), 11_500), true);
  swarm.assertDone();
  assert.equal(swarm.assembler.onMessage(1, swarm.honest(0), 11_600), false);
});

test('claims alone take no memory, and tricklers with large claims make room for others', () => {
  const swarm = new Swarm(randomBytes('claims', 100_000));
  for (let id = 0; id < 50; id++) {
    const size = 16 * MIB - id;
    let nextAtMs = 0;
    swarm.join(
      id,
      (piece) => {
        if (swarm.nowMs < nextAtMs) return undefined;
        nextAtMs = swarm.nowMs + 5000;
        return encodeMetadataData(piece, new Uint8Array(size));
      },
      size,
    );
  }
  swarm.join(100, swarm.honest);
  swarm.run(60_000);
  swarm.assertDone();
  assert.ok(swarm.nowMs < 15_000, `${swarm.nowMs} ms`);
  assert.ok(swarm.mostHeld < 50 * 2 * 16_384 * 3, `${swarm.mostHeld} bytes`);
});

test('drafts hold a bounded amount together, and those that stall go first', () => {
  const swarm = new Swarm(randomBytes('bounds', 500_000));
  for (let id = 0; id < 10; id++) {
    const size = 16 * MIB - 1 - id;
    const zeros = new Uint8Array(size);
    swarm.join(id, (piece) => (piece < 1000 ? encodeMetadataData(piece, zeros) : undefined), size);
  }
  swarm.run(30_000);
  assert.ok(swarm.mostHeld > 48 * MIB && swarm.mostHeld <= 64 * MIB, `${swarm.mostHeld} bytes`);
  swarm.join(100, swarm.honest);
  swarm.run(10_000);
  swarm.assertDone();
});

test('a wrong claim of size is no obstacle, and a peer may correct it', () => {
  const swarm = new Swarm(randomBytes('size', 40_000));
  swarm.join(1, (piece) => encodeMetadataData(piece, new Uint8Array(40_001)), 40_001);
  swarm.join(2, () => undefined, 5);
  swarm.run(500);
  assert.deepEqual(swarm.guilty, [1]);
  swarm.join(2, swarm.honest);
  swarm.run(500);
  swarm.assertDone();
});

test('progress tells of the draft that is furthest', () => {
  const swarm = new Swarm(randomBytes('progress', 40_000));
  assert.equal(swarm.assembler.progress, undefined);
  swarm.join(1, (piece) => (piece === 1 ? undefined : swarm.honest(piece)));
  swarm.join(2, () => undefined, 16 * MIB);
  swarm.run(500);
  assert.deepEqual(swarm.assembler.progress, { received: 40_000 - 16_384, total: 40_000 });
});

test('whatever peers send, the right metadata or a ProtocolError comes of it', () => {
  const damage = fc.record({ id: fc.nat(3), at: fc.nat(70), byte: fc.nat(255), cut: fc.nat(40) });
  fc.assert(
    fc.property(fc.nat(60_000), fc.array(damage, { maxLength: 60 }), (length, damages) => {
      const swarm = new Swarm(randomBytes('fuzz', length + 1));
      for (let id = 0; id < 4; id++) {
        swarm.join(id, (piece) => {
          const answer = Buffer.from(swarm.honest(piece));
          const one = damages.find((candidate) => candidate.id === id);
          if (!one) return answer;
          damages.splice(damages.indexOf(one), 1);
          answer[one.at % answer.length] = one.byte;
          return answer.subarray(0, answer.length - one.cut);
        });
      }
      swarm.join(4, swarm.honest);
      swarm.run(120_000);
      swarm.assertDone();
      assert.ok(!swarm.guilty.includes(4), 'the honest one is blamed');
    }),
    { numRuns: 300 },
  );
});

// ── Serving ─────────────────────────────────────────────────────────────────────────────────────────────────────────

test('requests are answered in order, and no faster than the peer takes it', () => {
  const metadata = randomBytes('upload', 20 * 16_384 - 1);
  const sent: Uint8Array[] = [];
  const waiting: (() => void)[] = [];
  const upload = new MetadataUpload(metadata, (payload, onSent) => {
    sent.push(payload);
    if (onSent) waiting.push(onSent);
  });
  for (let piece = 0; piece < 20; piece++) upload.onMessage(encodeMetadataRequest(piece));
  assert.equal(sent.length, 8);
  while (waiting.length > 0) waiting.shift()!();
  const parts = sent.map((payload, at) => {
    const message = decodeMetadataMessage(payload);
    assert.ok(message.type === 'data' && message.piece === at, `${message.type} in place of piece ${at}`);
    assert.equal(message.totalSize, metadata.length);
    return message.data;
  });
  assert.ok(Buffer.concat(parts).equals(metadata), 'wrong metadata');
});

test('a peer gets the metadata a few times, then rejects; a flood of requests is an error', () => {
  const sent: string[] = [];
  const upload = new MetadataUpload(randomBytes('often', 40_000), (payload, onSent) => {
    sent.push(decodeMetadataMessage(payload).type);
    onSent?.();
  });
  upload.onMessage(encodeMetadataRequest(3));
  upload.onMessage(encodeMetadataReject(0));
  assert.deepEqual(sent, ['reject']);
  for (let time = 0; time < 100; time++) upload.onMessage(encodeMetadataRequest(time % 3));
  assert.equal(sent.filter((type) => type === 'data').length, 4 * 3 + 8);
  assert.throws(() => {
    for (let time = 0; time < 1000; time++) upload.onMessage(encodeMetadataRequest(0));
  }, ProtocolError);
  assert.throws(() => upload.onMessage(Buffer.from('x')), ProtocolError);
});
