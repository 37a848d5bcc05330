import { HEARTBEAT_TICKS, PONG_WAIT_MS, TICK_MS, TOUCH_REPEAT_MS } from "../limits.ts";
import type { LogIndex, MemberId, Term } from "../raft/types.ts";
import type { EndReason } from "../registry/command.ts";
import type { Registry } from "../registry/registry.ts";
import { Attachment } from "./attachment.ts";
import { AwaitedConfirmations, type Verdict } from "./awaited-confirmations.ts";
import { Breaks, type Moment } from "./breaks.ts";
import { type BoundSession, type Connection, type Emit, toClient } from "./connections.ts";
import type { DiskState } from "./disk-states.ts";
import type { Freshness } from "./freshness.ts";
import type { ConnectionId, OwnedView, RequestId, SessionState } from "./inputs.ts";
import type { AttachedSession, Report, ReportConfirmed } from "./peer-messages.ts";

export interface ReportTarget {
  readonly id: MemberId;
  readonly leader: MemberId;
  readonly term: Term;
  /** Of this node. */
  readonly disk: DiskState;
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

/**
 * The sessions that this node serves, and what it tells the leader of them. Keepalives are never
 * log entries: each heartbeat a report names who was heard. It names everything that is not
 * confirmed yet, so a lost report costs time and nothing else.
 */
export class Attachments {
  readonly #parts: Parts;
  readonly #bySession = new Map<string, Attachment>();
  /**
   * Those whose secret this node cannot compare yet. Ids of sessions are no secret, so none of them
   * may take the place of another before that.
   */
  readonly #unverified = new Map<ConnectionId, Attachment>();
  readonly #breaks: Breaks;
  #counter = 0;
  #lastReportMs = Number.NEGATIVE_INFINITY;
  #isUrgent = false;
  readonly #awaited = new AwaitedConfirmations();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#breaks = new Breaks(parts.registry);
  }

