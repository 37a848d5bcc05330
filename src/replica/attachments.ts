import { HEARTBEAT_TICKS, PONG_WAIT_MS, TICK_MS, TOUCH_REPEAT_MS } from "../limits.ts";
import type { LogIndex, MemberId, Term } from "../raft/types.ts";
import type { EndReason } from "../registry/command.ts";
import type { Registry } from "../registry/registry.ts";
import { Breaks, type Moment } from "./breaks.ts";
import { type BoundSession, type Connection, type Emit, toClient } from "./connections.ts";
import type { Freshness } from "./freshness.ts";
import type { OwnedView, RequestId, SessionState } from "./inputs.ts";
import type { AttachedSession, Report, ReportConfirmed } from "./peer-messages.ts";

interface WaitingPing extends Moment {
  readonly request: RequestId;
}

/** A session that a connection of this node speaks for. */
interface Attachment {
  readonly connection: Connection;
  readonly bound: BoundSession;
  /** The signs of life that no confirmed report has carried; null when there are none. */
  touched: { first: Moment; last: Moment } | null;
  /** Resuming until it was answered with `resumed` or `expired`. */
  isResuming: boolean;
  pings: WaitingPing[];
}

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

interface Parts {
  readonly registry: Registry;
  readonly freshness: Freshness;
  readonly emit: Emit;
  /** A random number of this start of the node. */
  readonly start: number;
  /** The secret of a session was found right after its connection had waited for that. */
  readonly onVerified: (session: string) => void;
}

const REPORT_MS = HEARTBEAT_TICKS * TICK_MS;
/** A reconnect storm is told in a few reports, not in one a client. */
const URGENT_REPORT_MS = 10;
/** Confirmations that wait for their commit index; what one of them tells, a later one tells too. */
const AWAITED_MAX = 16;

/**
 * The sessions that this node serves, and what it tells the leader of them. Keepalives are never
 * log entries: each heartbeat a report names who was heard. It names everything that is not
 * confirmed yet, so a lost report costs time and nothing else.
 */
export class Attachments {
  readonly #parts: Parts;
  readonly #bySession = new Map<string, Attachment>();
  readonly #breaks: Breaks;
  #counter = 0;
  #lastReportMs = Number.NEGATIVE_INFINITY;
  #isUrgent = false;
  /** Confirmations whose commit index is not applied here yet. */
  #awaited: AwaitedConfirmation[] = [];

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#breaks = new Breaks(parts.registry);
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

  /** Whether the session is known here to belong to another secret, which never changes. */
  isDenied(session: string, secretHash: string): boolean {
    const record = this.#parts.registry.session(session);
    return record !== null && record.secretHash !== secretHash;
  }

  /** The session was opened through this connection; the log itself has confirmed it. */
  opened(connection: Connection, session: BoundSession, nowMs: number): void {
    session.isVerified = true;
    const known = this.#bySession.get(session.id);
    if (known === undefined) {
      this.#bind(connection, session, nowMs, false);
    } else if (known.connection === connection) {
      this.#touch(known, nowMs);
      this.#isUrgent = true;
    } else if (known.bound.attach > session.attach) {
      // The client has opened it again, over a later connection, and was answered there.
      connection.session = null;
    } else {
      this.#bind(connection, session, nowMs, false);
    }
  }

  ping(connection: Connection, request: RequestId | null, nowMs: number): void {
    const attachment = this.#of(connection);
    if (attachment === null) {
      if (request !== null) {
        this.#pong(connection, request, null, nowMs);
      }
      return;
    }
    const moment = this.#touch(attachment, nowMs);
    if (request !== null) {
      attachment.pings.push({ ...moment, request });
    }
  }

