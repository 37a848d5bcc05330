import type { Refusal } from "../errors.ts";
import { APPEND_BYTES_MAX, OVERLOADED_RETRY_AFTER_MS, PENDING_WRITES_MAX } from "../limits.ts";
import type { Outcome, Reply } from "../registry/command.ts";
import { must } from "../util/assert.ts";
import { type Connection, type Emit, toClient } from "./connections.ts";
import type { ConnectionId, RequestId } from "./inputs.ts";

export interface Write {
  readonly session: string;
  /** `openSession` is number 0. */
  readonly seq: number;
  /** Of an opening: whose it is. Null for every other command. */
  readonly secretHash: string | null;
  readonly connection: Connection;
  readonly request: RequestId;
  readonly floor: number;
  readonly bytes: Uint8Array;
  readonly deadlineMs: number;
}

/** A command of a client of this node, from its arrival to its answer. */
export interface PendingWrite extends Write {
  /** Some leader was given it, so it may happen whatever we hear later. */
  wasHanded: boolean;
  /** Copies handed out by this node that have not come out of the log; lost ones count for ever. */
  copies: number;
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
  /** The sessions that a connection has written in. */
  readonly #sessionsOf = new Map<ConnectionId, Set<string>>();
  #queue: PendingWrite[] = [];
  /** Not to be handed out yet; looked at again when a secret was compared, and every tick. */
  #held: PendingWrite[] = [];
  /** Something was queued behind a later number of its session. */
  #isDisordered = false;
  #count = 0;

  constructor(emit: Emit) {
    this.#emit = emit;
  }

  get count(): number {
    return this.#count;
  }

  get hasQueued(): boolean {
    return this.#queue.length > 0;
  }

