/**
 * The test runner behind `npm test`: builds, then runs node's own test runner under c8, so that the last lines are its
 * summary and the coverage of `src`, child processes included.
 *
 *   node test/run.js             all tests; those of real peers that are not installed are skipped
 *   node test/run.js --peers     only test/peers, without coverage limits
 *   node test/run.js FILE…       only these files, without coverage limits
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const MIN_LINES = 90;
const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const words = process.argv.slice(2);

/** Runs a program of node_modules/.bin; ends this process when it fails. */
function run(program, args) {
  const { status, error } = spawnSync(path.join(root, 'node_modules/.bin', program), args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, FORCE_COLOR: process.stdout.isTTY ? '1' : '0' },
  });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

/** Every `*.test.ts` below `folder`, in a stable order. */
function testFiles(folder) {
  return readdirSync(path.join(root, folder), { recursive: true })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => path.join(folder, file))
    .sort();
}

const names = words.filter((word) => !word.startsWith('--'));
const unknown = words.find((word) => word.startsWith('--') && word !== '--peers');
if (unknown !== undefined) {
  process.stderr.write(`test/run.js: unknown option ${unknown} (it knows --peers and names of files)\n`);
  process.exit(2);
}
const onlyPeers = words.includes('--peers');
const isWhole = !onlyPeers && names.length === 0;
const files =
  names.length > 0
    ? names.map((name) => path.relative(root, path.resolve(name)))
    : testFiles(onlyPeers ? 'test/peers' : 'test');

run('tsc', ['-p', 'tsconfig.build.json']);
run('c8', [
  ...['--src', 'src', '--all', '--include', 'src', '--include', 'dist', '--exclude-after-remap'],
  ...['--reporter', 'text', '--reporter', 'lcovonly'],
  ...(isWhole ? ['--check-coverage', '--lines', String(MIN_LINES)] : []),
  ...['node', '--import', 'tsx', '--test', '--test-concurrency', '2', '--test-reporter', 'spec', ...files],
]);
