/** The executable itself; the build must be there (`npm test` makes it). */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const EXECUTABLE = fileURLToPath(new URL('../../bin/torrent-dl.js', import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function execute(args: readonly string[], input = ''): Promise<Ended> {
  const child = spawn(process.execPath, [EXECUTABLE, ...args], { stdio: 'pipe' });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

test('--help is on stdout and ends with 0', async () => {
  const { code, stdout, stderr } = await execute(['--help']);
  assert.equal(code, 0);
  assert.match(stdout, /^Usage: torrent-dl/);
  assert.equal(stderr, '');
});

test('--help and --version load neither engine nor bar', async () => {
  const main = new URL('../../dist/cli/main.js', import.meta.url).href;
  const script = `
    const { main } = await import('${main}');
    await main(['--version']);
    const loaded = Object.keys(process.getBuiltinModule('module')._cache);
    if (loaded.some((file) => /node_modules.(cli-progress|debug)/.test(file))) process.exitCode = 9;
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' });
  const [code] = (await once(child, 'close')) as [number | null];
  assert.equal(code, 0);
});

test('no operand: a short usage on stderr, exit 2', async () => {
  const { code, stdout, stderr } = await execute([]);
  assert.equal(code, 2);
  assert.equal(stdout, '');
  assert.match(stderr, /^Usage: torrent-dl \[options\] <torrent>…\nTry 'torrent-dl --help'/);
});

test('a wrong option: one line on stderr, exit 2', async () => {
  const { code, stderr } = await execute(['--port', 'x\u001b', 'a.torrent']);
  assert.equal(code, 2);
  assert.match(stderr, /^torrent-dl: option '-p, --port <number>' argument .*: not a whole number.*\n$/);
  assert.ok(!stderr.includes('\u001b'));
});

test('a torrent that is not there, or is none: one line, exit 3', async () => {
  for (const [args, input] of [
    [['/nonexistent/x.torrent'], ''],
    [['-'], 'not a torrent'],
    [['-'], ''],
  ] as const) {
    const { code, stderr } = await execute(args, input);
    assert.equal(code, 3, stderr);
    assert.match(stderr, /^torrent-dl: [^\n]+\n$/);
  }
});

test('a reader of stdout that goes away ends it quietly with 141', async () => {
  const child = spawn(process.execPath, [EXECUTABLE, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdout.destroy();
  const [code] = (await once(child, 'close')) as [number | null];
  assert.equal(code, 141);
  assert.equal(stderr, '');
});

test('a closed stderr does not change the exit code', async () => {
  const child = spawn(process.execPath, [EXECUTABLE, '/nonexistent/x.torrent'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  child.stderr.destroy();
  const [code] = (await once(child, 'close')) as [number | null];
  assert.equal(code, 3);
});

test('a long text to a pipe or a file comes whole', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'torrent-dl-main-'));
  const file = path.join(folder, 'help');
  const output = openSync(file, 'w');
  try {
    const child = spawn(process.execPath, [EXECUTABLE, '--help'], { stdio: ['ignore', output, 'inherit'] });
    await once(child, 'close');
    assert.equal(readFileSync(file, 'utf8'), (await execute(['--help'])).stdout);
  } finally {
    closeSync(output);
    rmSync(folder, { recursive: true });
  }
});
