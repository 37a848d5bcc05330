import type { Setup } from "../history.ts";
import { outcome, type Recorded, type Session } from "./recorded.ts";

/** When a session can end, by what its client did and was told. */

/** A sign of life that was confirmed, whenever that was heard. */
export interface Sign {
  readonly sentAt: number;
  readonly sentMs: number;
  readonly attach: number;
}

export function signsOf({ open, touches }: Session): readonly Sign[] {
  // The answer to an opening may be that of an attempt on a connection before.
  return [open, ...touches].flatMap((operation) => {
    const { event } = outcome(operation) ?? {};
    if (event?.type !== "ok") {
      return [];
    }
    const { at: sentAt, event: sent } = operation.invoked;
    const attach = operation.call.kind === "touch" ? operation.call.attach : 0;
    return [{ sentAt, sentMs: sent.atMs, attach }];
  });
}

/** Not before `byMs`, because of the event at position `at`. */
export interface Earliest {
  readonly byMs: number;
  readonly at: number;
  /** From when on it counts. */
  readonly fromMs: number;
}

/**
 * - `ttl`: a TTL after the last sign of life that was confirmed was sent. Null where none was.
 * - `grace`: a grace after its client closed a connection after which no later one was confirmed. Null
 *   where it closed none.
 *
 * On a clock that may run fast by `driftMax` and counts whole milliseconds.
 */
export function earliest(
  session: Session,
  { driftMax }: Setup,
): { readonly ttl: Earliest | null; readonly grace: Earliest | null } {
  const { ttlMs, graceMs } = session.open.call;
  const span = (ms: number): number => Math.floor(ms / (1 + driftMax)) - 1;
  const signs = signsOf(session);
  const last = signs.reduce<Sign | null>(
    (a, b) => (a === null || b.sentMs > a.sentMs ? b : a),
    null,
  );
  const attach = Math.max(...signs.map((sign) => sign.attach));
  const closed = session.closes.find((close) => close.attach >= attach);
  return {
    ttl: last && { byMs: last.sentMs + span(ttlMs), at: last.sentAt, fromMs: last.sentMs },
    grace: closed
      ? { byMs: closed.atMs + span(graceMs), at: closed.at, fromMs: closed.atMs }
      : null,
  };
}

/** What a latest moment is made of; times in ms. */
export interface Latest {
  readonly overMs: number;
  /** Each leader from then on has begun anew, and may have taken an election to come. */
  readonly leaderChanges: number;
}

/**
 * When it has to have ended, where nothing but clients is disturbed: a TTL after its client left, or a
 * grace after the close of its connection was noticed, on a clock that may be slow by `driftMax`;
 * anew with each leader, which may come `electionMs` after that; and `expirySlackMs` for the quorum
 * round, the commit, and the pacing of many ends. A close counts only where no node can have died
 * between it and its notice.
 */
export function latest(session: Session, leftMs: number, recorded: Recorded): Latest {
  const { setup, leaders, calm } = recorded;
  const { ttlMs, graceMs } = session.open.call;
  const span = (ms: number): number => Math.ceil(ms / (1 - setup.driftMax));
  const attach = Math.max(
    ...signsOf(session).map((sign) => sign.attach),
    ...session.touches.map(({ call }) => call.attach),
  );
  const closed = session.closes.find(
    (close) => close.attach >= attach && calm !== null && close.at > calm.at,
  );
  const noticedMs = closed === undefined ? Infinity : closed.atMs + setup.closeNoticeMs;
  const from = (ledMs: number): number => {
    const byTtl = Math.max(leftMs, ledMs) + span(ttlMs);
    const protectedMs = protectedFromMs(session, ledMs) + span(ttlMs);
    const byGrace = Math.max(Math.max(noticedMs, leftMs, ledMs) + span(graceMs), protectedMs);
    return Math.min(byTtl, byGrace) + setup.expirySlackMs;
  };
  let overMs = from(leaders[0]?.event.atMs ?? 0);
  let leaderChanges = 0;
  for (const { event } of leaders) {
    if (event.atMs <= overMs + (setup.electionMs ?? 0)) {
      overMs = from(event.atMs);
      leaderChanges += event.atMs > leftMs ? 1 : 0;
    }
  }
  return { overMs, leaderChanges };
}

/**
 * No grace shortens a TTL from here: a leader has not seen the session from its opening on, or has
 * seen it opened twice, and does not know its latest connection.
 */
function protectedFromMs({ open }: Session, ledMs: number): number {
  const unseenMs = open.invoked.event.atMs <= ledMs ? ledMs : -Infinity;
  const againMs = open.sent > 1 ? (outcome(open)?.event.atMs ?? -Infinity) : -Infinity;
  return Math.max(unseenMs, againMs);
}
