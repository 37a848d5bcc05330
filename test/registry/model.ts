import type {
  Command,
  EndReason,
  OpenSession,
  SessionCommand,
} from "../../src/registry/command.ts";
import type { Instance, InstanceKey, InstanceSpec } from "../../src/registry/instance.ts";

/**
 * The registry by the book and without a thought for speed: lists that are searched from the
 * front, nothing kept that can be counted. What it says is what the real one is held to.
 */

export interface ModelLimits {
  readonly removalsPerCommandMax: number;
  readonly tombstonesMax: number;
  readonly unansweredPerSessionMax: number;
}

export interface ModelReply {
  readonly ok: boolean;
  readonly revision: number;
  readonly code: string | null;
}

export type ModelOutcome =
  | { readonly type: "applied"; readonly reply: ModelReply }
  | { readonly type: "gap"; readonly expected: number }
  | { readonly type: "none" };

export interface ModelChange {
  readonly revision: number;
  readonly before: Instance | null;
  readonly after: Instance | null;
}

export interface ModelSession {
  readonly id: string;
  readonly secretHash: string;
  readonly ttlMs: number;
  readonly graceMs: number;
  readonly client: string;
  readonly order: number;
  readonly openedRevision: number;
  readonly openedAtMs: number;
  lastSeq: number;
  floor: number;
  ownedRevision: number;
  ending: EndReason | null;
  owned: number;
  kept: { seq: number; reply: ModelReply }[];
}

interface ModelTombstone {
  readonly session: string;
  readonly reason: EndReason;
  readonly revision: number;
  readonly index: number;
}

export interface ModelContext {
  readonly index: number;
  readonly term: number;
  readonly atMs: number;
}

class Refused extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

const keyOf = (key: InstanceKey): string[] => [
  key.namespace,
  key.application,
  key.protocol,
  key.addr,
];

const isSameKey = (left: InstanceKey, right: InstanceKey): boolean =>
  JSON.stringify(keyOf(left)) === JSON.stringify(keyOf(right));

export function byKey(left: InstanceKey, right: InstanceKey): number {
  const [one, other] = [keyOf(left), keyOf(right)];
  const place = one.findIndex((part, i) => part !== other[i]);
  if (place === -1) return 0;
  return (one[place] as string) < (other[place] as string) ? -1 : 1;
}

const contentOf = (of: Omit<InstanceSpec, "isPersistent">) => {
  const { meta, weight, version, location, status, reason } = of;
  return { meta, weight, version, location, status, reason };
};

const isSameContent = (
  left: Omit<InstanceSpec, "isPersistent">,
  right: Omit<InstanceSpec, "isPersistent">,
): boolean => JSON.stringify(contentOf(left)) === JSON.stringify(contentOf(right));

export class Model {
  readonly limits: ModelLimits;
  revision = 0;
  stateVersion = 1;
  clockMs = 0;
  opened = 0;
  evicted = 0;
  instances: Instance[] = [];
  sessions: ModelSession[] = [];
  tombstones: ModelTombstone[] = [];
  #changes: ModelChange[] = [];
  #events: object[] = [];

  constructor(limits: ModelLimits) {
    this.limits = limits;
  }

  apply(
    context: ModelContext,
    command: Command,
  ): { outcome: ModelOutcome; changes: ModelChange[]; sessionEvents: object[] } {
    this.#changes = [];
    this.#events = [];
    if (context.atMs > this.clockMs) this.clockMs = context.atMs;
    const outcome = this.#outcome(context, command);
    return { outcome, changes: this.#changes, sessionEvents: this.#events };
  }

  /** Everything that two equal states have in common, as text. */
  text(): string {
    return JSON.stringify([
      this.revision,
      this.stateVersion,
      this.clockMs,
      this.opened,
      this.evicted,
      [...this.instances].sort(byKey),
      [...this.sessions].sort((a, b) => a.order - b.order),
      [...this.tombstones].sort((a, b) => (a.session < b.session ? -1 : 1)),
    ]);
  }

  session(id: string): ModelSession | undefined {
    return this.sessions.find((session) => session.id === id);
  }

  owned(id: string): Instance[] {
    return this.instances.filter((instance) => instance.session === id);
  }

  #outcome(context: ModelContext, command: Command): ModelOutcome {
    switch (command.type) {
      case "openSession":
        return this.#answer(() => this.#open(command));
      case "expireSessions":
        if (command.term === context.term) {
          const living = command.sessions.filter(
            ({ session }, place) =>
              this.session(session)?.ending === null &&
              command.sessions.findIndex((other) => other.session === session) === place,
          );
          this.#end(living, context.index);
        }
        return { type: "none" };
      case "reapSession":
        this.#reap(command.session);
        return { type: "none" };
      case "raiseStateVersion":
        if (command.version > this.stateVersion) this.stateVersion = command.version;
        return { type: "none" };
      default:
        return this.#numbered(context, command);
    }
  }

