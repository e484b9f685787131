/** Which phase may follow which. */
const NEXT = {
  opening: ['resolving', 'checking', 'stopped', 'failed'],
  resolving: ['checking', 'stopped', 'failed'],
  checking: ['downloading', 'seeding', 'stopped', 'failed'],
  downloading: ['seeding', 'stopped', 'failed'],
  seeding: ['stopped', 'failed'],
  stopped: [],
  failed: [],
} as const satisfies Record<string, readonly string[]>;

/** `resolving`: a magnet link's info dictionary is not here yet (BEP 9); `seeding`: everything is here; `stopped`: closed or aborted. */
export type Phase = keyof typeof NEXT;

/** Whether a download may go from one phase to another. */
export function mayFollow(phase: Phase, next: Phase): boolean {
  return (NEXT[phase] as readonly Phase[]).includes(next);
}
