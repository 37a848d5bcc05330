import type { Refusal } from "../errors.ts";
import { APPEND_BYTES_MAX, OVERLOADED_RETRY_AFTER_MS, PENDING_WRITES_MAX } from "../limits.ts";
import type { Outcome, Reply } from "../registry/command.ts";
import { must } from "../util/assert.ts";
import { type Emit, toClient } from "./connections.ts";
import { HeldWrites } from "./held-writes.ts";
import type { ConnectionId } from "./inputs.ts";
import {
  isHeld,
  isOrphan,
  type PendingWrite,
  type Slot,
  slotOf,
  type Write,
} from "./pending-write.ts";

const OVERLOADED: Refusal = {
  code: "OVERLOADED",
  message: `${PENDING_WRITES_MAX} writes are waiting at this node (PENDING_WRITES_MAX)`,
  limit: PENDING_WRITES_MAX,
  retryAfterMs: OVERLOADED_RETRY_AFTER_MS,
};
const SESSION_ENDED: Refusal = { code: "SESSION_EXPIRED", message: "the session has ended" };
const NOT_HANDED: Refusal = {
  code: "NO_LEADER",
  message: "no leader to give it to was known before the deadline",
};
const NOT_SPOKEN_FOR: Refusal = {
  code: "SESSION_UNKNOWN",
  message: "this connection does not speak for the session any more",
};

/**
 * The writes that this node took and has not answered. Each is answered when this node has applied
 * it itself, or refused when its time is over; until then it is handed to every new leader again,
 * in the order of its session, which its number makes harmless.
 */
export class Proposals {
  readonly #emit: Emit;
  /** For good, as far as this node has applied. */
  readonly #hasEnded: (session: string) => boolean;
  readonly #bySession = new Map<string, Map<Slot, PendingWrite>>();
  /** The sessions that a connection has written in. */
  readonly #sessionsOf = new Map<ConnectionId, Set<string>>();
  #queue: PendingWrite[] = [];
  /** In none of the others; looked at again when a secret was compared, and every tick. */
  readonly #held = new HeldWrites();
  /** Something was queued behind a later number of its session. */
  #isDisordered = false;
  #count = 0;

  constructor(emit: Emit, hasEnded: (session: string) => boolean) {
    this.#emit = emit;
    this.#hasEnded = hasEnded;
  }

  get hasQueued(): boolean {
    return this.#queue.length > 0;
  }

  /**
   * `refusal`: why nothing of it may leave this node, or null. Where it was taken before, a copy may
   * be out, and it is not for this node to say that it will not happen.
   */
  add(write: Write, refusal: Refusal | null): void {
    const isToHold = isHeld(write);
    const earlier = isToHold ? this.#held.twin(write) : this.#earlier(write);
    const isFull = this.#count + this.#held.count >= PENDING_WRITES_MAX;
    if (earlier === undefined && (refusal !== null || isFull)) {
      this.#refuse(write, refusal ?? OVERLOADED);
      return;
    }
    if (!isToHold) {
      this.#take(write);
      return;
    }
    if (earlier !== undefined) {
      this.#sentAgain(earlier, write);
    }
    this.#held.add(write);
  }

