import {
  EXPIRIES_PER_COMMAND_MAX,
  EXPIRIES_PER_PACE_MAX,
  EXPIRY_PACE_MS,
  TICK_MS,
} from "../limits.ts";
import type { EndReason } from "../registry/command.ts";
import type { SessionView } from "../registry/sessions.ts";
import type { AttachedSession, Origin } from "./peer-messages.ts";

/**
 * - `live`: its deadline is ahead.
 * - `due`: the deadline has passed; its end is proposed after round `afterRound` has succeeded,
 *   unless a touch comes before.
 * - `ending`: its end is in the log. No touch helps any more.
 */
type LeaseState =
  | { readonly type: "live" }
  | { readonly type: "due"; readonly afterRound: number }
  | { readonly type: "ending" };

/** What a sign of life has come to. `superseded`: the session has the connection `attach`. */
export type Touched =
  | { readonly type: "taken" }
  | { readonly type: "refused" }
  | { readonly type: "superseded"; readonly attach: number };

interface Lease {
  readonly session: string;
  readonly ttlMs: number;
  readonly graceMs: number;
  /** No break shortens it below this; 0 for a session that was opened once, under this leader. */
  protectedUntilMs: number;
  /** The highest attach number heard of; touches and breaks of lower ones come too late. */
  attach: number;
  /** Of the connection that bore `attach` first, and so alone; null before any was heard of. */
  origin: Origin | null;
  deadlineMs: number;
  reason: EndReason;
  state: LeaseState;
  /**
   * The bucket that will look at it, never later than its deadline's; null where none will. One is
   * set only while the lease is live, and is null again before it is anything else.
   */
  bucket: number | null;
}

/** The most by which one tick moves the lease clock. */
const LEASE_STEP_MS_MAX = 2 * TICK_MS;
const BUCKET_MS = 2 * TICK_MS;
const TAKEN: Touched = { type: "taken" };
const REFUSED: Touched = { type: "refused" };

/**
 * The leader's table of deadlines: local, never replicated, made anew by every leader with full
 * times. Its clock adds up the time between ticks but counts a long gap as one short step, so a
 * leader that stalled has moved every deadline by its stall.
 */
export class Leases {
  readonly #bySession = new Map<string, Lease>();
  /** Sessions by the deadline they had when they were filed; looked at again when it is due. */
  readonly #buckets = new Map<number, string[]>();
  #clockMs = 0;
  #lastTickMs: number;
  #nextBucket = 0;
  #due: Lease[] = [];
  /** The lowest `afterRound` of `#due`: until it is confirmed there is nothing to look for. */
  #nextRound = Number.POSITIVE_INFINITY;
  #paceStartMs = 0;
  #expiriesInPace = 0;

  constructor(sessions: Iterable<SessionView>, nowMs: number) {
    this.#lastTickMs = nowMs;
    for (const session of sessions) {
      if (session.ending === null) {
        this.#protect(this.#add(session));
      }
    }
  }

  get count(): number {
    return this.#bySession.size;
  }

  opened(session: SessionView): void {
    this.#add(session);
  }

  /**
   * An opening of a session that lives: its first answer was lost, and this is a sign of life. It
   * has another connection now, of a number that comes with its first touch.
   */
  openedAgain(session: string): void {
    const lease = this.#bySession.get(session);
    if (lease !== undefined && lease.state.type !== "ending") {
      lease.state = { type: "live" };
      this.#renew(lease);
      this.#protect(lease);
    }
  }

  ended(session: string): void {
    this.#bySession.delete(session);
  }

  /** A sign of life that arrived at this moment. */
  touch({ session, attach }: AttachedSession, origin: Origin): Touched {
    const lease = this.#bySession.get(session);
    if (lease === undefined || lease.state.type === "ending") {
      return REFUSED;
    }
    if (!claim(lease, attach, origin)) {
      return { type: "superseded", attach: lease.attach };
    }
    lease.state = { type: "live" };
    this.#renew(lease);
    return TAKEN;
  }

  /** The client's end of connection `attach` is gone; told twice, the grace still ends once. */
  break({ session, attach }: AttachedSession, origin: Origin): void {
    const lease = this.#bySession.get(session);
    if (lease?.state.type !== "live" || !claim(lease, attach, origin)) {
      return;
    }
    const graceEndMs = this.#clockMs + lease.graceMs + LEASE_STEP_MS_MAX;
    const deadlineMs = Math.max(graceEndMs, lease.protectedUntilMs);
    if (deadlineMs < lease.deadlineMs) {
      lease.deadlineMs = deadlineMs;
      lease.reason = "grace";
      this.#file(lease);
    }
  }

