/** Resume state that is damaged, of another torrent, or of files that changed: nothing wrong is believed. */
import assert from 'node:assert/strict';
import { lstatSync } from 'node:fs';
import { readdir, readFile, rm, symlink, truncate, writeFile, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { decodeResume, encodeResume, resumePath, type ResumeState } from '../../src/file/resume.js';
import { Bench, make, openThreads, temporaryFolder } from '../file/helpers.js';
import { mutate, randomFrom } from '../fuzz/mutate.js';
import { Scene } from './executable.js';

const DAMAGES = 50;
const PIECE = 16_384;

test(`a resume state damaged in ${DAMAGES} ways is not believed: exactly what is right on disk is found`, async (t) => {
  const made = make([
    { path: 'a', length: 10 * PIECE + 5 },
    { path: 'b', length: 7 * PIECE },
  ]);
  const { metainfo } = made;
  const out = await temporaryFolder(t);
  const threads = openThreads(t);
  {
    await using bench = await Bench.open(made, out, threads);
    await bench.writer.check();
    await bench.putAll();
    await bench.writer.save(bench.full());
  }
  // Half of the pieces are wrong now, with the stamps as noted.
  const file = path.join(out, metainfo.files[0]!.path);
  const spoilt = await readFile(file);
  await writeFile(file, spoilt.fill(0, 0, 6 * PIECE));
  const place = resumePath(out, metainfo);
  const random = randomFrom(7);
  const good = await readFile(place);
  for (let damage = 0; damage < DAMAGES; damage++) {
    const claims = decodeResume(good, metainfo) as ResumeState;
    claims.stamps.set(0, lstatSync(file, { bigint: true }));
    const bytes = mutate([encodeResume(metainfo, claims)], random);
    await writeFile(place, bytes);
    await using bench = await Bench.open(made, out, threads);
    const isSame = typeof decodeResume(bytes, metainfo) !== 'string';
    if (isSame) continue; // an edit that was none
    const { have: found } = await bench.writer.check();
    assert.deepEqual(bench.notices.length, 1, `damage ${damage}`);
    assert.match(bench.notices[0]!, /^the resume state is not used: /);
    assert.equal(found.count, metainfo.pieceCount - 6, `damage ${damage}`);
    assert.ok(!found.has(0) && found.has(6));
  }
});

const STATES: Readonly<Record<string, (place: string) => Promise<void>>> = {
  'an empty one': (place) => writeFile(place, ''),
  'a folder': async (place) => {
    await rm(place);
    await mkdir(place);
  },
  'a link': async (place) => {
    await rm(place);
    await symlink('/dev/zero', place);
  },
  'a huge one': (place) => truncate(place, 5 * 2 ** 30),
  'one of noise': (place) => writeFile(place, Buffer.alloc(300, 0xa5)),
};

for (const [name, damage] of Object.entries(STATES)) {
  test(`in place of the resume state ${name}: what is on disk is hashed, nothing fetched`, async () => {
    await using scene = await Scene.open();
    await scene.start(['--quiet']).ends(0);
    const { sent } = scene.seed;
    await damage(await onlyState(scene.out));
    const run = scene.start();
    await run.ends(name === 'a folder' ? await run.end : 0, /resume state/);
    await scene.assertContent();
    assert.equal(scene.seed.sent, sent);
  });
}

test('the resume state of another torrent is not believed', async () => {
  await using scene = await Scene.open();
  await using other = await Scene.open({ length: 2 ** 20 });
  await other.start(['--quiet']).ends(0);
  await mkdir(path.join(scene.out, '.torrent-dl'), { recursive: true });
  await writeFile(path.join(scene.out, 'content'), Buffer.alloc(scene.torrent.totalLength));
  const place = path.join(scene.out, '.torrent-dl', `${scene.torrent.infoHash.toString('hex')}.resume`);
  await writeFile(place, await readFile(await onlyState(other.out)));
  await scene.start().ends(0, /the resume state is not used: it is of another torrent/);
  await scene.assertContent();
});

async function onlyState(out: string): Promise<string> {
  const folder = path.join(out, '.torrent-dl');
  const [name] = (await readdir(folder)).filter((file) => file.endsWith('.resume'));
  return path.join(folder, name!);
}