  /** A client resumes: at once `unconfirmed`, later what came of it. */
  attach(connection: Connection, session: BoundSession, nowMs: number): void {
    const settled = this.#settledState(session);
    if (settled !== null) {
      this.#tell(connection, session.id, settled);
      return;
    }
    const attachment = new Attachment(connection, session, true);
    connection.session = session;
    connection.endedSession = null;
    if (!session.isVerified) {
      this.#unverified.set(connection.id, attachment);
      this.#touch(attachment, nowMs);
      this.#isUrgent = true;
    } else if (!this.#enter(attachment, nowMs)) {
      return;
    }
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
    if (known?.connection === connection) {
      this.#touch(known, nowMs);
      this.#isUrgent = true;
      return;
    }
    const attached = this.#unverified.get(connection.id);
    this.#unverified.delete(connection.id);
    this.#enter(attached ?? new Attachment(connection, session, false), nowMs);
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
      attachment.wait({ ...moment, request });
    }
  }

  /** `byClient`: its end closed or reset, without a `bye` that would have unbound the session. */
  disconnected(connection: Connection, byClient: boolean, nowMs: number): void {
    const attachment = this.#of(connection);
    if (attachment === null) {
      return;
    }
    const { id, attach, isVerified } = attachment.bound;
    this.#forget(attachment);
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
    const isLate = ({ atMs }: Moment): boolean => nowMs - atMs >= PONG_WAIT_MS;
    for (const attachment of this.#unverified.values()) {
      this.#unconfirmed(attachment, isLate, nowMs);
    }
    for (const attachment of this.#bySession.values()) {
      this.#unconfirmed(attachment, isLate, nowMs);
      const { touched, isResuming } = attachment;
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
      if (touched !== null) {
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
      disk: target.disk,
    };
  }

  /** A new leader or a new link: it knows nothing yet. */
  leaderChanged(): void {
    const served = this.#bySession.size + this.#unverified.size;
    this.#isUrgent = served > 0 || this.#breaks.hasBreaks;
    this.#lastReportMs = Number.NEGATIVE_INFINITY;
  }

  /** It answers a report of this start of the node; only then does its clock mean anything. */
  isOwn(message: ReportConfirmed): boolean {
    return message.start === this.#parts.start && message.counter <= this.#counter;
  }

  /** A confirmation counts once this node has applied the commit index that came with it. */
  confirmed(message: ReportConfirmed, lastApplied: LogIndex, nowMs: number): void {
    this.#awaited.add(message);
    this.applied(lastApplied, nowMs);
  }

  applied(lastApplied: LogIndex, nowMs: number): void {
    for (const verdict of this.#awaited.takeDue(lastApplied)) {
      this.#settle(verdict, nowMs);
    }
  }

  #settle({ counter, refused, superseded }: Verdict, nowMs: number): void {
    this.#breaks.confirmed(counter);
    const isCarried = ({ touched }: Attachment): boolean =>
      touched !== null && touched.first.afterReport < counter;
    for (const attachment of [...this.#bySession.values()].filter(isCarried)) {
      const { bound } = attachment;
      const attach = superseded.get(bound.id);
      if (attach !== undefined) {
        this.#supersede(attachment, attach, nowMs);
      } else if (!refused.has(bound.id)) {
        attachment.confirmed(counter);
        this.#confirm(attachment, counter, nowMs);
      } else if (this.#parts.registry.session(bound.id) === null) {
        this.#expire(attachment, nowMs);
      }
    }
    for (const attachment of [...this.#unverified.values()].filter(isCarried)) {
      this.#verify(attachment, nowMs);
    }
  }

  /** The touch was taken by a leader, in a round that succeeded, and this node is as far. */
  #confirm(attachment: Attachment, counter: number, nowMs: number): void {
    const { connection, bound } = attachment;
    const session = this.#parts.registry.session(bound.id);
    if (session === null || session.ending !== null) {
      this.#expire(attachment, nowMs);
      return;
    }
    const { owned, ownedRevision, lastSeq } = session;
    for (const request of attachment.takePings(({ afterReport }) => afterReport < counter)) {
      this.#pong(connection, request, { owned, ownedRevision }, nowMs);
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
      this.#unverified.delete(connection.id);
      if (this.#enter(attachment, nowMs)) {
        this.#parts.onVerified(bound.id);
      }
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

  /**
   * Of the connections of a session at this node the one of the highest number has it, and of equal
   * ones the first. Returns whether this one has. Its secret is right; no report has named it yet.
   */
  #enter(attachment: Attachment, nowMs: number): boolean {
    const { id, attach } = attachment.bound;
    const known = this.#bySession.get(id);
    if (known !== undefined && known.bound.attach >= attach) {
      this.#supersede(attachment, known.bound.attach, nowMs);
      return false;
    }
    if (known !== undefined) {
      this.#supersede(known, attach, nowMs);
    }
    this.#breaks.forget(id);
    this.#bySession.set(id, attachment);
    attachment.touched = null;
    this.#touch(attachment, nowMs);
    this.#isUrgent = true;
    return true;
  }

  /** Another connection has the session, by its number: this one's touches and end say nothing. */
  #supersede(attachment: Attachment, attach: number, nowMs: number): void {
    this.#release(attachment, nowMs);
    this.#tell(attachment.connection, attachment.bound.id, { state: "denied", attach });
  }

  /** The connection speaks for it no more; nothing that it asked stays unanswered. */
  #release(attachment: Attachment, nowMs: number): void {
    const { connection, bound } = attachment;
    this.#forget(attachment);
    if (connection.session === bound) {
      connection.session = null;
    }
    this.#unconfirmed(attachment, () => true, nowMs);
  }

  #forget(attachment: Attachment): void {
    const { connection, bound } = attachment;
    this.#unverified.delete(connection.id);
    if (this.#bySession.get(bound.id) === attachment) {
      this.#bySession.delete(bound.id);
    }
  }

  #of(connection: Connection): Attachment | null {
    if (connection.session === null) {
      return null;
    }
    const attachment =
      this.#unverified.get(connection.id) ?? this.#bySession.get(connection.session.id);
    return attachment?.connection === connection ? attachment : null;
  }

  #touch(attachment: Attachment, nowMs: number): Moment {
    const moment = this.#moment(nowMs);
    attachment.touch(moment);
    return moment;
  }

  #moment(atMs: number): Moment {
    return { atMs, afterReport: this.#counter };
  }

  #unconfirmed(attachment: Attachment, isDue: (ping: Moment) => boolean, nowMs: number): void {
    for (const request of attachment.takePings(isDue)) {
      this.#pong(attachment.connection, request, null, nowMs);
    }
  }

  #tell(connection: Connection, session: string, state: SessionState): void {
    if (state.state === "expired") {
      connection.endedSession = session;
    }
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