  /** A secret was found right, or a connection has lost its session: what waited for that may go. */
  released(): void {
    if (this.#held.count === 0) {
      return;
    }
    for (const write of this.#held.take((held) => isOrphan(held) || !isHeld(held))) {
      if (isOrphan(write)) {
        this.#refuseOrphan(write);
      } else {
        this.#take(write);
        this.#isDisordered = true;
      }
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
    this.#held.disconnected(connection);
  }

  /**
   * What may be handed to a leader now, each session's in its order. In pieces of one command, or
   * of as many as stay within APPEND_BYTES_MAX: after an election it may be more than a frame holds.
   */
  takeQueued(): readonly (readonly Uint8Array[])[] {
    const taken: PendingWrite[] = [];
    const left: PendingWrite[] = [];
    for (const pending of this.#queue) {
      if (!pending.isQueued) {
        continue;
      }
      if (isOrphan(pending)) {
        this.#dropOrphan(pending);
      } else if (isHeld(pending)) {
        left.push(pending);
      } else {
        pending.isQueued = false;
        pending.wasHanded = true;
        pending.copies += 1;
        taken.push(pending);
      }
    }
    this.#queue = left;
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
    const pending = this.#bySession.get(session)?.get(secretHash ?? seq);
    if (pending === undefined) {
      return null;
    }
    switch (outcome.type) {
      case "applied":
        if (isTooOldToTell(pending, outcome.reply)) {
          this.#openAgain(pending);
          return null;
        }
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

  /** The session has ended: the openings of it that wait here come too late. Returns them. */
  ended(session: string): readonly PendingWrite[] {
    const writes = [...(this.#bySession.get(session)?.values() ?? [])];
    const openings = writes.filter(({ seq }) => seq === 0);
    for (const opening of openings) {
      this.#remove(opening);
      this.#refuse(opening, SESSION_ENDED);
    }
    return openings;
  }

  /**
   * The state has leapt to that of a snapshot: what was applied on the way is answered from the
   * replies in it, and everything else is handed over again. Returns the writes that it answered.
   *
   * An opening that waits may be a late copy now: its session may have been opened and have ended
   * on the way, and be forgotten. So it keeps the index that it came with (see `#openAgain`).
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
        pending.encodeAgain = null;
      }
    }
    this.leaderChanged();
    return answered;
  }

  /** A refusal is definite only where no leader was ever given the write. */
  tick(nowMs: number): void {
    this.released();
    for (const write of this.#held.take(({ deadlineMs }) => deadlineMs <= nowMs)) {
      this.#refuse(write, NOT_HANDED);
    }
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
            : NOT_HANDED,
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

  /**
   * n3 was down for long, and had not applied much when it took the opening: for all that the
   * tombstones say, it may be a late copy of one whose session has come and gone. But it waits here
   * still, and n3, which has applied the refusal, has by now seen all that was before it. Had the
   * session been opened meanwhile, that would have answered this opening (`applied`), and had it
   * ended, too (`ended`). So it is a new one, and goes again with the index of now. A node that
   * skips entries, by a snapshot, has not seen them, and must not do this with what waited before.
   */
  #openAgain(pending: PendingWrite): void {
    pending.bytes = pending.encodeAgain?.() ?? pending.bytes;
    this.#enqueue(pending);
  }

  #earlier(write: Write): PendingWrite | undefined {
    return this.#bySession.get(write.session)?.get(slotOf(write));
  }

  /** In the place of an earlier one of the same number, some copies of which may be on their way. */
  #take(write: Write): void {
    const earlier = this.#earlier(write);
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
      encodeAgain: write.encodeAgain,
      deadlineMs: write.deadlineMs,
      wasHanded: earlier?.wasHanded ?? false,
      copies: earlier?.copies ?? 0,
      isQueued: false,
    };
    this.#insert(pending);
    this.#enqueue(pending);
  }

  /** Its client asks again under another request, or over another connection. */
  #sentAgain(earlier: Write, write: Write): void {
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
      this.#refuseOrphan(pending);
    }
  }

  #refuseOrphan(write: Write): void {
    this.#refuse(write, this.#hasEnded(write.session) ? SESSION_ENDED : NOT_SPOKEN_FOR);
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
    const { session, connection } = pending;
    const slot = slotOf(pending);
    const ofSession = this.#bySession.get(session);
    if (ofSession === undefined) {
      this.#bySession.set(session, new Map([[slot, pending]]));
    } else {
      ofSession.set(slot, pending);
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
    must(this.#bySession.get(pending.session)).delete(slotOf(pending));
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

function isTooOldToTell({ encodeAgain }: PendingWrite, reply: Reply): boolean {
  return encodeAgain !== null && !reply.ok && reply.code === "SESSION_UNKNOWN";
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
