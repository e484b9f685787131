import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PeerSource } from '../../src/tracker/source.js';
import { PeerSources } from '../../src/tracker/sources.js';

class FakeSource implements PeerSource {
  readonly calls: string[] = [];
  constructor(
    readonly name: string,
    readonly errors: readonly Error[] | undefined,
    readonly closing: () => Promise<void> = () => Promise.resolve(),
  ) {}
  requestPeers = (): void => void this.calls.push('requestPeers');
  completed = (): void => void this.calls.push('completed');
  status = () => [{ name: this.name, state: 'idle' as const }];
  failures = () => this.errors;
  [Symbol.asyncDispose](): Promise<void> {
    this.calls.push('close');
    return this.closing();
  }
}

test('what is told to all reaches each, and what they tell stands in their order', async () => {
  const sources = new PeerSources();
  const [one, two] = [new FakeSource('one', [new Error('1')]), new FakeSource('two', [new Error('2')])];
  sources.add(one);
  sources.add(two);
  sources.requestPeers();
  sources.completed();
  assert.deepEqual(
    sources.status().map(({ name }) => name),
    ['one', 'two'],
  );
  assert.deepEqual(sources.failures()?.map(String), ['Error: 1', 'Error: 2']);
  await sources[Symbol.asyncDispose]();
  await sources[Symbol.asyncDispose]();
  for (const { calls } of [one, two]) assert.deepEqual(calls, ['requestPeers', 'completed', 'close']);
});

test('as long as one may yet find somebody, there is no failure', () => {
  const sources = new PeerSources();
  assert.deepEqual(sources.failures(), []);
  sources.add(new FakeSource('one', [new Error('1')]));
  sources.add(new FakeSource('two', undefined));
  assert.equal(sources.failures(), undefined);
});

test('one that fails to close keeps no other open, and is told', async () => {
  const sources = new PeerSources();
  const [one, two] = [new FakeSource('one', []), new FakeSource('two', [])];
  sources.add(new FakeSource('bad', [], () => Promise.reject(new Error('stuck'))));
  sources.add(one);
  sources.add(two);
  await sources.drop((source) => source === one);
  assert.deepEqual([one.calls, two.calls], [['close'], []]);
  await assert.rejects(sources[Symbol.asyncDispose](), /stuck/);
  assert.deepEqual(two.calls, ['close']);
});
