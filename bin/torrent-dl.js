#!/usr/bin/env node
try {
  // Coverage is counted by module: under it, the modules run that the bundle is made of.
  const { main } = await (process.env.NODE_V8_COVERAGE
    ? import('../dist/cli/main.js')
    : import('../bundle/cli/main.js'));
  await main(process.argv.slice(2));
} catch (error) {
  // Our own code is in files, too; of all errors only this one can keep it from being loaded.
  if (error.code !== 'EMFILE' && error.code !== 'ENFILE') throw error;
  process.stderr.write('torrent-dl: too many open files; ulimit -n should be 64 or more\n');
  process.exit(5);
}