  add(write: Write): void {
    const earlier = this.#bySession.get(write.session)?.get(write.seq);
    if (earlier === undefined && this.#count >= PENDING_WRITES_MAX) {
      this.#refuse(write, {
        code: "OVERLOADED",
        message: `${PENDING_WRITES_MAX} writes are waiting at this node`,
        limit: PENDING_WRITES_MAX,
        retryAfterMs: OVERLOADED_RETRY_AFTER_MS,
      });
      return;
    }
    const wasHanded = earlier?.wasHanded ?? false;
    const copies = earlier?.copies ?? 0;
    if (earlier !== undefined) {
      this.#remove(earlier);
      this.#sentAgain(earlier, write);
    }
    const pending: PendingWrite = {
      session: write.session,
      seq: write.seq,
      secretHash: write.secretHash,
      floor: write.floor,
      connection: write.connection,
      request: write.request,
      bytes: write.bytes,
      deadlineMs: write.deadlineMs,
      wasHanded,
      copies,
      isQueued: false,
    };
    this.#insert(pending);
    this.#enqueue(pending);
  }

  /** A secret was found right: what waited for that may go. */
  released(): void {
    if (this.#held.length > 0) {
      this.#queue = [...this.#held, ...this.#queue];
      this.#held = [];
    }
  }

  /** A leader that has heard nothing of them: all go again. */
  leaderChanged(): void {
    for (const session of this.#bySession.keys()) {
      this.#enqueueFrom(session, 0);
    }
  }

  disconnected(connection: ConnectionId): void {
    for (const session of this.#sessionsOf.get(connection) ?? []) {
      for (const pending of this.#bySession.get(session)?.values() ?? []) {
        if (pending.connection.id === connection) {
          this.#remove(pending);
        }
      }
    }
    this.#sessionsOf.delete(connection);
  }

  /**
   * What may be handed to a leader now, each session's in its order. In pieces of one command, or
   * of as many as stay within APPEND_BYTES_MAX: after an election it may be more than a frame holds.
   */
  takeQueued(): readonly (readonly Uint8Array[])[] {
    const taken: PendingWrite[] = [];
    for (const pending of this.#queue) {
      if (!pending.isQueued) {
        continue;
      }
      if (isOrphan(pending)) {
        this.#dropOrphan(pending);
      } else if (isHeld(pending)) {
        this.#held.push(pending);
      } else {
        pending.isQueued = false;
        pending.wasHanded = true;
        pending.copies += 1;
        taken.push(pending);
      }
    }
    this.#queue = [];
    if (this.#isDisordered) {
      this.#isDisordered = false;
      taken.sort(bySessionAndNumber);
    }
    return inPieces(taken);
  }

  /** A command of the log; returns the write it answers, if it was taken here. */
  applied(
    session: string,
    seq: number,
    secretHash: string | null,
    outcome: Outcome,
  ): PendingWrite | null {
    const pending = this.#bySession.get(session)?.get(seq);
    // Ids of sessions are no secret: who opens one with another secret is not answered by this.
    if (pending === undefined || pending.secretHash !== secretHash) {
      return null;
    }
    switch (outcome.type) {
      case "applied":
        this.#remove(pending);
        this.#reply(pending, outcome.reply);
        return pending;
      case "gap":
        this.#gap(pending, outcome.expected);
        return null;
      case "none":
        return null;
    }
  }

  /**
   * The state has leapt to that of a snapshot: what was applied on the way is answered from the
   * replies in it, and everything else is handed over again. Returns the writes that it answered.
   */
  installed(replyOf: (write: Write) => Reply | null): readonly PendingWrite[] {
    const answered: PendingWrite[] = [];
    for (const writes of this.#bySession.values()) {
      for (const pending of writes.values()) {
        const reply = replyOf(pending);
        if (reply !== null) {
          this.#remove(pending);
          this.#reply(pending, reply);
          answered.push(pending);
        }
      }
    }
    this.leaderChanged();
    return answered;
  }

  /** A refusal is definite only where no leader was ever given the write. */
  tick(nowMs: number): void {
    this.released();
    for (const [session, writes] of this.#bySession) {
      if (writes.size === 0) {
        this.#bySession.delete(session);
      }
      for (const pending of writes.values()) {
        if (pending.deadlineMs > nowMs) {
          continue;
        }
        this.#remove(pending);
        this.#refuse(
          pending,
          pending.wasHanded
            ? { code: "TIMEOUT", message: "not applied here before the deadline; it may still be" }
            : { code: "NO_LEADER", message: "no leader could be given it before the deadline" },
        );
      }
    }
  }

  /**
   * n2 had 9 handed out twice, over an old link and a new one, and 8 comes through n3. The first
   * copy is a gap, the second is applied: that 9 will not happen can be said only after the last.
   */
  #gap(pending: PendingWrite, expected: number): void {
    if (expected < pending.floor) {
      // Of a copy that was sent before the floor was raised past what it waits for.
      return;
    }
    const { session, seq } = pending;
    pending.copies = Math.max(0, pending.copies - 1);
    if (must(this.#bySession.get(session)).has(expected)) {
      this.#enqueueFrom(session, expected);
    } else if (pending.copies === 0) {
      this.#remove(pending);
      this.#refuse(pending, {
        code: "SEQUENCE_GAP",
        message: `write ${seq} came before write ${expected} of its session; send from there`,
        field: "seq",
      });
    }
  }

  /** Its client asks again under another request, or over another connection. */
  #sentAgain(earlier: PendingWrite, write: Write): void {
    if (earlier.connection !== write.connection || earlier.request !== write.request) {
      this.#refuse(earlier, {
        code: "TIMEOUT",
        message: `write ${write.seq} was sent again as request ${write.request}; that is answered`,
      });
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
    for (const pending of this.#bySession.get(session)?.values() ?? []) {
      if (pending.seq >= seq) {
        this.#enqueue(pending);
      }
    }
    this.#isDisordered = true;
  }

  #insert(pending: PendingWrite): void {
    const { session, seq, connection } = pending;
    const ofSession = this.#bySession.get(session);
    if (ofSession === undefined) {
      this.#bySession.set(session, new Map([[seq, pending]]));
    } else {
      ofSession.set(seq, pending);
    }
    const sessions = this.#sessionsOf.get(connection.id);
    if (sessions === undefined) {
      this.#sessionsOf.set(connection.id, new Set([session]));
    } else {
      sessions.add(session);
    }
    this.#count += 1;
  }

  #remove(pending: PendingWrite): void {
    pending.isQueued = false;
    must(this.#bySession.get(pending.session)).delete(pending.seq);
    this.#count -= 1;
  }

  #reply(pending: PendingWrite, reply: Reply): void {
    const { request } = pending;
    this.#emit(toClient({ type: "writeReply", connection: pending.connection.id, request, reply }));
  }

  #refuse({ connection, request }: Write, refusal: Refusal): void {
    this.#emit(toClient({ type: "refused", connection: connection.id, request, refusal }));
  }
}

/** The secret is not compared yet: nothing of it leaves this node but the `openSession` itself. */
function isHeld({ connection, seq }: PendingWrite): boolean {
  return seq !== 0 && connection.session?.isVerified !== true;
}

function isOrphan({ connection, session }: PendingWrite): boolean {
  return connection.session?.id !== session;
}

function bySessionAndNumber(a: PendingWrite, b: PendingWrite): number {
  if (a.session !== b.session) {
    return a.session < b.session ? -1 : 1;
  }
  return a.seq - b.seq;
}

function inPieces(writes: readonly PendingWrite[]): readonly (readonly Uint8Array[])[] {
  const pieces: Uint8Array[][] = [];
  let piece: Uint8Array[] = [];
  let bytesLeft = 0;
  for (const { bytes } of writes) {
    if (bytes.length > bytesLeft) {
      piece = [];
      pieces.push(piece);
      bytesLeft = APPEND_BYTES_MAX;
    }
    piece.push(bytes);
    bytesLeft -= bytes.length;
  }
  return pieces;
}
