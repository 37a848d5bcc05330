import type { Refusal } from "../errors.ts";
import { must, unreachable } from "../util/assert.ts";
import type { Change, SessionEvent } from "./change.ts";
import type {
  Command,
  EndReason,
  ExpireSessions,
  OpenSession,
  Outcome,
  Reply,
  SessionCommand,
} from "./command.ts";
import { writeTotals } from "./digest.ts";
import type { FrozenRegistry } from "./freeze.ts";
import type { Instance, InstanceKey, Selector } from "./instance.ts";
import { checkInvariants } from "./invariants.ts";
import { agrees } from "./selector.ts";
import type { Session, SessionView } from "./sessions.ts";
import { type RegistryLimits, RegistryState } from "./state.ts";

/** Where in the log a command stands. */
export interface EntryContext {
  readonly index: number;
  readonly term: number;
  /** The leader's wall clock when it packed the entry. */
  readonly atMs: number;
}

export interface ApplyResult {
  readonly outcome: Outcome;
  /** One for each instance that changed, all of one revision. */
  readonly changes: readonly Change[];
  readonly sessionEvents: readonly SessionEvent[];
}

const NO_CHANGES: readonly Change[] = [];
const NO_EVENTS: readonly SessionEvent[] = [];
const NOTHING: ApplyResult = {
  outcome: { type: "none" },
  changes: NO_CHANGES,
  sessionEvents: NO_EVENTS,
};

interface Ending {
  readonly session: Session;
  readonly reason: EndReason;
}

/**
 * The state machine: a deterministic function of the log, whole in memory. The revision counts the
 * commands that changed an instance; to open or to end a session that owns nothing is no change,
 * and what it is answered with is the revision there was.
 */
export class Registry {
  #state: RegistryState;

  /** `state`: what a `RegistryBuilder` has restored; an empty one unless given. */
  constructor(limits: Partial<RegistryLimits> = {}, state = new RegistryState(limits)) {
    this.#state = state;
  }

  get revision(): number {
    return this.#state.revision;
  }

  get stateVersion(): number {
    return this.#state.stateVersion;
  }

  /** Sessions in the state, with those that have ended but still own instances. */
  get sessionCount(): number {
    return this.#state.sessions.size;
  }

  get instanceCount(): number {
    return this.#state.instances.applications.instanceCount;
  }

  /** Of all namespaces. */
  get applicationCount(): number {
    return this.#state.instances.applications.count;
  }

