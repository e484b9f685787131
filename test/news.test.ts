import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SourceNews } from '../src/news.js';
import type { SourceStatus } from '../src/tracker/source.js';

test('what a source says is told once, until it says something else', () => {
  const news = new SourceNews();
  const read = (sources: readonly SourceStatus[]): string[] => news.read(sources).map(({ line }) => line);
  const name = 'http://t/…';
  assert.deepEqual(read([{ name, state: 'asking' }]), []);
  const working = { name, state: 'working', peers: 1, seeds: 2 } as const;
  assert.deepEqual(read([working]), ['http://t/…: 1 peer (it knows of 2 seeds)']);
  assert.deepEqual(read([working, { name: 'DHT', state: 'working', peers: 3 }]), ['DHT: 3 peers']);
  assert.deepEqual(read([{ name, state: 'failed', message: 'connection refused' }]), [
    'http://t/…: connection refused',
  ]);
  assert.deepEqual(read([working]), ['http://t/…: 1 peer (it knows of 2 seeds)']);
});
