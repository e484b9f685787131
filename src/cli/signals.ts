/** Ctrl-C and its kin: the first asks to stop, the second leaves at once. */
import { setMaxListeners } from 'node:events';

/** Exit codes by convention: 128 + the signal's number. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/** Time that a clean stop may take. */
const STOP_WITHIN_MS = 3000;

type SignalName = keyof typeof SIGNALS;

/** Where signals come from: `process`, but for tests. */
export interface SignalTarget {
  on(signal: SignalName, listener: () => void): unknown;
  off(signal: SignalName, listener: () => void): unknown;
}

/** Listens until disposed; what a signal asks for is in `signal` and `exitCode`. */
export class StopSignals implements Disposable {
  readonly #target: SignalTarget;
  readonly #leave: (exitCode: number) => void;
  readonly #abort = new AbortController();
  #stopped: Promise<void> | undefined;
  readonly #listeners = new Map<SignalName, () => void>();
  #deadline: NodeJS.Timeout | undefined;
  #exitCode: number | undefined;
  #isQuiet = false;

  /** Calls `onStop` at the first signal, before `signal` aborts; `leave` at the second, or when stopping takes long. */
  constructor(target: SignalTarget, onStop: () => void, leave: (exitCode: number) => void) {
    this.#target = target;
    this.#leave = leave;
    setMaxListeners(0, this.#abort.signal); // many downloads may listen
    for (const name of Object.keys(SIGNALS) as SignalName[]) {
      const listener = (): void => this.#received(SIGNALS[name], onStop);
      this.#listeners.set(name, listener);
      target.on(name, listener);
    }
  }

  /** Aborts at the first signal. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** 129, 130 or 143 once a signal came, or what `stop` was given. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  /** Whether it was `stop` that ended it, and nobody is to be told. */
  get isQuiet(): boolean {
    return this.#isQuiet;
  }

  /** Resolves at the first signal. */
  stopped(): Promise<void> {
    return (this.#stopped ??= new Promise((resolve) => {
      if (this.signal.aborted) resolve();
      else this.signal.addEventListener('abort', () => resolve(), { once: true });
    }));
  }

  /** Asks to stop as the first signal does, but without a word, and ends with `code`. */
  stop(code: number): void {
    if (this.#exitCode !== undefined) return;
    this.#isQuiet = true;
    this.#received(code, () => undefined);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#deadline);
    for (const [name, listener] of this.#listeners) this.#target.off(name, listener);
  }

  #received(code: number, onStop: () => void): void {
    if (this.#exitCode !== undefined) {
      this.#leave(this.#exitCode);
      return;
    }
    this.#exitCode = code;
    this.#deadline = setTimeout(() => this.#leave(code), STOP_WITHIN_MS);
    onStop();
    this.#abort.abort();
  }
}
