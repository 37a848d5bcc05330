import { ownersOf } from "./owners.ts";
import { byeOf, outcome, overFrom, type Recorded, type Session } from "./recorded.ts";
import type { Finding, Part } from "./verdict.ts";

/**
 * The promises about sessions, from the client's side.
 *
 * - **Never early.** A session that ends by its TTL has not been confirmed a sign of life that was
 *   sent less than a TTL before. One that ends by its grace was closed by its client at least a
 *   grace before, on a connection after which no later one was confirmed. The leader's clock may
 *   run fast by `driftMax`.
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
export function checkLeases(recorded: Recorded): Part {
  const findings: Finding[] = [];
  let looked = 0;
  const shown = lastShown(recorded);
  for (const session of recorded.sessions.values()) {
    const end = endOf(session, recorded);
    if (end !== null) {
      looked += 1;
      findings.push(...early(session, end, recorded), ...afterwards(session, end));
    }
    findings.push(...told(session, recorded), ...late(session, recorded, shown.get(session)));
  }
  return { findings, looked };
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

interface Sign {
  readonly sentAt: number;
  readonly sentMs: number;
  readonly attach: number;
}

/** Those that were confirmed, whenever that was heard. */
function signsOf({ open, touches }: Session): readonly Sign[] {
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

function early(session: Session, end: End, { setup }: Recorded): Finding[] {
  const bye = byeOf(session);
  const { toldEnd } = session;
  const isSaid = bye !== null && toldEnd !== null && bye.invoked.at < toldEnd.at;
  if (!setup.hasNodeEvents && toldEnd?.event.reason === "closed" && !isSaid) {
    const what = `${nameOf(session)} was told that it is closed, and its client had not said so`;
    return [finding("Never early", what, [session.open.invoked.at, toldEnd.at])];
  }
  const signs = signsOf(session);
  const { ttlMs, graceMs } = session.open.call;
  // A leader counts whole milliseconds, and its clock may run fast.
  const span = (ms: number): number => Math.floor(ms / (1 + setup.driftMax)) - 1;
  const last = signs.reduce<Sign | null>(
    (a, b) => (a === null || b.sentMs > a.sentMs ? b : a),
    null,
  );
  if (end.reason === "ttl" && last !== null && end.atMs < last.sentMs + span(ttlMs)) {
    const what = `${nameOf(session)} ended by its TTL of ${ttlMs} ms, ${end.atMs - last.sentMs} ms after it sent a sign of life that was confirmed`;
    return [finding("Never early", what, [last.sentAt, end.at])];
  }
  if (end.reason === "grace" && last !== null) {
    const attach = Math.max(...signs.map((sign) => sign.attach));
    const closed = session.closes.find((close) => close.attach >= attach);
    if (closed === undefined) {
      const what = `${nameOf(session)} ended by the grace of a connection that a later one replaced`;
      return [finding("Never early", what, [last.sentAt, end.at])];
    }
    if (end.atMs < closed.atMs + span(graceMs)) {
      const what = `${nameOf(session)} ended by its grace of ${graceMs} ms, ${end.atMs - closed.atMs} ms after it was closed`;
      return [finding("Never early", what, [closed.at, end.at])];
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
  // Of an end that is long past the reason may be forgotten.
  if (toldEnd === null || toldEnd.event.reason === "unknown" || !setup.hasNodeEvents) {
    return [];
  }
  const { reason, revision } = toldEnd.event;
  if (ended === null || ended.at > toldEnd.at) {
    const what = `${nameOf(session)} was told that it is over (${reason}), and had not ended`;
    return [finding("For good", what, [toldEnd.at])];
  }
  if (ended.event.reason !== reason || revision < ended.event.revision) {
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

function late(session: Session, recorded: Recorded, shown: Shown | undefined): Finding[] {
  const { calm, history, setup } = recorded;
  const left = session.abandonedAt === null ? undefined : history[session.abandonedAt];
  const hasOpened = outcome(session.open)?.event.type === "ok";
  if (calm === null || left === undefined || !hasOpened || recorded.leaders.length === 0) {
    return [];
  }
  const overMs = overByMs(session, Math.max(left.atMs, calm.event.atMs), recorded);
  const endedMs = session.ended?.event.atMs ?? history.at(-1)?.atMs ?? 0;
  const events = [session.abandonedAt ?? 0, session.ended?.at ?? history.length - 1];
  if (setup.hasNodeEvents && endedMs > overMs) {
    const when = session.ended === null ? "has not ended" : "ended";
    const what = `${nameOf(session)} ${when} at ${endedMs} ms, its time was over by ${overMs} ms`;
    return [finding("Never late", what, events)];
  }
  if (shown !== undefined && shown.atMs > overMs) {
    const what = `a read that was sent at ${shown.atMs} ms shows what ${nameOf(session)} owned, its time was over by ${overMs} ms`;
    return [finding("Never late", what, [session.abandonedAt ?? 0, shown.at])];
  }
  return [];
}

/**
 * When it has to have ended, at the latest. Each leader begins anew. A close counts only where no
 * node can have died between it and its notice.
 */
function overByMs(session: Session, leftMs: number, { setup, leaders, calm }: Recorded): number {
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
  let over = from(leaders[0]?.event.atMs ?? 0);
  for (const { event } of leaders) {
    if (event.atMs <= over) {
      over = from(event.atMs);
    }
  }
  return over;
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

function finding(promise: string, what: string, events: readonly number[]): Finding {
  return { checker: "leases", promise, what, events };
}

function nameOf({ id }: Session): string {
  return `session ${id.slice(0, 8)}`;
}
