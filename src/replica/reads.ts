import type { Refusal } from "../errors.ts";
import { OVERLOADED_RETRY_AFTER_MS, PENDING_READS_MAX, READ_INDEX_REPEAT_MS } from "../limits.ts";
import type { LogIndex, ReadId, ReadState } from "../raft/types.ts";
import type { Selector } from "../registry/instance.ts";
import { unreachable } from "../util/assert.ts";
import { type Connection, type Emit, toClient } from "./connections.ts";
import type { Freshness } from "./freshness.ts";
import type { AgeMs, ReadConsistency, RequestId } from "./inputs.ts";
import type { WatchedState } from "./watches.ts";

export interface Read {
  readonly connection: Connection;
  readonly request: RequestId;
  readonly selector: Selector;
  readonly consistency: ReadConsistency;
  readonly deadlineMs: number;
}

/** Linearizable reads that share one ReadIndex (dissertation 6.4). */
interface Batch {
  readonly id: ReadId;
  readonly askedAtMs: number;
  readonly reads: Read[];
  /** Known once a leader has answered: they may be served when this is applied. */
  index: LogIndex | null;
}

/** Batches that wait for a leader's answer; later reads share the next one. */
const ASKED_MAX = 8;

/**
 * Reads that wait: for a leader's ReadIndex and then for `lastApplied`, or for a revision, or for
 * this node to have caught up with what it has shown before.
 */
export class Reads {
  readonly #state: WatchedState;
  readonly #freshness: Freshness;
  readonly #emit: Emit;
  readonly #start: number;
  #counter = 0;
  #unasked: Read[] = [];
  #batches: Batch[] = [];
  /** `atLeast` and `stale` reads that cannot be served yet. */
  #waiting: Read[] = [];
  #count = 0;

  constructor(state: WatchedState, freshness: Freshness, emit: Emit, start: number) {
    this.#state = state;
    this.#freshness = freshness;
    this.#emit = emit;
    this.#start = start;
  }