  #answer(attempt: () => number): ModelOutcome {
    try {
      return { type: "applied", reply: { ok: true, revision: attempt(), code: null } };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const reply = { ok: false, revision: this.revision, code: error.code };
      return { type: "applied", reply };
    }
  }

  #open(command: OpenSession): number {
    const { session: id, secretHash, ttlMs, graceMs, client } = command;
    const known = this.session(id);
    if (known !== undefined && known.ending === null) {
      if (known.secretHash !== secretHash) throw new Refused("DENIED");
      return known.openedRevision;
    }
    const isEnded = this.tombstones.some((tombstone) => tombstone.session === id);
    if (known !== undefined || isEnded) throw new Refused("SESSION_EXPIRED");
    const oldest = this.tombstones[0];
    if (this.evicted > 0 && oldest !== undefined && command.appliedIndex < oldest.index) {
      throw new Refused("SESSION_UNKNOWN");
    }
    this.opened += 1;
    this.sessions.push({
      id,
      secretHash,
      ttlMs,
      graceMs,
      client,
      order: this.opened,
      openedRevision: this.revision,
      openedAtMs: this.clockMs,
      lastSeq: 0,
      floor: 1,
      ownedRevision: 0,
      ending: null,
      owned: 0,
      kept: [],
    });
    this.#events.push({ type: "opened", session: id });
    return this.revision;
  }

  #numbered(context: ModelContext, command: SessionCommand): ModelOutcome {
    const { seq } = command;
    const session = this.session(command.session);
    const kept = session?.kept.find((reply) => reply.seq === seq);
    if (kept !== undefined) return { type: "applied", reply: kept.reply };
    const tombstone = this.tombstones.find((ended) => ended.session === command.session);
    const reason = session === undefined ? tombstone?.reason : session.ending;
    if (reason === "closed" && command.type === "closeSession") {
      return this.#answer(() => tombstone?.revision ?? this.revision);
    }
    if (session === undefined || session.ending !== null) {
      return this.#answer(() => {
        throw new Refused(reason === undefined ? "SESSION_UNKNOWN" : "SESSION_EXPIRED");
      });
    }
    const floor = Math.max(session.floor, command.floor);
    const refusal =
      seq < floor ? "INVALID" : seq - floor >= this.limits.unansweredPerSessionMax ? "LIMIT" : null;
    const expected = Math.max(session.lastSeq + 1, command.floor);
    if (refusal !== "INVALID" && seq !== expected) return { type: "gap", expected };
    if (refusal !== null) {
      return this.#answer(() => {
        throw new Refused(refusal);
      });
    }
    return this.#next(context, session, command, floor);
  }

  #next(
    context: ModelContext,
    session: ModelSession,
    command: SessionCommand,
    floor: number,
  ): ModelOutcome {
    const outcome = this.#answer(() => this.#execute(context, session, command));
    if (outcome.type === "applied") {
      session.lastSeq = command.seq;
      session.floor = floor;
      session.kept = session.kept.filter(({ seq }) => seq >= floor);
      session.kept.push({ seq: command.seq, reply: outcome.reply });
    }
    return outcome;
  }

  #execute(context: ModelContext, session: ModelSession, command: SessionCommand): number {
    switch (command.type) {
      case "register":
        this.#register(session, command.instances);
        break;
      case "update": {
        const found = this.#defended(command.key);
        if (found === undefined) throw new Refused("NOT_FOUND");
        this.#yield(session, found);
        if (command.ifRevision !== null && command.ifRevision !== found.modifiedRevision) {
          throw new Refused("CONFLICT");
        }
        const after = { ...found, ...command.set };
        if (!isSameContent(found, after)) {
          this.#change([[found, { ...after, ...this.#modified() }]]);
        }
        break;
      }
      case "deregister": {
        const found = this.instances.filter((one) =>
          command.keys.some((key) => isSameKey(one, key)),
        );
        for (const one of found) {
          if (this.#defended(one) !== undefined) this.#yield(session, one);
        }
        this.#change(found.sort(byKey).map((one) => [one, null]));
        break;
      }
      default:
        this.#end([{ session: session.id, reason: "closed" }], context.index);
    }
    return this.revision;
  }

  #register(session: ModelSession, specs: readonly InstanceSpec[]): void {
    const changes: [Instance | null, Instance | null][] = [];
    for (const spec of [...specs].sort(byKey)) {
      const found = this.#defended(spec);
      if (found !== undefined) {
        this.#yield(session, found);
        if ((found.session === null) !== spec.isPersistent) throw new Refused("CONFLICT");
      }
      if (specs.filter((other) => isSameKey(spec, other)).length > 1) throw new Refused("INVALID");
      const owner = spec.isPersistent ? null : session.id;
      if (found !== undefined && found.session === owner && isSameContent(found, spec)) continue;
      const { isPersistent: _, ...rest } = spec;
      const modified = this.#modified();
      const created =
        found === undefined
          ? { createdRevision: modified.modifiedRevision, createdAtMs: modified.modifiedAtMs }
          : { createdRevision: found.createdRevision, createdAtMs: found.createdAtMs };
      const before = this.instances.find((one) => isSameKey(one, spec)) ?? null;
      changes.push([before, { ...rest, session: owner, ...created, ...modified }]);
    }
    this.#change(changes);
  }

  /** An ended session defends nothing. */
  #defended(key: InstanceKey): Instance | undefined {
    const found = this.instances.find((one) => isSameKey(one, key));
    const isLeftOver =
      found !== undefined && found.session !== null && this.session(found.session)?.ending !== null;
    return isLeftOver ? undefined : found;
  }

  /** The older of two sessions yields. */
  #yield(session: ModelSession, found: Instance): void {
    const owner = found.session === null ? undefined : this.session(found.session);
    if (owner !== undefined && owner.order > session.order) throw new Refused("TAKEN_OVER");
  }

  #modified() {
    return { modifiedRevision: this.revision + 1, modifiedAtMs: this.clockMs };
  }

  #change(changes: readonly (readonly [Instance | null, Instance | null])[]): void {
    if (changes.length > 0) this.revision += 1;
    for (const [before, after] of changes) {
      this.#changes.push({ revision: this.revision, before, after });
      this.instances = this.instances.filter((one) => one !== before);
      if (after !== null) this.instances.push(after);
      for (const session of this.sessions) {
        if (before?.session === session.id || after?.session === session.id) {
          session.ownedRevision = this.revision;
          session.owned = this.owned(session.id).length;
        }
      }
    }
  }

  /** The oldest by modification first, in key order among those of one command. */
  #piece(ids: readonly string[]): [Instance, null][] {
    return ids
      .flatMap((id) =>
        this.owned(id).sort((a, b) => a.modifiedRevision - b.modifiedRevision || byKey(a, b)),
      )
      .slice(0, this.limits.removalsPerCommandMax)
      .map((one) => [one, null]);
  }

  #end(
    endings: readonly { readonly session: string; readonly reason: EndReason }[],
    index: number,
  ): void {
    this.#change(this.#piece(endings.map(({ session }) => session)));
    const { revision } = this;
    for (const { session: id, reason } of endings) {
      for (const session of this.sessions) if (session.id === id) session.ending = reason;
      this.tombstones.push({ session: id, reason, revision, index });
      this.#events.push({ type: "ended", session: id, reason, revision });
      if (this.tombstones.length > this.limits.tombstonesMax) {
        this.tombstones.shift();
        this.evicted += 1;
      }
    }
    this.#drop(endings.map(({ session }) => session));
  }

  #reap(id: string): void {
    const session = this.session(id);
    if (session === undefined || session.ending === null) return;
    this.#change(this.#piece([id]));
    this.#drop([id]);
  }

  #drop(ids: readonly string[]): void {
    for (const id of ids) {
      if (this.owned(id).length > 0) continue;
      this.sessions = this.sessions.filter((session) => session.id !== id);
      this.#events.push({ type: "reaped", session: id });
    }
  }
}
