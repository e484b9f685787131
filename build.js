/**
 * `npm run build`: dist/ for programs that import us (tsc: modules and types), bundle/ for the executable. One file
 * instead of a hundred modules halves the time from start to exit of a small download, and only a CommonJS one can have
 * its compiled code kept (common/code-cache.ts).
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const compiler = fileURLToPath(new URL('node_modules/typescript/bin/tsc', import.meta.url));
const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);

/**
 * axios without what only its other users need: `fetch`, whose globals make Node load its web client, and forms, which
 * come with a table of all media types. Together they take longer to load than axios.
 */
const slimAxios = {
  name: 'slim axios',
  setup({ onLoad, onEnd }) {
    const waiting = new Set();
    const change = (filter, contentsOf) => {
      waiting.add(filter);
      onLoad({ filter }, ({ path }) => {
        waiting.delete(filter);
        return { contents: contentsOf(path) };
      });
    };
    change(/axios[\\/]lib[\\/]adapters[\\/]fetch\.js$/, () => 'export const getFetch = () => false;');
    change(/form-data[\\/]lib[\\/]form_data\.js$/, () => 'module.exports = class FormData {};');
    change(/axios[\\/]lib[\\/]utils\.js$/, (path) => {
      const source = readFileSync(path, 'utf8');
      const contents = source.replace("typeof G.FormData !== 'undefined' ? G.FormData : undefined", 'undefined');
      if (contents === source) throw new Error('axios looks at the global FormData elsewhere than it did');
      return contents;
    });
    onEnd(() => {
      if (waiting.size > 0) throw new Error(`axios has no file ${[...waiting].join(', ')} any more`);
    });
  },
};

rmSync('bundle', { recursive: true, force: true });
await build({
  entryPoints: [
    ...['src/common/code-cache.ts', 'src/cli/main.ts'],
    ...['src/file/worker.ts', 'src/file/hash-worker.ts', 'src/file/digest-worker.ts'],
  ],
  outdir: 'bundle/cli', // as deep as sources are: they look for package.json from there
  entryNames: '[name]', // side by side, for a thread is started by its place beside the code that starts it
  outExtension: { '.js': '.cjs' },
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: 'node20',
  supported: { 'dynamic-import': false }, // but what is imported on demand is still run on demand
  banner: { js: "'use strict'; const $moduleUrl = require('node:url').pathToFileURL(__filename).href;" },
  define: { 'import.meta.url': '$moduleUrl', 'import.meta.resolve': 'undefined' },
  legalComments: 'eof',
  plugins: [slimAxios],
});
// What is left are regular expressions and comments: in ASCII alone it is read faster.
const main = readFileSync('bundle/cli/main.cjs', 'utf8');
const escape = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
writeFileSync('bundle/cli/main.cjs', main.replace(/[\u0080-\uffff]/g, escape));

// The man page says what --help says, for both are made from the same tables.
const { formatManPage } = await import('./dist/cli/man.js');
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const epoch = process.env.SOURCE_DATE_EPOCH;
mkdirSync('dist/man', { recursive: true });
writeFileSync('dist/man/torrent-dl.1', formatManPage(version, epoch ? new Date(Number(epoch) * 1000) : new Date()));
