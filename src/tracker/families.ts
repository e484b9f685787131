import createDebug from 'debug';
import { TrackerError } from '../common/errors.js';
import { hideSecretsOf } from '../common/url.js';
import type { Announce, AnnounceReply, AnnounceRequest } from './announce.js';
import { uniquePeers } from './response.js';

const log = createDebug('torrent-dl:tracker');

/** IPv4 or IPv6, as look-ups name them. */
export type Family = 4 | 6;

const FAMILIES: readonly Family[] = [4, 6];

/** Announces over one family, or over whichever it is when that is undefined. @throws {TrackerError} as `Announce` does */
export type AnnounceOver = (
  request: AnnounceRequest,
  limits: { readonly timeoutMs: number; readonly signal: AbortSignal; readonly family: Family | undefined },
) => Promise<AnnounceReply>;

/**
 * Announces over IPv4 and IPv6, once over each, so that the tracker knows us by both addresses and names peers of both
 * (BEP 7). One answer is success; a host that has no address of a family is not missed. Events that follow `started` go
 * over the families whose `started` was answered, so that a family that leads nowhere holds up no goodbye.
 * `hasFamilies` tells whether there is a choice: not for a host given by address, for one.
 */
export function overBothFamilies(announceOver: AnnounceOver, hasFamilies: (url: URL) => boolean): Announce {
  const answered = new Map<string, Set<Family>>(); // by URL
  return async (request, { timeoutMs, signal, late }) => {
    if (!hasFamilies(request.url)) return announceOver(request, { timeoutMs, signal, family: undefined });
    const known = answered.get(request.url.href) ?? new Set<Family>();
    answered.set(request.url.href, known);
    const isLaterEvent = request.event === 'completed' || request.event === 'stopped';
    const families = isLaterEvent && known.size > 0 ? [...known] : FAMILIES;
    const ended = late ? AbortSignal.any([signal, late.signal]) : signal;

    const legs = families.map(async (family): Promise<AnnounceReply | TrackerError> => {
      try {
        const event = request.event ?? (known.has(family) ? undefined : 'started');
        const reply = await announceOver({ ...request, event }, { timeoutMs, signal: ended, family });
        known.add(family);
        return reply;
      } catch (error) {
        if (!(error instanceof TrackerError)) throw error;
        log('%s over IPv%d: %s', request.url.host, family, hideSecretsOf(request.url, error.message));
        return error;
      }
    });
    return late ? firstOf(legs, (reply) => !ended.aborted && late.onReply(reply)) : allOf(legs);
  };
}

/** The first answer; those that come after it go to `onLate`. */
function firstOf(
  legs: readonly Promise<AnnounceReply | TrackerError>[],
  onLate: (reply: AnnounceReply) => void,
): Promise<AnnounceReply> {
  return new Promise((resolve, reject) => {
    let isAnswered = false;
    const failed: TrackerError[] = [];
    for (const leg of legs) {
      void leg.then((outcome) => {
        if (outcome instanceof TrackerError) {
          failed.push(outcome);
          if (failed.length === legs.length) reject(mostTelling(failed));
        } else if (isAnswered) {
          onLate(outcome);
        } else {
          isAnswered = true;
          resolve(outcome);
        }
      });
    }
  });
}

async function allOf(legs: readonly Promise<AnnounceReply | TrackerError>[]): Promise<AnnounceReply> {
  const outcomes = await Promise.all(legs);
  const replies = outcomes.flatMap((outcome) => (outcome instanceof TrackerError ? [] : outcome));
  if (replies.length === 0) throw mostTelling(outcomes.filter((outcome) => outcome instanceof TrackerError));
  return replies.reduce(mergeReplies);
}

/** Both answers as one: all peers, and the longer waits. */
export function mergeReplies(one: AnnounceReply, other: AnnounceReply): AnnounceReply {
  return {
    peers: uniquePeers([...one.peers, ...other.peers]),
    intervalMs: Math.max(one.intervalMs, other.intervalMs),
    minIntervalMs: Math.max(one.minIntervalMs, other.minIntervalMs),
    complete: largest(one.complete, other.complete),
    incomplete: largest(one.incomplete, other.incomplete),
    trackerId: one.trackerId ?? other.trackerId,
    warning: one.warning ?? other.warning,
    externalIp: one.externalIp ?? other.externalIp,
  };
}

function largest(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? (one ?? other) : Math.max(one, other);
}

/** What the tracker itself said, else why it was not reached; that it has no address of a family says least. */
export function mostTelling(errors: readonly TrackerError[]): TrackerError {
  const rank = ({ code }: TrackerError): number =>
    code === 'ERR_TRACKER_HOST' ? 2 : code === 'ERR_TRACKER_UNREACHABLE' ? 1 : 0;
  return [...errors].sort((a, b) => rank(a) - rank(b))[0]!;
}
