import type { Setup } from "../history.ts";
import { type Earliest, earliest, latest } from "./lease-bounds.ts";
import { ownersOf } from "./owners.ts";
import { byeOf, hasFailed, outcome, overFrom, type Recorded, type Session } from "./recorded.ts";
import type { Finding, LateBound, Part } from "./verdict.ts";

const SIGN = "it sent a sign of life that was confirmed";

/**
 * The promises about sessions, from the client's side.
 *
 * - **Never early.** A session that ends by its TTL has not been confirmed a sign of life that was
 *   sent less than a TTL before. One that ends by its grace was closed by its client at least a
 *   grace before, on a connection after which no later one was confirmed. The leader's clock may
 *   run fast by `driftMax`. One that was confirmed and is told that nobody knows it (`unknown`) has
 *   ended by one or the other, or by a goodbye that its client has sent, or may have sent when it
 *   left. The goodbye of one session explains no end of another one on the same connection.
 * - **Never late**, where nothing but clients is disturbed, and while one node leads: a session that
 *   its client has left is over a TTL after that, or a grace after its end was closed for the node to
 *   see, on a clock that may be slow by `driftMax`, and within `expirySlackMs` more. A leader that
 *   is new gives a whole TTL. It shows by what nodes tell, and by linearizable reads that show what
 *   the session owned.
 * - **By its owner's word.** One whose client is told that it was `closed` had said so before.
 * - **For good.** Once it has ended, nothing of it that was sent later is confirmed or acknowledged;
 *   it is told its end with the reason, and not before it has ended.
 *
 * Where nodes tell nothing, an end is what its client was told, and nothing is late. Fewer than 20
 * connections close in any second: many at once keep their TTL. O(events + sessions × leaders).
 */
export function checkLeases(recorded: Recorded): Part & { readonly bounds: readonly LateBound[] } {
  const findings: Finding[] = [];
  const bounds: LateBound[] = [];
  let looked = 0;
  const shown = lastShown(recorded);
  for (const session of recorded.sessions.values()) {
    const end = endOf(session, recorded);
    if (end !== null) {
      // A goodbye says nothing of leases.
      looked += end.reason === "closed" ? 0 : 1;
      findings.push(...early(session, end, recorded), ...afterwards(session, end));
    }
    findings.push(...told(session, recorded));
    const late = lateness(session, recorded, shown.get(session));
    if (late !== null) {
      findings.push(...late.findings);
      bounds.push(late.bound);
    }
  }
  return { findings, looked, bounds: summed(bounds) };
}

interface End {
  readonly at: number;
  readonly atMs: number;
  readonly reason: string;
}

/** The first that is known of it; what nodes tell before what its client was told. */
function endOf(session: Session, { history }: Recorded): End | null {
  const first = session.ended ?? session.toldEnd;
  const said = overFrom(session);
  if (said !== null && (first === null || said.at < first.at)) {
    return { at: said.at, atMs: history[said.at]?.atMs ?? 0, reason: "closed" };
  }
  return first === null
    ? null
    : { at: first.at, atMs: first.event.atMs, reason: first.event.reason };
}

function early(session: Session, end: End, { setup }: Recorded): Finding[] {
  const bye = byeOf(session);
  const { toldEnd } = session;
  const isSaid = bye !== null && toldEnd !== null && bye.invoked.at < toldEnd.at;
  if (!setup.hasNodeEvents && toldEnd?.event.reason === "closed" && !isSaid) {
    const what = `${nameOf(session)} was told that it is closed, and its client had not said so`;
    return [finding("Never early", what, [session.open.invoked.at, toldEnd.at])];
  }
  const { ttlMs, graceMs } = session.open.call;
  const { ttl, grace } = earliest(session, setup);
  const fault = (what: string, from: number): Finding[] => [
    finding("Never early", `${nameOf(session)} ${what}`, [from, end.at]),
  ];
  const after = ({ fromMs }: Earliest): string => `${end.atMs - fromMs} ms after`;
  if (end.reason === "ttl" && ttl !== null && end.atMs < ttl.byMs) {
    return fault(`ended by its TTL of ${ttlMs} ms, ${after(ttl)} ${SIGN}`, ttl.at);
  }
  if (end.reason === "grace" && ttl !== null) {
    if (grace === null) {
      return fault("ended by the grace of a connection that a later one replaced", ttl.at);
    }
    if (end.atMs < grace.byMs) {
      const what = `ended by its grace of ${graceMs} ms, ${after(grace)} it was closed`;
      return fault(what, grace.at);
    }
  }
  // Given up, it may have been told goodbye at once. A bye that was refused has ended nothing.
  const isGivenUp = session.abandonedAt !== null && session.abandonedAt < end.at;
  const isOver = bye !== null && !hasFailed(bye) && bye.invoked.at < end.at;
  if (end.reason === "unknown" && ttl !== null && !isGivenUp && !isOver) {
    const first = grace === null || ttl.byMs < grace.byMs ? ttl : grace;
    if (end.atMs < first.byMs) {
      const since = first === ttl ? SIGN : "it was closed";
      return fault(`was told that nobody knows it, ${after(first)} ${since}`, first.at);
    }
  }
  return [];
}

