#!/usr/bin/env node
// Coverage is counted by module: under it, the modules run that the bundle is made of.
const { main } = await (process.env.NODE_V8_COVERAGE ? import('../dist/cli/main.js') : import('../bundle/cli/main.js'));

await main(process.argv.slice(2));
