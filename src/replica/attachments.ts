import {
  HEARTBEAT_TICKS,
  MASS_BREAK_FRACTION,
  MASS_BREAK_SESSIONS_MIN,
  MASS_BREAK_WINDOW_MS,
  PONG_WAIT_MS,
  TICK_MS,
  TOUCH_REPEAT_MS,
} from "../limits.ts";
import type { LogIndex, MemberId, Term } from "../raft/types.ts";
import type { EndReason } from "../registry/command.ts";
import type { Registry } from "../registry/registry.ts";
import { type BoundSession, type Connection, type Emit, toClient } from "./connections.ts";
import type { Freshness } from "./freshness.ts";
import type { RequestId, SessionState } from "./inputs.ts";
import type { AttachedSession, Report, ReportConfirmed } from "./peer-messages.ts";

/** `afterReport`: the last report that was made before it; the next one is the first to carry it. */
interface Moment {
  readonly atMs: number;
  readonly afterReport: number;
}

interface WaitingPing extends Moment {
  readonly request: RequestId;
}

/** A session that a connection of this node speaks for. */
interface Attachment {
  readonly connection: Connection;
  readonly bound: BoundSession;
  /** The last sign of life that no confirmed report has carried; null when there is none. */
  touched: Moment | null;
  /** Resuming until it was answered with `resumed` or `expired`. */
  isResuming: boolean;
  pings: WaitingPing[];
}

/** A touch or break that outlives its connection, until a report with it is confirmed. */
interface Leftover extends AttachedSession, Moment {}

interface AwaitedConfirmation {
  readonly commitIndex: LogIndex;
  readonly counter: number;
  readonly refused: ReadonlySet<string>;
}

export interface ReportTarget {
  readonly id: MemberId;
  readonly leader: MemberId;
  readonly term: Term;
}

const REPORT_MS = HEARTBEAT_TICKS * TICK_MS;
/** A reconnect storm is told in a few reports, not in one a client. */
const URGENT_REPORT_MS = 10;

/**
 * The sessions that this node serves, and what it tells the leader of them. Keepalives are never
 * log entries: each heartbeat a report names who was heard. It names everything that is not
 * confirmed yet, so a lost report costs time and nothing else.
 */
export class Attachments {
  readonly #registry: Registry;
  readonly #freshness: Freshness;
  readonly #emit: Emit;
  readonly #start: number;
  readonly #bySession = new Map<string, Attachment>();
  #breaks = new Map<string, Leftover>();
  /** Sessions whose breaks were taken back: a switch failed, not so many processes. */
  #restores = new Map<string, Leftover>();
  #recentBreaks: Leftover[] = [];
  #counter = 0;
  #lastReportMs = Number.NEGATIVE_INFINITY;
  #isUrgent = false;
  /** Confirmations whose commit index is not applied here yet. */
  #awaited: AwaitedConfirmation[] = [];

  /** `start` is a random number of this start of the node. */
  constructor(registry: Registry, freshness: Freshness, emit: Emit, start: number) {
    this.#registry = registry;
    this.#freshness = freshness;
    this.#emit = emit;
    this.#start = start;
  }

  get count(): number {
    return this.#bySession.size;
  }

  /** A client resumes (`design: Resume`): at once `unconfirmed`, later `resumed` or `expired`. */
  attach(connection: Connection, session: BoundSession, nowMs: number): void {
    const known = this.#bySession.get(session.id);
    if (known !== undefined && known.bound.attach >= session.attach) {
      this.#tell(connection, session.id, { state: "denied" });
      return;
    }
    const settled = this.#settledState(session);
    if (settled !== null) {
      this.#tell(connection, session.id, settled);
      return;
    }
    this.#bind(connection, session, nowMs, true);
    this.#tell(connection, session.id, { state: "unconfirmed" });
  }

  /** The session was opened through this connection; the log itself has confirmed it. */
  opened(connection: Connection, session: BoundSession, nowMs: number): void {
    session.isVerified = true;
    this.#bind(connection, session, nowMs, false);
  }

  ping(connection: Connection, request: RequestId | null, nowMs: number): void {
    const attachment = this.#of(connection);
    if (attachment === null) {
      if (request !== null) {
        this.#pong(connection, request, false, nowMs);
      }
      return;
    }
    attachment.touched = this.#moment(nowMs);
    if (request !== null) {
      attachment.pings.push({ ...attachment.touched, request });
    }
  }

  /** `byClient`: its end closed or reset, without a `bye` that would have unbound the session. */
  disconnected(connection: Connection, byClient: boolean, nowMs: number): number {
    const attachment = this.#of(connection);
    if (attachment === null) {
      return 0;
    }
    const { bound } = attachment;
    this.#bySession.delete(bound.id);
    connection.session = null;
    if (!byClient || !bound.isVerified) {
      return 0;
    }
    return this.#break({ session: bound.id, attach: bound.attach, ...this.#moment(nowMs) });
  }