  /** `byClient`: its end closed or reset, without a `bye` that would have unbound the session. */
  disconnected(connection: Connection, byClient: boolean, nowMs: number): void {
    const attachment = this.#of(connection);
    if (attachment === null) {
      return;
    }
    const { id, attach, isVerified } = attachment.bound;
    this.#bySession.delete(id);
    connection.session = null;
    if (byClient && isVerified) {
      const leftover = { session: id, attach, ...this.#moment(nowMs) };
      this.#breaks.add(leftover, this.#bySession.size, (session) => this.#bySession.has(session));
      this.#isUrgent = true;
    }
  }

  /** The session has ended in the state; who speaks for it is told, but for its own `bye`. */
  ended(session: string, reason: EndReason, revision: number, nowMs: number): void {
    this.#breaks.forget(session);
    const attachment = this.#bySession.get(session);
    if (attachment === undefined) {
      return;
    }
    const isOwnBye = attachment.connection.session !== attachment.bound;
    this.#release(attachment, nowMs);
    if (!isOwnBye) {
      this.#tell(attachment.connection, session, { state: "expired", reason, revision });
    }
  }

  /** The state has leapt to that of a snapshot, in which sessions may be gone. */
  installed(nowMs: number): void {
    for (const attachment of [...this.#bySession.values()]) {
      const { bound } = attachment;
      const session = this.#parts.registry.session(bound.id);
      if (bound.isVerified && (session === null || session.ending !== null)) {
        this.#breaks.forget(bound.id);
        this.#expire(attachment, nowMs);
      }
    }
  }

  tick(nowMs: number): void {
    const sessions = this.#breaks.tick(nowMs);
    if (sessions > 0) {
      this.#parts.emit({ type: "notice", notice: { type: "massBreak", sessions } });
    }
    for (const attachment of this.#bySession.values()) {
      const { pings, touched, isResuming } = attachment;
      while (pings[0] !== undefined && nowMs - pings[0].atMs >= PONG_WAIT_MS) {
        this.#pong(attachment.connection, pings[0].request, null, nowMs);
        pings.shift();
      }
      if (touched !== null && nowMs - touched.last.atMs > TOUCH_REPEAT_MS && !isResuming) {
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
    touches.push(...this.#breaks.touches());
    return {
      type: "report",
      from: target.id,
      to: target.leader,
      term: target.term,
      start: this.#parts.start,
      counter: this.#counter,
      sentAtMs: nowMs,
      isUrgent,
      touches,
      breaks: this.#breaks.breaks(),
    };
  }

  /** A new leader or a new link: it knows nothing yet. */
  leaderChanged(): void {
    this.#isUrgent = this.#bySession.size > 0 || this.#breaks.hasBreaks;
    this.#lastReportMs = Number.NEGATIVE_INFINITY;
  }

  /** It answers a report of this start of the node; only then does its clock mean anything. */
  isOwn(message: ReportConfirmed): boolean {
    return message.start === this.#parts.start && message.counter <= this.#counter;
  }

  /** A confirmation counts once this node has applied the commit index that came with it. */
  confirmed(message: ReportConfirmed, lastApplied: LogIndex, nowMs: number): void {
    this.#awaited.push({
      commitIndex: message.commitIndex,
      counter: message.counter,
      refused: new Set(message.refused),
    });
    if (this.#awaited.length > AWAITED_MAX) {
      this.#awaited.splice(AWAITED_MAX / 2, 1);
    }
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
    this.#breaks.confirmed(counter);
    for (const attachment of [...this.#bySession.values()]) {
      const { bound, touched } = attachment;
      if (touched === null || touched.first.afterReport >= counter) {
        continue;
      }
      if (!bound.isVerified) {
        this.#verify(attachment, nowMs);
      } else if (!refused.has(bound.id)) {
        attachment.touched =
          touched.last.afterReport < counter ? null : { first: touched.last, last: touched.last };
        this.#confirm(attachment, counter, nowMs);
      } else if (this.#parts.registry.session(bound.id) === null) {
        this.#expire(attachment, nowMs);
      }
    }
  }

  /** The touch was taken by a leader, in a round that succeeded, and this node is as far. */
  #confirm(attachment: Attachment, counter: number, nowMs: number): void {
    const { connection, bound, pings } = attachment;
    const session = this.#parts.registry.session(bound.id);
    if (session === null || session.ending !== null) {
      this.#expire(attachment, nowMs);
      return;
    }
    const { owned, ownedRevision, lastSeq } = session;
    while (pings[0] !== undefined && pings[0].afterReport < counter) {
      this.#pong(connection, pings[0].request, { owned, ownedRevision }, nowMs);
      pings.shift();
    }
    if (attachment.isResuming) {
      attachment.isResuming = false;
      const { revision } = this.#parts.registry;
      this.#tell(connection, bound.id, {
        ...{ state: "resumed", owned, ownedRevision, lastSeq, revision },
      });
    }
  }

  /**
   * This node did not know the session when the client came, and has since applied what a leader
   * confirmed: either it knows it now and can compare the secret, or nobody does. No report has
   * carried its touch yet, whichever of them are still to be confirmed.
   */
  #verify(attachment: Attachment, nowMs: number): void {
    const { connection, bound } = attachment;
    const settled = this.#settledState(bound);
    if (settled !== null) {
      this.#release(attachment, nowMs);
      this.#tell(connection, bound.id, settled);
    } else if (bound.isVerified) {
      attachment.touched = null;
      this.#touch(attachment, nowMs);
      this.#isUrgent = true;
      this.#parts.onVerified(bound.id);
    } else {
      this.#expire(attachment, nowMs);
    }
  }

