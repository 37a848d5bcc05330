import {
  MASS_BREAK_FRACTION,
  MASS_BREAK_SESSIONS_MIN,
  MASS_BREAK_WINDOW_MS,
  TOUCH_REPEAT_MS,
} from "../limits.ts";
import type { Registry } from "../registry/registry.ts";
import type { AttachedSession } from "./peer-messages.ts";
import { Queue } from "./queue.ts";

/** `afterReport`: the last report that was made before it; the next one is the first to carry it. */
export interface Moment {
  readonly atMs: number;
  readonly afterReport: number;
}

/** What is left to be told of a connection that is gone, until a report with it is confirmed. */
type Leftover = AttachedSession & Moment;

/**
 * The sessions whose client's end of a connection to this node closed. When a switch fails, a node
 * loses a large part of its connections within a moment while every process behind them lives:
 * those breaks are taken back, by touches, and the sessions keep their TTL.
 */
export class Breaks {
  readonly #registry: Registry;
  readonly #breaks = new Map<string, Leftover>();
  readonly #restores = new Map<string, Leftover>();
  /** Of the last MASS_BREAK_WINDOW_MS. */
  readonly #recent = new Queue<Leftover>();
  /** All of `#recent` were taken back. */
  #isMass = false;
  #restoredSinceTick = 0;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  get hasBreaks(): boolean {
    return this.#breaks.size > 0;
  }

  /** `served`: the sessions that are left. `isServed`: those that have come back since. */
  add(leftover: Leftover, served: number, isServed: (session: string) => boolean): void {
    const windowStartMs = leftover.atMs - MASS_BREAK_WINDOW_MS;
    for (let first = this.#recent.first(); first !== null; first = this.#recent.first()) {
      if (first.atMs > windowStartMs) {
        break;
      }
      this.#recent.shift();
    }
    this.#recent.push(leftover);
    const breaksMax = Math.max(
      MASS_BREAK_SESSIONS_MIN,
      (served + this.#recent.length) * MASS_BREAK_FRACTION,
    );
    if (this.#recent.length <= breaksMax) {
      this.#isMass = false;
      this.#breaks.set(leftover.session, leftover);
      return;
    }
    for (const recent of this.#isMass ? [leftover] : this.#recent) {
      if (!isServed(recent.session)) {
        this.#breaks.delete(recent.session);
        this.#restores.set(recent.session, { ...leftover, ...asAttached(recent) });
        this.#restoredSinceTick += 1;
      }
    }
    this.#isMass = true;
  }

  /** Its client is back, or it has ended. */
  forget(session: string): void {
    this.#breaks.delete(session);
    this.#restores.delete(session);
  }

  /** Report `counter` was taken and confirmed. */
  confirmed(counter: number): void {
    dropCarried(this.#breaks, counter);
    dropCarried(this.#restores, counter);
  }

  /** Returns how many breaks were taken back since the last tick. */
  tick(nowMs: number): number {
    for (const [session, { atMs }] of this.#breaks) {
      if (nowMs - atMs > (this.#registry.session(session)?.ttlMs ?? 0)) {
        this.#breaks.delete(session);
      }
    }
    for (const [session, { atMs }] of this.#restores) {
      if (nowMs - atMs > TOUCH_REPEAT_MS) {
        this.#restores.delete(session);
      }
    }
    const restored = this.#restoredSinceTick;
    this.#restoredSinceTick = 0;
    return restored;
  }

  /** Of breaks that were taken back. */
  touches(): readonly AttachedSession[] {
    return [...this.#restores.values()].map(asAttached);
  }

  breaks(): readonly AttachedSession[] {
    return [...this.#breaks.values()].map(asAttached);
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
