import type { Clock, Timer, Timers } from "../../src/env/env.ts";

/** An event loop that turns when it is told to: timers first, then what `soon` was given. */
export class Loop implements Clock, Timers {
  nowMs = 1_000;
  readonly #soon: (() => void)[] = [];
  readonly #periodic: (() => void)[] = [];
  #delayed: { readonly dueMs: number; readonly run: () => void }[] = [];

  monotonicMs = () => this.nowMs;
  wallMs = () => this.nowMs;

  after(delayMs: number, run: () => void): Timer {
    const timer = { dueMs: this.nowMs + delayMs, run };
    this.#delayed.push(timer);
    return {
      cancel: () => {
        this.#delayed = this.#delayed.filter((other) => other !== timer);
      },
    };
  }

  every(_periodMs: number, run: () => void): Timer {
    this.#periodic.push(run);
    return { cancel: () => this.#periodic.splice(this.#periodic.indexOf(run), 1) };
  }

  soon(run: () => void): void {
    this.#soon.push(run);
  }

  /** Every period is over, and so is each delay that is due. */
  fireTimers(afterMs: number): void {
    this.nowMs += afterMs;
    for (const run of [...this.#periodic]) {
      run();
    }
    this.fireDue(0);
  }

  /** Only delays, none of the periods. */
  fireDue(afterMs: number): void {
    this.nowMs += afterMs;
    const due = this.#delayed.filter(({ dueMs }) => dueMs <= this.nowMs);
    this.#delayed = this.#delayed.filter(({ dueMs }) => dueMs > this.nowMs);
    for (const { run } of due) {
      run();
    }
  }

  turn(): void {
    for (const run of this.#soon.splice(0)) {
      run();
    }
  }

  turns(count: number): void {
    for (let i = 0; i < count; i += 1) {
      this.turn();
    }
  }
}
