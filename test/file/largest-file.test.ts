import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { largestFile } from '../../src/file/largest-file.js';

test('on FAT a file ends below 4 GiB; elsewhere nobody says', () => {
  assert.equal(largestFile(0x4d44n), 2 ** 32 - 1);
  assert.equal(largestFile(0xef53n), Infinity);
});

test('a limit of the process counts', { skip: process.platform !== 'linux' && 'only Linux tells' }, () => {
  const module = fileURLToPath(new URL('../../src/file/largest-file.ts', import.meta.url));
  const script = `const { largestFile } = await import(${JSON.stringify(module)}); console.log(largestFile(0xef53n));`;
  const words = ['--import', 'tsx', '--input-type=module', '-e', script];
  const shell = ['-c', 'ulimit -f 2048; exec "$0" "$@"', process.execPath, ...words];
  assert.equal(execFileSync('sh', shell, { encoding: 'utf8' }), `${2048 * 512}\n`);
});