  /** 16 hex digits over the whole state; the same state has the same, whatever led to it. */
  digest(): string {
    return writeTotals(this.#state.digest, this.#state.totals()).withRecord();
  }

  get(key: InstanceKey): Instance | null {
    return this.#state.instances.get(key) ?? null;
  }

  /** Sorted by (protocol, addr), by code units. Never written to afterwards. */
  select(selector: Selector): readonly Instance[] {
    const { namespace, application, protocol, meta } = selector;
    const all = this.#state.instances.applications.get(namespace, application)?.sorted() ?? [];
    return protocol === null && meta.length === 0
      ? all
      : all.filter((instance) => agrees(selector, instance));
  }

  /** Those that have an instance, sorted by code units. */
  applications(namespace: string): readonly string[] {
    return this.#state.instances.applications.names(namespace);
  }

  /** Null once it has ended and what it owned is gone. */
  session(id: string): SessionView | null {
    return this.#state.sessions.get(id) ?? null;
  }

  /** How a session ended: of the last `tombstonesMax`, from the moment they end. */
  ended(id: string): { readonly reason: EndReason; readonly revision: number } | null {
    return this.#state.tombstones.get(id) ?? null;
  }

  /**
   * What a command of a session that has ended is answered with, through the log or without it;
   * null where no end is known. A retry of what was applied gets its reply as long as that is kept:
   * the client learns that it happened. A second `bye` of a session that said `bye` finds done what
   * it asks for. Everything else is refused for good, as the id will never live again.
   */
  afterEnd(command: SessionCommand): Reply | null {
    const session = this.#state.sessions.get(command.session);
    const ended = this.#state.tombstones.get(command.session);
    const reason = session === undefined ? ended?.reason : session.ending;
    if (reason === undefined || reason === null) {
      return null;
    }
    const kept = session?.replies.reply(command.seq) ?? null;
    if (kept !== null) {
      return kept;
    }
    return command.type === "closeSession" && reason === "closed"
      ? { ok: true, revision: ended?.revision ?? this.#state.revision }
      : this.#refusal({ code: "SESSION_EXPIRED", message: `the session has ended: ${reason}` });
  }

  /** By id, ending ones too. What happens meanwhile does not disturb it. */
  sessions(): IterableIterator<SessionView> {
    return this.#state.sessions.sorted().values();
  }

  /** Those that a leader must go on reaping, in the order in which they ended. */
  endingSessions(): readonly string[] {
    return this.#state.sessions.ending;
  }

  /** Somebody reads it as it was; there is no second one at once. */
  get isFrozen(): boolean {
    return this.#state.freezer.isFrozen;
  }

  /** As it is now, to be read while it goes on changing. One at a time, until it is released. */
  freeze(): FrozenRegistry {
    const { sessions, tombstones, instances, freezer } = this.#state;
    const head = {
      totals: this.#state.totals(),
      tombstones: [...tombstones],
      digest: this.digest(),
    };
    return freezer.freeze(head, sessions, instances.applications);
  }

  /** Becomes the state of `other`, which must not be used any more. */
  become(other: Registry): void {
    this.#state = other.#state;
  }

  /** Not by a command of the log, but before there is one: see `beginLineage` in `lineage.ts`. */
  beginLineage(revisions: number): void {
    this.#state.revision += revisions;
    for (const session of this.#state.sessions) {
      session.renumber();
    }
  }

  /** Total: whatever is wrong with a command comes back as a value. A throw is a bug. */
  apply(context: EntryContext, command: Command): ApplyResult {
    this.#state.clockMs = Math.max(this.#state.clockMs, context.atMs);
    switch (command.type) {
      case "openSession":
        return this.#open(command);
      case "register":
      case "update":
      case "deregister":
      case "closeSession":
        return this.#applyNumbered(context, command);
      case "expireSessions":
        return this.#expire(context, command);
      case "reapSession":
        return this.#reap(command.session);
      case "raiseStateVersion":
        this.#state.stateVersion = Math.max(this.#state.stateVersion, command.version);
        return NOTHING;
      default:
        return unreachable(command);
    }
  }

  /** Asserts all that must hold between the parts, and the digest against one made from scratch. */
  checkInvariants(): void {
    checkInvariants({
      instances: this.#state.instances.applications,
      sessions: this.#state.sessions,
      tombstones: this.#state.tombstones,
      limits: this.#state.limits,
      totals: this.#state.totals(),
      digest: this.digest(),
    });
  }

  #open(command: OpenSession): ApplyResult {
    const known = this.#state.sessions.get(command.session);
    if (known !== undefined && known.ending === null) {
      return known.secretHash === command.secretHash
        ? answered(known.openedReply())
        : this.#refused({ code: "DENIED", message: "the session id belongs to another secret" });
    }
    if (known !== undefined || this.#state.tombstones.get(command.session) !== undefined) {
      return this.#refused({ code: "SESSION_EXPIRED", message: "the session has ended" });
    }
    if (this.#state.tombstones.isTooOld(command.appliedIndex)) {
      const message = "the opening is older than what is known of ended sessions";
      return this.#refused({ code: "SESSION_UNKNOWN", message });
    }
    const session = this.#state.sessions.open(command, this.#state.revision, this.#state.clockMs);
    return {
      outcome: { type: "applied", reply: session.openedReply() },
      changes: NO_CHANGES,
      sessionEvents: [{ type: "opened", session: session.id }],
    };
  }

  #applyNumbered(context: EntryContext, command: SessionCommand): ApplyResult {
    const { seq, floor } = command;
    const session = this.#state.sessions.get(command.session);
    if (session === undefined || session.ending !== null) {
      const refusal = { code: "SESSION_UNKNOWN", message: "there is no such session" } as const;
      return answered(this.afterEnd(command) ?? this.#refusal(refusal));
    }
    const verdict = session.replies.judge(seq, floor);
    switch (verdict.type) {
      case "kept":
        return answered(verdict.reply);
      case "next":
        return this.#applyNext(context, session, command);
      case "belowFloor": {
        const message = `number ${seq} is below ${verdict.floor}, the lowest that is waited for`;
        return this.#refused({ code: "INVALID", message, field: "seq" });
      }
      case "gap":
        return {
          outcome: { type: "gap", expected: verdict.expected },
          changes: NO_CHANGES,
          sessionEvents: NO_EVENTS,
        };
      case "tooMany": {
        const limit = this.#state.limits.unansweredPerSessionMax;
        const message = `more than ${limit} writes are unanswered (UNANSWERED_PER_SESSION_MAX)`;
        return this.#refused({ code: "LIMIT", message, field: "seq", limit });
      }
      default:
        return unreachable(verdict);
    }
  }

  #applyNext(context: EntryContext, session: Session, command: SessionCommand): ApplyResult {
    const at = { revision: this.#state.revision + 1, atMs: this.#state.clockMs };
    const changes: Change[] = [];
    let refusal: Refusal | null = null;
    switch (command.type) {
      case "register":
        refusal = this.#state.instances.register(session, command.instances, at, changes);
        break;
      case "update":
        refusal = this.#state.instances.update(session, command, at, changes);
        break;
      case "deregister":
        refusal = this.#state.instances.deregister(session, command.keys, at, changes);
        break;
      case "closeSession":
        return this.#close(context, session, command);
      default:
        return unreachable(command);
    }
    if (changes.length > 0) {
      this.#state.revision = at.revision;
    }
    const reply = refusal === null ? this.#ok() : this.#refusal(refusal);
    session.applied(command.seq, command.floor, reply);
    return { outcome: { type: "applied", reply }, changes, sessionEvents: NO_EVENTS };
  }

  #close(context: EntryContext, session: Session, command: SessionCommand): ApplyResult {
    const { changes, sessionEvents } = this.#end(context, [{ session, reason: "closed" }], () =>
      session.applied(command.seq, command.floor, this.#ok()),
    );
    return { outcome: { type: "applied", reply: this.#ok() }, changes, sessionEvents };
  }

  /**
   * n1 decided in term 4 that a session was silent, and was cut off; n2 leads term 5 and gives
   * the session its full time again. A copy of n1's command that ends up in an entry of term 5
   * was decided by nobody who may decide in term 5.
   */
  #expire(context: EntryContext, command: ExpireSessions): ApplyResult {
    if (context.term !== command.term) {
      return NOTHING;
    }
    const endings = new Map<string, Ending>();
    for (const { session: id, reason } of command.sessions) {
      const session = this.#state.sessions.get(id);
      if (session !== undefined && session.ending === null && !endings.has(id)) {
        endings.set(id, { session, reason });
      }
    }
    return this.#end(context, [...endings.values()]);
  }

  /**
   * Ends sessions for good and removes the first piece of what they own. `answer` keeps the reply
   * to the command that asked for it, before a session that owns nothing more leaves the state.
   */
  #end(context: EntryContext, endings: readonly Ending[], answer?: () => void): ApplyResult {
    const changes: Change[] = [];
    for (const { session, reason } of endings) {
      this.#state.sessions.end(session, reason);
      this.#removePiece(session, changes);
    }
    this.#advance(changes);
    answer?.();
    const revision = this.#state.revision;
    const sessionEvents: SessionEvent[] = [];
    for (const { session, reason } of endings) {
      this.#state.tombstones.add({ session: session.id, reason, revision, index: context.index });
      sessionEvents.push({ type: "ended", session: session.id, reason, revision });
    }
    for (const { session } of endings) {
      this.#dropIfEmpty(session, sessionEvents);
    }
    return { outcome: NOTHING.outcome, changes, sessionEvents };
  }

