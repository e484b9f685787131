/** An HTTPS server on loopback whose certificate nobody knows but those who are shown it. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

export interface SelfSignedServer extends AsyncDisposable {
  /** `https://127.0.0.1:PORT` */
  readonly origin: string;
  readonly port: number;
  /** Where its certificate is, for those who want to trust it. */
  readonly certificate: string;
  /** How many requests got through. */
  readonly requests: number;
}

/** Needs the program `openssl`. */
export async function openSelfSigned(answer: RequestListener): Promise<SelfSignedServer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'torrent-dl-tls-'));
  const [key, certificate] = [path.join(folder, 'key'), path.join(folder, 'certificate')];
  const words = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  spawnSync('openssl', [...words, ...names, '-keyout', key, '-out', certificate]);
  let requests = 0;
  const server = createServer({ key: await readFile(key), cert: await readFile(certificate) }, (request, response) => {
    requests++;
    answer(request, response);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    origin: `https://127.0.0.1:${port}`,
    port,
    certificate,
    get requests() {
      return requests;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await once(server.close(), 'close');
      await rm(folder, { recursive: true });
    },
  };
}

export function hasOpenssl(): boolean {
  return spawnSync('openssl', ['version']).status === 0;
}