  /** `round`: the latest quorum round begun. */
  tick(nowMs: number, round: number): void {
    this.#clockMs += Math.min(nowMs - this.#lastTickMs, LEASE_STEP_MS_MAX);
    this.#lastTickMs = nowMs;
    if (this.#clockMs - this.#paceStartMs >= EXPIRY_PACE_MS) {
      this.#paceStartMs = this.#clockMs;
      this.#expiriesInPace = 0;
    }
    while ((this.#nextBucket + 1) * BUCKET_MS <= this.#clockMs) {
      const sessions = this.#buckets.get(this.#nextBucket) ?? [];
      this.#buckets.delete(this.#nextBucket);
      this.#nextBucket += 1;
      for (const session of sessions) {
        this.#review(session, this.#nextBucket - 1, round);
      }
    }
  }

  /**
   * The sessions to end now. A round that began past their deadline has succeeded: no other leader
   * can have confirmed a touch to them that this one has not heard of.
   */
  takeExpired(confirmedRound: number): readonly { session: string; reason: EndReason }[] {
    if (confirmedRound < this.#nextRound || this.#expiriesInPace >= EXPIRIES_PER_PACE_MAX) {
      return [];
    }
    this.#nextRound = Number.POSITIVE_INFINITY;
    const left: Lease[] = [];
    const expired: { session: string; reason: EndReason }[] = [];
    for (const lease of this.#due) {
      if (lease.state.type !== "due" || this.#bySession.get(lease.session) !== lease) {
        continue;
      }
      const hasRoom =
        expired.length < EXPIRIES_PER_COMMAND_MAX && this.#expiriesInPace < EXPIRIES_PER_PACE_MAX;
      if (lease.state.afterRound > confirmedRound || !hasRoom) {
        left.push(lease);
        this.#nextRound = Math.min(this.#nextRound, lease.state.afterRound);
        continue;
      }
      lease.state = { type: "ending" };
      this.#expiriesInPace += 1;
      expired.push({ session: lease.session, reason: lease.reason });
    }
    this.#due = left;
    return expired;
  }

  #review(session: string, bucket: number, round: number): void {
    const lease = this.#bySession.get(session);
    if (lease === undefined || lease.bucket !== bucket) {
      return;
    }
    lease.bucket = null;
    if (lease.deadlineMs > this.#clockMs) {
      this.#file(lease);
      return;
    }
    lease.state = { type: "due", afterRound: round + 1 };
    this.#due.push(lease);
    this.#nextRound = Math.min(this.#nextRound, round + 1);
  }

  #add({ id, ttlMs, graceMs }: SessionView): Lease {
    const lease: Lease = {
      session: id,
      ttlMs,
      graceMs,
      protectedUntilMs: 0,
      attach: 0,
      origin: null,
      deadlineMs: 0,
      reason: "ttl",
      state: { type: "live" },
      bucket: null,
    };
    this.#bySession.set(id, lease);
    this.#renew(lease);
    return lease;
  }

  /**
   * Of a session that it inherits, a leader does not know the highest attach number. n1 led and
   * confirmed connection 5, on n3; n2 leads now, and hears of the late reset of connection 4 before
   * it hears of n3. Everything that an earlier leader confirmed was sent before this one began, so
   * for a TTL from then no break counts. Nor does the leader know it of one that is opened again:
   * the late reset of the first connection may come before the first touch of the second.
   */
  #protect(lease: Lease): void {
    lease.protectedUntilMs = this.#clockMs + lease.ttlMs + LEASE_STEP_MS_MAX;
  }

  /**
   * The clock stands between two ticks, and the next tick moves it by time that a touch which comes
   * just before it has not lived through: the most that this can be is added.
   */
  #renew(lease: Lease): void {
    lease.deadlineMs = this.#clockMs + lease.ttlMs + LEASE_STEP_MS_MAX;
    lease.reason = "ttl";
    this.#file(lease);
  }

  /** A lease that will be looked at earlier anyway is filed again then: renewals cost nothing. */
  #file(lease: Lease): void {
    const bucket = Math.max(Math.floor(lease.deadlineMs / BUCKET_MS), this.#nextBucket);
    if (lease.bucket !== null && lease.bucket <= bucket) {
      return;
    }
    lease.bucket = bucket;
    const sessions = this.#buckets.get(bucket);
    if (sessions === undefined) {
      this.#buckets.set(bucket, [lease.session]);
    } else {
      sessions.push(lease.session);
    }
  }
}

/**
 * Whether the connection is the one that counts: that of the highest number, and of two with one
 * number the first. A client that went from n2 to n3 without counting up would otherwise live by
 * the touches of n3, and end by the late reset that n2 tells of.
 */
function claim(lease: Lease, attach: number, origin: Origin): boolean {
  const held = lease.origin;
  if (held === null || attach > lease.attach) {
    lease.attach = attach;
    lease.origin = origin;
    return true;
  }
  return attach === lease.attach && held.from === origin.from && held.start === origin.start;
}
