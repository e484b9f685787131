import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SourceNews } from '../src/news.js';

test('what a source says is told once, until it says something else', () => {
  const news = new SourceNews();
  const name = 'http://t/…';
  assert.deepEqual(news.read([{ name, state: 'asking' }]), []);
  const working = { name, state: 'working', peers: 1, seeds: 2 } as const;
  assert.deepEqual(news.read([working]), ['http://t/…: 1 peer (it knows of 2 seeds)']);
  assert.deepEqual(news.read([working, { name: 'DHT', state: 'working', peers: 3 }]), ['DHT: 3 peers']);
  assert.deepEqual(news.read([{ name, state: 'failed', message: 'connection refused' }]), [
    'http://t/…: connection refused',
  ]);
  assert.deepEqual(news.read([working]), ['http://t/…: 1 peer (it knows of 2 seeds)']);
});
