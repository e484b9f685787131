/** `to-stdout.ts x.torrent port [window MiB]`: downloads to standard output; an archive when there are several files. */
import { openStandardOutput } from '../../src/file/standard-output.js';
import { readSource } from '../../src/metainfo/source.js';
import { downloadHere } from '../helpers/download.js';

const [file = '', port = '', window = '64'] = process.argv.slice(2);
const metainfo = await readSource(file, new AbortController().signal);
if (!('files' in metainfo)) throw new Error('that is no .torrent');
await using running = downloadHere(metainfo, {
  output: {
    stream: openStandardOutput(),
    isTar: metainfo.isMultiFile,
    windowLength: Number(window) * 2 ** 20,
  },
  out: '/dev/null/nowhere',
  peers: [{ host: '127.0.0.1', port: Number(port) }],
});
try {
  await running.done;
} catch (error) {
  process.stderr.write(`${(error as { code: string }).code}\n`);
  process.exitCode = 1;
}