  add(read: Read, nowMs: number): void {
    if (this.#count >= PENDING_READS_MAX) {
      this.#refuse(read, {
        code: "OVERLOADED",
        message: `${PENDING_READS_MAX} reads are waiting at this node (PENDING_READS_MAX)`,
        limit: PENDING_READS_MAX,
        retryAfterMs: OVERLOADED_RETRY_AFTER_MS,
      });
      return;
    }
    this.#count += 1;
    if (read.consistency.type === "linearizable") {
      this.#unasked.push(read);
    } else if (!this.#serveLocal(read, nowMs)) {
      this.#waiting.push(read);
    }
  }

  /** A new ReadIndex for all reads that wait for one; ids are never used again. */
  ask(nowMs: number): ReadId | null {
    const asked = this.#batches.filter((batch) => batch.index === null).length;
    if (this.#unasked.length === 0 || asked >= ASKED_MAX) {
      return null;
    }
    this.#counter += 1;
    const id = { start: this.#start, counter: this.#counter };
    this.#batches.push({ id, askedAtMs: nowMs, reads: this.#unasked, index: null });
    this.#unasked = [];
    return id;
  }

  /** Nobody could be asked. */
  notAsked(id: ReadId): void {
    this.#takeBack((batch) => batch.id === id);
  }

  get hasUnasked(): boolean {
    return this.#unasked.length > 0;
  }

  /** A leader answered. The index may be applied already. */
  confirmed({ id, index }: ReadState): void {
    for (const batch of this.#batches) {
      if (batch.id.start === id.start && batch.id.counter === id.counter) {
        batch.index ??= index;
      }
    }
  }

  /** Whoever was asked may not answer any more. An answer that has come stays good. */
  leaderChanged(): void {
    this.#takeBack((batch) => batch.index === null);
  }

  applied(lastApplied: LogIndex, nowMs: number): void {
    if (this.#batches.length > 0) {
      const ready = this.#batches.filter(
        (batch) => batch.index !== null && batch.index <= lastApplied,
      );
      if (ready.length > 0) {
        this.#batches = this.#batches.filter((batch) => !ready.includes(batch));
        for (const read of ready.flatMap((batch) => batch.reads)) {
          this.#answer(read, 0);
        }
      }
    }
    if (this.#waiting.length > 0) {
      this.#waiting = this.#waiting.filter((read) => !this.#serveLocal(read, nowMs));
    }
  }

  tick(nowMs: number, isLeaderKnown: boolean): void {
    this.#takeBack(
      (batch) => batch.index === null && nowMs - batch.askedAtMs >= READ_INDEX_REPEAT_MS,
    );
    const isLate = (read: Read): boolean => {
      if (read.deadlineMs > nowMs && read.connection.isOpen) {
        return false;
      }
      this.#count -= 1;
      if (!read.connection.isOpen) {
        return true;
      }
      const isLeaderless = read.consistency.type === "linearizable" && !isLeaderKnown;
      this.#refuse(
        read,
        isLeaderless
          ? { code: "NO_LEADER", message: "no leader was known before the deadline" }
          : { code: "TIMEOUT", message: "this node could not serve it before the deadline" },
      );
      return true;
    };
    this.#keep((read) => !isLate(read));
  }

  #keep(isKept: (read: Read) => boolean): void {
    if (this.#count === 0) {
      return;
    }
    this.#unasked = this.#unasked.filter(isKept);
    this.#waiting = this.#waiting.filter(isKept);
    this.#batches = this.#batches
      .map((batch) => ({ ...batch, reads: batch.reads.filter(isKept) }))
      .filter((batch) => batch.reads.length > 0);
  }

  #takeBack(isLost: (batch: Batch) => boolean): void {
    const lost = this.#batches.filter(isLost);
    if (lost.length > 0) {
      this.#batches = this.#batches.filter((batch) => !lost.includes(batch));
      this.#unasked = [...lost.flatMap((batch) => batch.reads), ...this.#unasked];
    }
  }

  /** Returns false where the read has to wait. */
  #serveLocal(read: Read, nowMs: number): boolean {
    const { consistency, connection } = read;
    const { state } = this.#freshness;
    switch (consistency.type) {
      case "linearizable":
        return false;
      case "atLeast": {
        const revision = Math.max(consistency.revision, connection.floorRevision);
        const isServed = state === "current" && this.#state.revision >= revision;
        if (isServed) {
          this.#answer(read, this.#freshness.ageMs(nowMs));
        }
        return isServed;
      }
      case "stale": {
        const { maxAgeMs } = consistency;
        if (state === "starting" || this.#state.revision < connection.floorRevision) {
          return false;
        }
        const ageMs = this.#freshness.ageMs(nowMs);
        if (maxAgeMs === null || (ageMs !== null && ageMs <= maxAgeMs)) {
          this.#answer(read, ageMs);
          return true;
        }
        this.#count -= 1;
        this.#refuse(read, {
          code: "TOO_STALE",
          message: `this node's copy may be ${ageMs ?? "any number of"} ms old, the read allows ${maxAgeMs} ms`,
          field: "read.staleMs",
          limit: maxAgeMs,
        });
        return true;
      }
      default:
        return unreachable(consistency);
    }
  }

  #answer(read: Read, ageMs: AgeMs): void {
    this.#count -= 1;
    if (!read.connection.isOpen) {
      return;
    }
    const instances = this.#state.select(read.selector);
    this.#emit(
      toClient({
        type: "readReply",
        connection: read.connection.id,
        request: read.request,
        answer: { instances, revision: this.#state.revision, ageMs },
      }),
    );
  }

  #refuse(read: Read, refusal: Refusal): void {
    const connection = read.connection.id;
    this.#emit(toClient({ type: "refused", connection, request: read.request, refusal }));
  }
}
