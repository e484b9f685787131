/** Time as a parameter: real in the program, wound by hand in tests. */
export interface Clock {
  /** Monotonic time in ms, so that a changed wall clock means nothing. */
  now(): number;
  /** Calls back once, after `delayMs`; the result takes that back. */
  after(delayMs: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => {
      clearTimeout(timer);
    };
  },
};