function afterwards(session: Session, end: End): Finding[] {
  return [...session.touches, ...session.writes].flatMap((operation) => {
    const answer = outcome(operation);
    if (operation.invoked.at < end.at || answer?.event.type !== "ok") {
      return [];
    }
    const { kind } = operation.call;
    const what = `a ${kind} of ${nameOf(session)} was sent after its end, and answered with ok`;
    return [finding("For good", what, [end.at, operation.invoked.at, answer.at])];
  });
}

function told(session: Session, { setup }: Recorded): Finding[] {
  const { toldEnd, ended } = session;
  if (toldEnd === null || !setup.hasNodeEvents || !hasOpened(session)) {
    return [];
  }
  const { reason, revision } = toldEnd.event;
  if (ended === null || ended.at > toldEnd.at) {
    const what = `${nameOf(session)} was told that it is over (${reason}), and had not ended`;
    return [finding("For good", what, [toldEnd.at])];
  }
  // Of an end that is long past the reason may be forgotten.
  const isReason = reason === "unknown" || ended.event.reason === reason;
  if (!isReason || revision < ended.event.revision) {
    const what = `${nameOf(session)} ended by ${ended.event.reason} at revision ${ended.event.revision}, and was told ${reason} at ${revision}`;
    return [finding("For good", what, [ended.at, toldEnd.at])];
  }
  return [];
}

interface Shown {
  readonly at: number;
  readonly atMs: number;
}

/** By session: where the last linearizable read was sent that showed something of it. */
function lastShown(recorded: Recorded): ReadonlyMap<Session, Shown> {
  const shown = new Map<Session, Shown>();
  const owners = ownersOf(recorded);
  for (const read of recorded.reads) {
    const { event } = outcome(read) ?? {};
    if (event?.type === "ok" && read.call.mode.type === "linearizable") {
      for (const [, content] of event.view ?? []) {
        const [session, ...others] = owners(content);
        if (session !== undefined && others.length === 0) {
          shown.set(session, { at: read.invoked.at, atMs: read.invoked.event.atMs });
        }
      }
    }
  }
  return shown;
}

/** Of a session that its client has left; null where nothing is to be said of its end. */
function lateness(
  session: Session,
  recorded: Recorded,
  shown: Shown | undefined,
): { readonly findings: Finding[]; readonly bound: LateBound } | null {
  const { calm, history, setup } = recorded;
  const left = session.abandonedAt === null ? undefined : history[session.abandonedAt];
  if (calm === null || left === undefined || !hasOpened(session) || recorded.leaders.length === 0) {
    return null;
  }
  const { overMs, leaderChanges } = latest(session, Math.max(left.atMs, calm.event.atMs), recorded);
  const endedMs = session.ended?.event.atMs ?? history.at(-1)?.atMs ?? 0;
  const seenMs = setup.hasNodeEvents ? endedMs : (shown?.atMs ?? null);
  const { ttlMs, graceMs } = session.open.call;
  const spareMs = seenMs === null ? null : overMs - seenMs;
  const bound = { ...boundOf(setup), ttlMs, graceMs, leaderChanges, sessions: 1, spareMs };
  const findings: Finding[] = [];
  if (setup.hasNodeEvents && endedMs > overMs) {
    const when = session.ended === null ? "has not ended" : "ended";
    const what = `${nameOf(session)} ${when} at ${endedMs} ms, its time was over by ${overMs} ms`;
    const events = [session.abandonedAt ?? 0, session.ended?.at ?? history.length - 1];
    findings.push(finding("Never late", what, events));
  } else if (shown !== undefined && shown.atMs > overMs) {
    const what = `a read that was sent at ${shown.atMs} ms shows what ${nameOf(session)} owned, its time was over by ${overMs} ms`;
    findings.push(finding("Never late", what, [session.abandonedAt ?? 0, shown.at]));
  }
  return { findings, bound };
}

function boundOf({ driftMax, closeNoticeMs, electionMs = 0, expirySlackMs }: Setup) {
  return { driftMax, closeNoticeMs, electionMs, expirySlackMs };
}

/** Those that differ in nothing but what became of their sessions are one. */
function summed(bounds: readonly LateBound[]): LateBound[] {
  const all = new Map<string, LateBound>();
  for (const bound of bounds) {
    const name = JSON.stringify({ ...bound, sessions: 0, spareMs: 0 });
    const known = all.get(name);
    const spares = [known?.spareMs ?? null, bound.spareMs].filter((spare) => spare !== null);
    all.set(name, {
      ...bound,
      sessions: (known?.sessions ?? 0) + 1,
      spareMs: spares.length === 0 ? null : Math.min(...spares),
    });
  }
  return [...all.values()];
}

function hasOpened({ open }: Session): boolean {
  return outcome(open)?.event.type === "ok";
}

function finding(promise: string, what: string, events: readonly number[]): Finding {
  return { checker: "leases", promise, what, events };
}

function nameOf({ id }: Session): string {
  return `session ${id.slice(0, 8)}`;
}
