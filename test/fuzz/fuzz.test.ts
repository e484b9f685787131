import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fuzz } from './fuzz.js';
import { mutate, randomFrom } from './mutate.js';
import { FAILING, TARGETS } from './targets.js';

const INPUTS = 2000;
const SEED = 20_261_123;

for (const target of TARGETS) {
  test(`${target.name}: what is in order is read, and what was found once stays mended`, () => {
    for (const bytes of target.seeds()) target.run(bytes);
    const corpus = new URL(`corpus/${target.name.replaceAll(' ', '-')}/`, import.meta.url);
    const names = existsSync(corpus) ? readdirSync(corpus) : [];
    for (const name of names) target.run(readFileSync(new URL(name, corpus)));
  });

  test(
    `${target.name}: ${INPUTS} damaged inputs give a result or an error of its own`,
    { timeout: 60_000 },
    async () => {
      const { executed, finding } = await fuzz(target, SEED, { inputs: INPUTS });
      assert.equal(finding, undefined, finding && `${finding.error}\n${Buffer.from(finding.input).toString('base64')}`);
      assert.equal(executed, INPUTS);
    },
  );
}

test('the same seed gives the same damage', () => {
  const seeds = [Buffer.from('d4:spam3:abce'), Buffer.from('i42e')];
  const damagesOf = (seed: number): string[] => {
    const random = randomFrom(seed);
    return Array.from({ length: 50 }, () => Buffer.from(mutate(seeds, random)).toString('hex'));
  };
  assert.deepEqual(damagesOf(1), damagesOf(1));
  assert.notDeepEqual(damagesOf(1), damagesOf(2));
});

for (const [target, error] of [
  [FAILING[0]!, /no end after 3 s/],
  [FAILING[1]!, /memory/],
  [FAILING[2]!, /TypeError: no such thing/],
] as const) {
  test(`${target.name} is found, with the input that it fails on`, { timeout: 60_000 }, async () => {
    const { finding } = await fuzz(target, SEED, { inputs: 100, hangMs: 3000 });
    assert.match(finding?.error ?? 'nothing', error);
    if (target === FAILING[2]) assert.throws(() => target.run(finding!.input), TypeError);
  });
}
