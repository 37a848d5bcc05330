import type { Refusal } from "../errors.ts";
import { OVERLOADED_RETRY_AFTER_MS, PENDING_WRITES_MAX } from "../limits.ts";
import type { Outcome, Reply } from "../registry/command.ts";
import { type Connection, type Emit, toClient } from "./connections.ts";
import type { ConnectionId, RequestId } from "./inputs.ts";

/** A command of a client of this node, from its arrival to its answer. */
export interface PendingWrite {
  readonly connection: Connection;
  readonly request: RequestId;
  readonly session: string;
  readonly seq: number;
  readonly bytes: Uint8Array;
  readonly deadlineMs: number;
  /** Some leader was given it, so it may happen whatever we hear later. */
  wasHanded: boolean;
  isQueued: boolean;
}

/**
 * The writes that this node took and has not answered. Each is answered when this node has applied
 * it itself, or refused when its time is over; until then it is handed to every new leader again,
 * in the order of its session, which its number makes harmless.
 */
export class Proposals {
  readonly #emit: Emit;
  readonly #bySession = new Map<string, Map<number, PendingWrite>>();
  #queue: PendingWrite[] = [];
  #count = 0;

  constructor(emit: Emit) {
    this.#emit = emit;
  }

  get count(): number {
    return this.#count;
  }

  add(write: Omit<PendingWrite, "wasHanded" | "isQueued">): void {
    const writes = this.#bySession.get(write.session) ?? new Map<number, PendingWrite>();
    const earlier = writes.get(write.seq);
    if (earlier === undefined && this.#count >= PENDING_WRITES_MAX) {
      this.#refuse(write, {
        code: "OVERLOADED",
        message: `${PENDING_WRITES_MAX} writes are waiting at this node`,
        limit: PENDING_WRITES_MAX,
        retryAfterMs: OVERLOADED_RETRY_AFTER_MS,
      });
      return;
    }
    if (earlier === undefined) {
      this.#count += 1;
    } else {
      earlier.isQueued = false;
    }
    const pending = { ...write, wasHanded: earlier?.wasHanded ?? false, isQueued: false };
    this.#bySession.set(write.session, writes);
    writes.set(write.seq, pending);
    this.#enqueue(pending);
  }

  /** The session's secret was found right: what waited for that may go. */
  released(session: string): void {
    this.#enqueueFrom(session, 0);
  }

  /** A leader that has heard nothing of them: all go again. */
  leaderChanged(): void {
    for (const session of this.#bySession.keys()) {
      this.#enqueueFrom(session, 0);
    }
  }

  disconnected(connection: ConnectionId): void {
    for (const writes of [...this.#bySession.values()]) {
      for (const pending of [...writes.values()]) {
        if (pending.connection.id === connection) {
          this.#remove(pending);
        }
      }
    }
  }

  /** What may be handed to a leader now, each session's in its order. */
  takeQueued(): readonly PendingWrite[] {
    if (this.#queue.length === 0) {
      return this.#queue;
    }
    const taken: PendingWrite[] = [];
    const held: PendingWrite[] = [];
    for (const pending of this.#queue) {
      if (!pending.isQueued) {
        continue;
      }
      if (isOrphan(pending)) {
        this.#dropOrphan(pending);
      } else if (isHeld(pending)) {
        held.push(pending);
      } else {
        pending.isQueued = false;
        pending.wasHanded = true;
        taken.push(pending);
      }
    }
    this.#queue = held;
    return taken;
  }

  get hasQueued(): boolean {
    return this.#queue.length > 0;
  }

  /** A command of the log; returns the write it answers, if it was taken here. */
  applied(session: string, seq: number, outcome: Outcome): PendingWrite | null {
    const writes = this.#bySession.get(session);
    const pending = writes?.get(seq);
    if (writes === undefined || pending === undefined || outcome.type === "none") {
      return null;
    }
    if (outcome.type === "applied") {
      this.#remove(pending);
      this.#reply(pending, outcome.reply);
      return pending;
    }
    if (writes.has(outcome.expected)) {
      this.#enqueueFrom(session, outcome.expected);
      return null;
    }
    this.#remove(pending);
    this.#refuse(pending, {
      code: "SEQUENCE_GAP",
      message: `write ${seq} came before write ${outcome.expected} of its session; send from there`,
      field: "seq",
    });
    return null;
  }

  /** A refusal is definite only where no leader was ever given the write. */
  tick(nowMs: number, isLeaderKnown: boolean): void {
    for (const writes of [...this.#bySession.values()]) {
      for (const pending of [...writes.values()]) {
        if (pending.deadlineMs > nowMs) {
          continue;
        }
        this.#remove(pending);
        const isUnsent = !pending.wasHanded && !isLeaderKnown;
        this.#refuse(
          pending,
          isUnsent
            ? { code: "NO_LEADER", message: "no leader was known before the deadline" }
            : { code: "TIMEOUT", message: "not applied here before the deadline; it may still be" },
        );
      }
    }
  }

  /** One that was handed before is answered by the log or by its deadline. */
  #dropOrphan(pending: PendingWrite): void {
    pending.isQueued = false;
    if (!pending.wasHanded) {
      this.#remove(pending);
      this.#refuse(pending, {
        code: "SESSION_UNKNOWN",
        message: "this connection does not speak for the session any more",
      });
    }
  }

  #enqueue(pending: PendingWrite): void {
    if (!pending.isQueued) {
      pending.isQueued = true;
      this.#queue.push(pending);
    }
  }

  #enqueueFrom(session: string, seq: number): void {
    const writes = this.#bySession.get(session);
    if (writes === undefined) {
      return;
    }
    const due = [...writes.values()].filter((pending) => pending.seq >= seq);
    for (const pending of due.sort((a, b) => a.seq - b.seq)) {
      this.#enqueue(pending);
    }
  }

  #remove(pending: PendingWrite): void {
    pending.isQueued = false;
    const writes = this.#bySession.get(pending.session);
    if (writes?.get(pending.seq) !== pending) {
      return;
    }
    writes.delete(pending.seq);
    this.#count -= 1;
    if (writes.size === 0) {
      this.#bySession.delete(pending.session);
    }
  }

  #reply(pending: PendingWrite, reply: Reply): void {
    const { request } = pending;
    this.#emit(
      toClient({ type: "writeReply", connection: pending.connection.id, request, reply }),
    );
  }

  #refuse(pending: Pick<PendingWrite, "connection" | "request">, refusal: Refusal): void {
    const { request } = pending;
    this.#emit(toClient({ type: "refused", connection: pending.connection.id, request, refusal }));
  }
}

/** The secret is not compared yet: nothing of it leaves this node but the `openSession` itself. */
function isHeld({ connection, seq }: PendingWrite): boolean {
  return seq !== 0 && connection.session?.isVerified !== true;
}

function isOrphan({ connection, session }: PendingWrite): boolean {
  return connection.session?.id !== session;
}
