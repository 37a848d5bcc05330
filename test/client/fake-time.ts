import type { Clock, Timer, Timers } from "../../src/env/env.ts";

interface Due {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** Lets everything that waits for a promise go on, until nothing moves. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 60; turn += 1) {
    await null;
  }
}

/** A clock that stands until it is told to go. */
export class FakeTime implements Clock, Timers {
  #nowMs = 1_000;
  #order = 0;
  #due: Due[] = [];

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  after(delayMs: number, run: () => void): Timer {
    if (!Number.isInteger(delayMs) || delayMs < 0) {
      throw new RangeError(`a delay of ${delayMs} ms`);
    }
    this.#order += 1;
    const due: Due = { atMs: this.#nowMs + delayMs, order: this.#order, run };
    this.#due.push(due);
    return {
      cancel: () => {
        this.#due = this.#due.filter((other) => other !== due);
      },
    };
  }

  every(): Timer {
    throw new Error("the SDK has no periodic timers");
  }

  soon(run: () => void): void {
    this.after(0, run);
  }

  get timerCount(): number {
    return this.#due.length;
  }

  /** Runs every timer on the way, and what follows from it, in order. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    await settle();
    for (;;) {
      const next = this.#next();
      if (next === undefined || next.atMs > untilMs) {
        break;
      }
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      this.#take(next);
      next.run();
      await settle();
    }
    this.#nowMs = untilMs;
    await settle();
  }

  /** As if the process had been stopped: time has passed, and all timers of it are due at once. */
  async stall(byMs: number): Promise<void> {
    this.#nowMs += byMs;
    await this.advance(0);
  }

  #next(): Due | undefined {
    let best: Due | undefined;
    for (const due of this.#due) {
      const isEarlier =
        best === undefined ||
        due.atMs < best.atMs ||
        (due.atMs === best.atMs && due.order < best.order);
      best = isEarlier ? due : best;
    }
    return best;
  }

  #take(due: Due): void {
    this.#due = this.#due.filter((other) => other !== due);
  }
}