  #reap(id: string): ApplyResult {
    const session = this.#state.sessions.get(id);
    if (session === undefined || session.ending === null) {
      return NOTHING;
    }
    const changes: Change[] = [];
    const sessionEvents: SessionEvent[] = [];
    this.#removePiece(session, changes);
    this.#advance(changes);
    this.#dropIfEmpty(session, sessionEvents);
    return { outcome: NOTHING.outcome, changes, sessionEvents };
  }

  /** What a command may still remove, having made `changes`, at the revision they share. */
  #removePiece(session: Session, changes: Change[]): void {
    const left = this.#state.limits.removalsPerCommandMax - changes.length;
    this.#state.instances.removeOwned(session, this.#state.revision + 1, left, changes);
  }

  #advance(changes: readonly Change[]): void {
    if (changes.length > 0) {
      this.#state.revision = must(changes[0]).revision;
    }
  }

  #dropIfEmpty(session: Session, sessionEvents: SessionEvent[]): void {
    if (session.owned === 0) {
      this.#state.sessions.drop(session);
      sessionEvents.push({ type: "reaped", session: session.id });
    }
  }

  #ok(): Reply {
    return { ok: true, revision: this.#state.revision };
  }

  #refusal({ code, message, field }: Refusal): Reply {
    const revision = this.#state.revision;
    return field === undefined
      ? { ok: false, revision, code, message }
      : { ok: false, revision, code, message, field };
  }

  /** Without effect: nothing is recorded of it. */
  #refused(refusal: Refusal): ApplyResult {
    return answered(this.#refusal(refusal));
  }
}

function answered(reply: Reply): ApplyResult {
  return { outcome: { type: "applied", reply }, changes: NO_CHANGES, sessionEvents: NO_EVENTS };
}
