/**
 * Lookups in a DHT of one process, with dead and lying nodes: `node --import tsx test/bench/dht.ts [nodes] [searches]
 * [seed]` (2,000, 300 and 1). It takes some minutes of CPU time.
 */
import { quantile, Simulation, type SimulatedSearch } from '../tracker/dht/simulation.js';

const [nodes = 2000, searches = 300, seed = 1] = process.argv.slice(2).map(Number);

function row(name: string, results: readonly SimulatedSearch[]): string {
  const found = results.filter(({ isFound }) => isFound);
  const queries = results.map((search) => search.queries);
  const seconds = (of: (search: SimulatedSearch) => number, share: number): string =>
    `${(quantile(found.map(of), share) / 1000).toFixed(2)} s`;
  const cells = [
    name,
    `${((found.length / results.length) * 100).toFixed(1)} %`,
    ...[0.5, 0.95, 1].map((share) => quantile(queries, share)),
    ...[0.5, 0.95].map((share) => seconds(({ firstMs }) => firstMs, share)),
    seconds(({ endMs }) => endMs, 0.5),
  ];
  return `| ${cells.join(' | ')} |\n`;
}

process.stdout.write(
  `| ${nodes} nodes, ${searches} torrents | found | queries: median | 95 % | most | first peer: median | 95 % | end: median |\n` +
    '|---|---|---|---|---|---|---|---|\n',
);
for (const [name, dead, lying] of [
  ['all honest', 0, 0],
  ['20 % dead, 10 % lying', 0.2, 0.1],
] as const) {
  const simulation = new Simulation({ nodes, seed, dead, lying, lossRate: 0.01, settleMs: 30_000 });
  process.stdout.write(row(name, simulation.measure(searches)));
  simulation.close();
}
