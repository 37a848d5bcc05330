import type { Schedule } from "./schedule.ts";

/** A process that can stand still, and die: what it had still to do is then void. */
export class SimProcess {
  readonly #schedule: Schedule;
  #life = 0;
  #pausedUntilMs = 0;
  #waiting: (() => void)[] = [];

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
  }

  get isPaused(): boolean {
    return this.#pausedUntilMs > this.#schedule.nowMs;
  }

  die(): void {
    this.#life += 1;
    this.#pausedUntilMs = 0;
    this.#waiting = [];
  }

  /** What arrives and what is due wait, and then come in their order. */
  pause(forMs: number): void {
    const untilMs = this.#schedule.nowMs + forMs;
    if (untilMs <= this.#pausedUntilMs) {
      return;
    }
    this.#pausedUntilMs = untilMs;
    this.later(forMs, () => {
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const run of waiting) {
        this.awake(run);
      }
    });
  }

  awake(run: () => void): void {
    if (this.isPaused) {
      this.#waiting.push(run);
    } else {
      run();
    }
  }

  later(delayMs: number, run: () => void): void {
    const life = this.#life;
    this.#schedule.after(delayMs, () => {
      if (this.#life === life) {
        this.awake(run);
      }
    });
  }
}
