/**
 * The test runner behind `npm test`: builds, then runs node's own test runner under c8. The last lines are the coverage
 * of `src`, child processes included, and the runner's summary.
 *
 *   node test/run.js             all tests; those of real peers that are not installed are skipped
 *   node test/run.js --peers     only test/peers, without coverage limits
 *   node test/run.js FILE…       only these files, without coverage limits
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const MIN_LINES = 90;
const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const words = process.argv.slice(2);
// Tests ask nobody outside of this machine for peers, unless they say so in a network of their own.
Object.assign(process.env, { TORRENT_DL_DHT: 'false', TORRENT_DL_LSD: 'false' });

/** Runs a program of node_modules/.bin and gives its exit code. */
function run(program, args) {
  const { status, error } = spawnSync(path.join(root, 'node_modules/.bin', program), args, {
    cwd: root,
    stdio: 'inherit',
  });
  if (error) throw error;
  return status ?? 1;
}

function build() {
  return spawnSync(process.execPath, ['build.js'], { cwd: root, stdio: 'inherit' }).status ?? 1;
}

/** All files below `folder` that end with `suffix`, in a stable order. */
function filesBelow(folder, suffix) {
  return readdirSync(path.join(root, folder), { recursive: true })
    .filter((file) => file.endsWith(suffix))
    .map((file) => path.join(folder, file))
    .sort();
}

/** Sources of nothing but types: they are never loaded, and would count as not covered. */
function typeOnlySources() {
  return filesBelow('dist', '.js')
    .filter((file) => withoutComments(readFileSync(path.join(root, file), 'utf8')) === 'export {};')
    .map((file) => file.replace(/^dist/, 'src').replace(/js$/, 'ts'));
}

function withoutComments(code) {
  return code.replace(/\/\*[^]*?\*\/|\/\/.*/g, '').trim();
}

/** Tests under coverage; the runner's summary is repeated at the end. */
function runTests(files, coverageOptions) {
  const folder = mkdtempSync(path.join(tmpdir(), 'torrent-dl-tests-'));
  const summary = path.join(folder, 'tap');
  try {
    const status = run('c8', [
      ...[
        '--src',
        'src',
        '--all',
        '--include',
        'src',
        '--include',
        'dist',
        '--include',
        'bundle',
        '--exclude-after-remap',
      ],
      ...typeOnlySources().flatMap((file) => ['--exclude', file]),
      ...coverageOptions,
      ...['node', '--import', 'tsx', '--test', '--test-concurrency', '2'],
      ...['--test-reporter', 'spec', '--test-reporter-destination', 'stdout'],
      ...['--test-reporter', 'tap', '--test-reporter-destination', summary],
      ...files,
    ]);
    process.stdout.write(/(^# [a-z_]+ [\d.]+\n)+$/m.exec(readFileSync(summary, 'utf8'))?.[0] ?? '');
    return status;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const names = words.filter((word) => !word.startsWith('--'));
const onlyPeers = words.includes('--peers');
const unknown = words.find((word) => word.startsWith('--') && word !== '--peers');
if (unknown !== undefined) {
  process.stderr.write(`test/run.js: unknown option ${unknown} (it knows --peers and names of files)\n`);
  process.exitCode = 2;
} else if (build() !== 0) {
  process.exitCode = 1;
} else if (names.length > 0) {
  process.exitCode = runTests(names, ['--reporter', 'text-summary']);
} else if (onlyPeers) {
  process.exitCode = runTests(filesBelow('test/peers', '.test.ts'), ['--reporter', 'text-summary']);
} else {
  const limits = ['--check-coverage', '--lines', String(MIN_LINES)];
  process.exitCode = runTests(filesBelow('test', '.test.ts'), [
    '--reporter',
    'text',
    '--reporter',
    'lcovonly',
    ...limits,
  ]);
}
