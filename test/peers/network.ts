/** A network of the test's own: hosts are network namespaces on a bridge, out of reach of the machine's network. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { once } from 'node:events';
import path from 'node:path';

const OUTPUT_KEPT = 65_536;
const KILL_AFTER_MS = 4000;

let networks = 0;

/** Why no network can be made here, undefined when it can. */
export function whyNoNetwork(): string | undefined {
  if (process.getuid?.() !== 0) return 'a network namespace needs root';
  if (whichProgram('ip') === undefined) return 'the program "ip" is not installed (package iproute2)';
  return undefined;
}

/** Where a program stands, as a shell would find it. */
export function whichProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'];
  return folders.map((folder) => path.join(folder, name)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A bridge and its hosts; disposing of it stops what runs there. */
export class Network implements AsyncDisposable {
  readonly #prefix = `tdl${process.pid}-${networks++}`;
  readonly #hosts: Host[] = [];

  /** @throws when the system does not let us */
  constructor() {
    ip(`netns add ${this.#prefix}`);
    // without snooping, for nobody here would ask who listens to which multicast group
    ip(`link add bridge type bridge mcast_snooping 0`, `link set bridge up`, this.#prefix);
  }

  /** One more machine, with IPv4 addresses (one unless more are wanted), an IPv6 address and a loopback of its own. */
  addHost(name: string, addressCount = 1): Host {
    const number = this.#hosts.length + 1;
    const namespace = `${this.#prefix}-${number}`;
    const addresses = Array.from({ length: addressCount }, (_, index) => `10.77.${index}.${number}`);
    const address6 = `2001:db8:77::${number}`; // global in looks: transmission uses no others
    ip(`netns add ${namespace}`);
    const host = new Host(name, namespace, addresses, address6);
    this.#hosts.push(host);
    ip(
      `link add host${number} type veth peer name eth0 netns ${namespace}`,
      `link set host${number} master bridge up`,
      this.#prefix,
    );
    ip(
      ...[`link set lo up`, ...addresses.map((address) => `addr add ${address}/16 dev eth0`)],
      ...[`addr add ${address6}/64 dev eth0 nodad`, `link set eth0 up`],
      ...[`route add default dev eth0`, `route add ::/0 dev eth0`, namespace], // for multicast, too
    );
    return host;
  }

  /** The last lines of what every program said. */
  logs(): string {
    return this.#hosts
      .flatMap((host) => host.programs)
      .map((program) => `--- ${program.title}\n${program.output.split('\n').slice(-25).join('\n')}`)
      .join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#hosts.flatMap((host) => host.programs).map((program) => program.stop()));
    for (const { namespace } of this.#hosts) ip(`netns delete ${namespace}`);
    ip(`netns delete ${this.#prefix}`);
  }
}

/** A machine of the network. */
export class Host {
  readonly programs: Program[] = [];

  constructor(
    readonly name: string,
    readonly namespace: string,
    readonly addresses: readonly string[],
    readonly address6: string,
  ) {}

  /** Its first IPv4 address. */
  get address(): string {
    return this.addresses[0]!;
  }

  /** Starts a program here. */
  start(command: string, args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): Program {
    const child = spawn('ip', ['netns', 'exec', this.namespace, command, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    const program = new Program(`${this.name}: ${path.basename(command)}`, child);
    this.programs.push(program);
    return program;
  }

  /** Bytes that went over this host's network so far, headers included. */
  traffic(): { readonly received: number; readonly sent: number } {
    const show = ['-n', this.namespace, '-s', '-j', 'link', 'show', 'eth0'];
    const { stdout } = spawnSync('ip', show, { encoding: 'utf8' });
    const [link] = JSON.parse(stdout) as { stats64: Record<'rx' | 'tx', { bytes: number }> }[];
    return { received: link!.stats64.rx.bytes, sent: link!.stats64.tx.bytes };
  }

  /** UDP datagrams that programs here have sent so far, over IPv4 and IPv6, multicast too. */
  datagramsSent(): number {
    const files = ['/proc/net/snmp', '/proc/net/snmp6'];
    const { stdout } = spawnSync('ip', ['netns', 'exec', this.namespace, 'cat', ...files], { encoding: 'utf8' });
    const [names, values] = stdout.split('\n').filter((line) => line.startsWith('Udp: '));
    const sent4 = values!.split(' ')[names!.split(' ').indexOf('OutDatagrams')];
    return Number(sent4) + Number(/^Udp6OutDatagrams\s+(\d+)$/m.exec(stdout)![1]);
  }
}

/** A running program, what it said and how it ended. */
export class Program {
  output = '';
  readonly exit: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  readonly #child: ChildProcess;

  constructor(
    readonly title: string,
    child: ChildProcess,
  ) {
    this.#child = child;
    const append = (text: string): void => {
      this.output = (this.output + text).slice(-OUTPUT_KEPT);
    };
    child.stdout?.setEncoding('utf8').on('data', append);
    child.stderr?.setEncoding('utf8').on('data', append);
    child.on('error', (error) => append(`cannot start: ${error.message}\n`));
    this.exit = once(child, 'close').then(
      ([code, signal]: unknown[]) => ({ code: code as number | null, signal: signal as NodeJS.Signals | null }),
      () => ({ code: null, signal: null }),
    );
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null && this.#child.pid !== undefined;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Waits for the end. @throws when it takes longer than `withinMs` or the exit code is another */
  async exits(code: number, withinMs: number): Promise<void> {
    const end = await Promise.race([this.exit, timeout(withinMs)]);
    if (end === undefined) throw new Error(`${this.title} still runs after ${withinMs / 1000} s`);
    if (end.code !== code) throw new Error(`${this.title} ended with ${end.code ?? end.signal}, not ${code}`);
  }

  /** Asks it to end, and insists after 4 s. */
  async stop(): Promise<void> {
    if (!this.isRunning) return;
    this.kill('SIGTERM');
    if ((await Promise.race([this.exit, timeout(KILL_AFTER_MS)])) !== undefined) return;
    this.kill('SIGKILL');
    await this.exit;
  }
}

/** Resolves with undefined after a while, without keeping the process alive. */
export function timeout(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), ms).unref());
}

/** Runs `ip` commands; the last word is the namespace when there are several. */
function ip(...words: string[]): void {
  const namespace = words.length > 1 ? words.pop() : undefined;
  const args = [...(namespace === undefined ? [] : ['-n', namespace]), '-batch', '-'];
  const { status, stderr } = spawnSync('ip', args, { input: words.join('\n') + '\n', encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${words.join('; ')}: ${stderr.trim()}`);
}
