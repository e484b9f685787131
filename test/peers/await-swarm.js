/** Asks a tracker every 100 ms until it counts enough peers: await-swarm.js SCRAPE-URL SEEDS LEECHERS TIMEOUT-MS */
const [url, seeds, leechers, timeoutMs] = process.argv.slice(2);
const end = Date.now() + Number(timeoutMs);
let answer = '';

function count(key) {
  return Number(new RegExp(`${key}i(\\d+)e`).exec(answer)?.[1] ?? 0);
}

while (count('8:complete') < Number(seeds) || count('10:incomplete') < Number(leechers)) {
  if (Date.now() > end) {
    process.stdout.write(`the tracker counts too few peers: ${JSON.stringify(answer)}\n`);
    process.exit(1);
  }
  await new Promise((resolve) => setTimeout(resolve, 100));
  try {
    answer = Buffer.from(await (await fetch(url)).arrayBuffer()).toString('latin1');
  } catch (error) {
    answer = String(error.cause ?? error); // not listening yet
  }
}