  /** What can be said at once: the end of a session is final, and so is a wrong secret. */
  #settledState(session: BoundSession): SessionState | null {
    const { registry } = this.#parts;
    if (this.isDenied(session.id, session.secretHash)) {
      return { state: "denied" };
    }
    if (registry.session(session.id)?.ending === null) {
      session.isVerified = true;
      return null;
    }
    const end = registry.ended(session.id);
    return end === null ? null : { state: "expired", reason: end.reason, revision: end.revision };
  }

  #expire(attachment: Attachment, nowMs: number): void {
    const { registry } = this.#parts;
    const end = registry.ended(attachment.bound.id);
    this.#release(attachment, nowMs);
    this.#tell(attachment.connection, attachment.bound.id, {
      state: "expired",
      reason: end?.reason ?? "unknown",
      revision: end?.revision ?? registry.revision,
    });
  }

  #bind(connection: Connection, session: BoundSession, nowMs: number, isResuming: boolean): void {
    const known = this.#bySession.get(session.id);
    if (known !== undefined) {
      this.#release(known, nowMs);
    }
    connection.session = session;
    this.#breaks.forget(session.id);
    const moment = this.#moment(nowMs);
    const touched = { first: moment, last: moment };
    this.#bySession.set(session.id, { connection, bound: session, touched, isResuming, pings: [] });
    this.#isUrgent = true;
  }

  /** The connection speaks for it no more; nothing that it asked stays unanswered. */
  #release(attachment: Attachment, nowMs: number): void {
    const { connection, bound, pings } = attachment;
    this.#bySession.delete(bound.id);
    if (connection.session === bound) {
      connection.session = null;
    }
    for (const { request } of pings.splice(0)) {
      this.#pong(connection, request, null, nowMs);
    }
  }

  #of(connection: Connection): Attachment | null {
    const attachment =
      connection.session === null ? undefined : this.#bySession.get(connection.session.id);
    return attachment?.connection === connection ? attachment : null;
  }

  #touch(attachment: Attachment, nowMs: number): Moment {
    const last = this.#moment(nowMs);
    attachment.touched = { first: attachment.touched?.first ?? last, last };
    return last;
  }

  #moment(atMs: number): Moment {
    return { atMs, afterReport: this.#counter };
  }

  #tell(connection: Connection, session: string, state: SessionState): void {
    const output = { type: "sessionState", connection: connection.id, session, state } as const;
    this.#parts.emit(toClient(output));
  }

  /** `owned` null: not confirmed. */
  #pong(connection: Connection, request: RequestId, owned: OwnedView | null, nowMs: number): void {
    this.#parts.emit(
      toClient({
        type: "pong",
        connection: connection.id,
        request,
        confirmed: owned !== null,
        owned,
        revision: this.#parts.registry.revision,
        ageMs: this.#parts.freshness.ageMs(nowMs),
      }),
    );
  }
}
