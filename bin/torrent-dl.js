#!/usr/bin/env node
// CommonJS, which starts 14 ms sooner than a module does.
start().catch((error) => {
  // Our own code is in files, too; of all errors only this one can keep it from being loaded.
  if (error.code !== 'EMFILE' && error.code !== 'ENFILE') {
    process.exitCode = 1; // whatever Node is told to do about rejections
    throw error;
  }
  process.stderr.write('torrent-dl: too many open files; ulimit -n should be 64 or more\n');
  process.exit(5);
});

async function start() {
  const words = process.argv.slice(2);
  if (process.env.NODE_V8_COVERAGE) {
    // Coverage is counted by module: under it, the modules run that the bundle is made of.
    const { main } = await import('../dist/cli/main.js');
    await main(words);
  } else {
    const { loadScript } = require('../bundle/cli/code-cache.cjs');
    const { exports, keepCode } = loadScript(require.resolve('../bundle/cli/main.cjs'));
    await exports.main(words, keepCode);
  }
}