  /** The session has ended in the state; who speaks for it is told, but for its own `bye`. */
  ended(session: string, reason: EndReason, revision: number): void {
    this.#breaks.delete(session);
    this.#restores.delete(session);
    const attachment = this.#bySession.get(session);
    if (attachment === undefined) {
      return;
    }
    this.#bySession.delete(session);
    if (attachment.bound.isVerified && reason !== "closed") {
      this.#tell(attachment.connection, session, { state: "expired", reason, revision });
    }
  }

  tick(nowMs: number): void {
    this.#forgetOld(this.#breaks, nowMs);
    this.#forgetOld(this.#restores, nowMs);
    for (const attachment of this.#bySession.values()) {
      const { pings } = attachment;
      while (pings[0] !== undefined && nowMs - pings[0].atMs >= PONG_WAIT_MS) {
        this.#pong(attachment.connection, pings[0].request, false, nowMs);
        pings.shift();
      }
      const { touched } = attachment;
      const isOld = touched !== null && nowMs - touched.atMs > TOUCH_REPEAT_MS;
      if (isOld && !attachment.isResuming) {
        attachment.touched = null;
      }
    }
  }

  /** What is due to be told; null where nothing is. */
  report(target: ReportTarget, nowMs: number): Report | null {
    const isUrgent = this.#isUrgent;
    if (nowMs - this.#lastReportMs < (isUrgent ? URGENT_REPORT_MS : REPORT_MS)) {
      return null;
    }
    this.#isUrgent = false;
    this.#lastReportMs = nowMs;
    this.#counter += 1;
    const touches: AttachedSession[] = [];
    for (const { bound, touched } of this.#bySession.values()) {
      if (touched !== null && bound.isVerified) {
        touches.push({ session: bound.id, attach: bound.attach });
      }
    }
    for (const restore of this.#restores.values()) {
      touches.push(asAttached(restore));
    }
    return {
      type: "report",
      from: target.id,
      to: target.leader,
      term: target.term,
      start: this.#start,
      counter: this.#counter,
      sentAtMs: nowMs,
      isUrgent,
      touches,
      breaks: [...this.#breaks.values()].map(asAttached),
    };
  }

  /** A new leader or a new link: it knows nothing yet. */
  leaderChanged(): void {
    this.#isUrgent = this.#bySession.size > 0 || this.#breaks.size > 0;
    this.#lastReportMs = Number.NEGATIVE_INFINITY;
  }

  /** It answers a report of this start of the node; only then does its clock mean anything. */
  isOwn(message: ReportConfirmed): boolean {
    return message.start === this.#start && message.counter <= this.#counter;
  }

  /** A confirmation counts once this node has applied the commit index that came with it. */
  confirmed(message: ReportConfirmed, lastApplied: LogIndex, nowMs: number): void {
    this.#awaited.push({
      commitIndex: message.commitIndex,
      counter: message.counter,
      refused: new Set(message.refused),
    });
    this.applied(lastApplied, nowMs);
  }

  applied(lastApplied: LogIndex, nowMs: number): void {
    if (this.#awaited.length === 0) {
      return;
    }
    const due = this.#awaited.filter((confirmation) => confirmation.commitIndex <= lastApplied);
    if (due.length === 0) {
      return;
    }
    this.#awaited = this.#awaited.filter((confirmation) => confirmation.commitIndex > lastApplied);
    for (const confirmation of due) {
      this.#settle(confirmation, nowMs);
    }
  }

  #settle(confirmation: AwaitedConfirmation, nowMs: number): void {
    const { counter, refused } = confirmation;
    dropCarried(this.#breaks, counter);
    dropCarried(this.#restores, counter);
    for (const attachment of [...this.#bySession.values()]) {
      const { bound, touched } = attachment;
      if (touched === null || touched.afterReport >= counter) {
        continue;
      }
      if (!bound.isVerified) {
        this.#verify(attachment);
      } else if (!refused.has(bound.id)) {
        attachment.touched = null;
        this.#confirm(attachment, counter, nowMs);
      } else if (this.#registry.session(bound.id) === null) {
        this.#expire(attachment);
      }
    }
  }

  /** The touch was taken by a leader, in a round that succeeded, and this node is as far. */
  #confirm(attachment: Attachment, counter: number, nowMs: number): void {
    const { connection, bound } = attachment;
    for (let ping = attachment.pings[0]; ping !== undefined; ping = attachment.pings[0]) {
      if (ping.afterReport >= counter) {
        break;
      }
      this.#pong(connection, ping.request, true, nowMs);
      attachment.pings.shift();
    }
    if (!attachment.isResuming) {
      return;
    }
    const session = this.#registry.session(bound.id);
    if (session === null || session.ending !== null) {
      this.#expire(attachment);
      return;
    }
    attachment.isResuming = false;
    this.#tell(connection, bound.id, {
      state: "resumed",
      owned: session.owned,
      ownedRevision: session.ownedRevision,
      lastSeq: session.lastSeq,
      revision: this.#registry.revision,
    });
  }

  /**
   * This node did not know the session when the client came, and has since applied what a leader
   * confirmed: either it knows it now and can compare the secret, or nobody does.
   */
  #verify(attachment: Attachment): void {
    const { connection, bound } = attachment;
    const settled = this.#settledState(bound);
    if (settled !== null) {
      this.#release(attachment);
      this.#tell(connection, bound.id, settled);
    } else if (bound.isVerified) {
      this.#isUrgent = true;
    } else {
      this.#expire(attachment);
    }
  }

  /** What can be said at once: the end of a session is final, and so is a wrong secret. */
  #settledState(session: BoundSession): SessionState | null {
    const record = this.#registry.session(session.id);
    if (record !== null && record.secretHash !== session.secretHash) {
      return { state: "denied" };
    }
    if (record !== null && record.ending === null) {
      session.isVerified = true;
      return null;
    }
    const end = this.#registry.ended(session.id);
    return end === null ? null : { state: "expired", reason: end.reason, revision: end.revision };
  }

  #expire(attachment: Attachment): void {
    const end = this.#registry.ended(attachment.bound.id);
    this.#release(attachment);
    this.#tell(attachment.connection, attachment.bound.id, {
      state: "expired",
      reason: end?.reason ?? "unknown",
      revision: end?.revision ?? this.#registry.revision,
    });
  }

  #bind(connection: Connection, session: BoundSession, nowMs: number, isResuming: boolean): void {
    const known = this.#bySession.get(session.id);
    if (known !== undefined && known.connection !== connection) {
      known.connection.session = null;
    }
    connection.session = session;
    this.#breaks.delete(session.id);
    this.#restores.delete(session.id);
    this.#bySession.set(session.id, {
      connection,
      bound: session,
      touched: this.#moment(nowMs),
      isResuming,
      pings: [],
    });
    this.#isUrgent = true;
  }

  #release(attachment: Attachment): void {
    this.#bySession.delete(attachment.bound.id);
    attachment.connection.session = null;
  }

  #of(connection: Connection): Attachment | null {
    const attachment =
      connection.session === null ? undefined : this.#bySession.get(connection.session.id);
    return attachment?.connection === connection ? attachment : null;
  }

  /**
   * Returns how many breaks were taken back. When a switch fails, a node loses a large part of its
   * connections within a moment while every process behind them lives: they keep their TTL.
   */
  #break(leftover: Leftover): number {
    const windowStartMs = leftover.atMs - MASS_BREAK_WINDOW_MS;
    this.#recentBreaks = this.#recentBreaks.filter((recent) => recent.atMs > windowStartMs);
    this.#recentBreaks.push(leftover);
    const served = this.#bySession.size + this.#recentBreaks.length;
    const breaksMax = Math.max(MASS_BREAK_SESSIONS_MIN, served * MASS_BREAK_FRACTION);
    this.#isUrgent = true;
    if (this.#recentBreaks.length <= breaksMax) {
      this.#breaks.set(leftover.session, leftover);
      return 0;
    }
    const before = this.#restores.size;
    for (const recent of this.#recentBreaks) {
      if (!this.#bySession.has(recent.session)) {
        this.#breaks.delete(recent.session);
        this.#restores.set(recent.session, { ...recent, ...this.#moment(leftover.atMs) });
      }
    }
    return this.#restores.size - before;
  }

  #forgetOld(leftovers: Map<string, Leftover>, nowMs: number): void {
    for (const [session, leftover] of leftovers) {
      const record = this.#registry.session(session);
      const keepMs = leftovers === this.#breaks ? (record?.ttlMs ?? 0) : TOUCH_REPEAT_MS;
      if (nowMs - leftover.atMs > keepMs) {
        leftovers.delete(session);
      }
    }
  }

  #moment(atMs: number): Moment {
    return { atMs, afterReport: this.#counter };
  }

  #tell(connection: Connection, session: string, state: SessionState): void {
    this.#emit(toClient({ type: "sessionState", connection: connection.id, session, state }));
  }

  #pong(connection: Connection, request: RequestId, confirmed: boolean, nowMs: number): void {
    this.#emit(
      toClient({
        type: "pong",
        connection: connection.id,
        request,
        confirmed,
        revision: this.#registry.revision,
        ageMs: this.#freshness.ageMs(nowMs),
      }),
    );
  }
}

function asAttached({ session, attach }: Leftover): AttachedSession {
  return { session, attach };
}

function dropCarried(leftovers: Map<string, Leftover>, report: number): void {
  for (const [session, leftover] of leftovers) {
    if (leftover.afterReport < report) {
      leftovers.delete(session);
    }
  }
}
