/** What came in and went out, for `-v` and for tests. */
export interface DhtCounters {
  /** Datagrams. */
  received: number;
  /** Not looked at, for too many came. */
  flooded: number;
  malformed: number;
  /** Answers that nobody waited for, or not from there. */
  unmatched: number;
  /** Queries of others, and those of them that were answered; the rest came too often or to a read-only node. */
  queried: number;
  answered: number;
  /** Our queries, and what became of them. */
  asked: number;
  replies: number;
  timeouts: number;
  refusals: number;
  /** Answers by another id than the node was known by. */
  impostors: number;
}

export function newCounters(): DhtCounters {
  return {
    ...{ received: 0, flooded: 0, malformed: 0, unmatched: 0, queried: 0, answered: 0 },
    ...{ asked: 0, replies: 0, timeouts: 0, refusals: 0, impostors: 0 },
  };
}
