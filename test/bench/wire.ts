/** The path of a block up to the disk: splitting the stream, and the bookkeeping of requests and slots. */
import { Bitfield } from '../../src/common/bitfield.js';
import { BLOCK_LENGTH } from '../../src/common/pieces.js';
import { BlockFetcher } from '../../src/peer/fetcher.js';
import { BLOCK_HEAD_LENGTH, WireReader, writeBlockHead, type BlockSink } from '../../src/peer/wire.js';
import { PieceAssembler } from '../../src/piece/assembler.js';
import { PiecePicker } from '../../src/piece/picker.js';
import { Slots } from '../../src/piece/slots.js';
import type { Figure } from './run.js';

const MIB = 1024 * 1024;
const STREAM_LENGTH = 256 * MIB;

/** `piece` messages as a peer sends them, for blocks 0 … of a torrent with that piece length. */
function blockStream(blocks: number, pieceLength: number): Buffer {
  const data = Buffer.alloc(BLOCK_LENGTH, 7);
  return Buffer.concat(
    Array.from({ length: blocks }, (_, block) => {
      const at = block * BLOCK_LENGTH;
      const head = new Uint8Array(BLOCK_HEAD_LENGTH);
      writeBlockHead(head, 0, Math.floor(at / pieceLength), at % pieceLength, BLOCK_LENGTH);
      return [head, data];
    }).flat(),
  );
}

/** Reads the stream again and again, cut into reads of one length; MiB/s. */
function readAll(stream: Buffer, readLength: number, reader: WireReader): number {
  const startedAt = performance.now();
  let bytes = 0;
  while (bytes < STREAM_LENGTH) {
    for (let at = 0; at < stream.length; at += readLength)
      reader.push(stream, at, Math.min(stream.length, at + readLength));
    bytes += stream.length;
  }
  return bytes / MIB / ((performance.now() - startedAt) / 1000);
}

export function benchWire(): Figure[] {
  const stream = blockStream(64, 262_144);
  const target = new Uint8Array(BLOCK_LENGTH);
  let place = 0;
  const blocks: BlockSink = {
    onBlock: () => (place = 0),
    onBlockBytes: (chunk, from, to) => {
      target.set(chunk.subarray(from, to), place);
      place += to - from;
    },
    onBlockEnd: () => undefined,
  };
  return [262_144, 65_536, 1448, 997].map((readLength) => {
    const reader = new WireReader(1, blocks, { onMessage: () => undefined });
    readAll(stream, readLength, reader);
    return {
      name: `wire reader, reads of ${readLength} bytes`,
      value: readAll(stream, readLength, reader),
      unit: 'MiB/s',
    };
  });
}

/** Request, receive and assemble, without network and disk; ns for a block, its copy included. */
export function benchFetch(): Figure[] {
  return [16_384, 262_144, 4_194_304].map((pieceLength) => {
    const totalLength = 256 * MIB;
    const layout = { pieceLength, totalLength, pieceCount: totalLength / pieceLength };
    const run = (): number => {
      const picker = new PiecePicker(layout.pieceCount, { sequential: true });
      const slots = new Slots(layout);
      const full: [number, number][] = [];
      const assembler = new PieceAssembler(layout, picker, slots, {
        onFull: (slot, index) => full.push([slot, index]),
        onGuilty: () => undefined,
      });
      const have = new Bitfield(layout.pieceCount);
      have.fill();
      picker.addPeer(have);
      const context = {
        assembler,
        onDuplicate: () => undefined,
        onStarving: () => undefined,
        onPayload: () => undefined,
        onBlock: () => undefined,
      };
      const fetcher = new BlockFetcher(1, have, context, 0, () => undefined);
      const reader = new WireReader(have.bytes.length, fetcher, { onMessage: () => undefined });
      const block = blockStream(1, pieceLength);
      const startedAt = performance.now();
      fetcher.fill();
      for (let next = 0; fetcher.requests.size > 0; next++) {
        writeBlockHead(block, 0, assembler.indexOf(next), assembler.beginOf(next), BLOCK_LENGTH);
        fetcher.nowMs += 0.02;
        reader.push(block, 0, block.length);
        for (const [slot, index] of full.splice(0)) assembler.written(slot, index, true);
        if (fetcher.takeNews()) fetcher.fill();
      }
      return ((performance.now() - startedAt) * 1e6) / (totalLength / BLOCK_LENGTH);
    };
    run();
    return { name: `block: request to slot, pieces of ${pieceLength / 1024} KiB`, value: run(), unit: 'ns' };
  });
}
