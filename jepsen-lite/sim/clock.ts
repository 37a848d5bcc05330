interface Stretch {
  readonly fromMs: number;
  readonly reading: number;
  readonly rate: number;
}

/** A monotonic clock that runs at its own rate, and stands still when it is told to. */
export class SimClock {
  readonly #rate: number;
  /** Since the start; the last one goes on. */
  readonly #stretches: Stretch[];

  constructor(nowMs: number, reading: number, rate: number) {
    this.#rate = rate;
    this.#stretches = [{ fromMs: nowMs, reading, rate }];
  }

  read(nowMs: number): number {
    const { fromMs, reading, rate } = this.#at(nowMs);
    return reading + (nowMs - fromMs) * rate;
  }

  /** How long a timer of `forMs` takes while the clock runs. */
  durationMs(forMs: number): number {
    return Math.ceil(forMs / this.#rate);
  }

  stop(nowMs: number): void {
    this.#stretches.push({ fromMs: nowMs, reading: this.read(nowMs), rate: 0 });
  }

  go(nowMs: number): void {
    this.#stretches.push({ fromMs: nowMs, reading: this.read(nowMs), rate: this.#rate });
  }

  /** The earliest moment that is at most `ageMs` of this clock before `atMs`. */
  before(atMs: number, ageMs: number): number {
    const reading = this.read(atMs) - ageMs;
    const stretch =
      this.#stretches.findLast((each) => each.reading < reading) ?? this.#stretches[0];
    if (stretch === undefined || stretch.rate === 0) {
      return stretch?.fromMs ?? atMs;
    }
    return stretch.fromMs + (reading - stretch.reading) / stretch.rate;
  }

  #at(nowMs: number): Stretch {
    const stretch = this.#stretches.findLast(({ fromMs }) => fromMs <= nowMs);
    return stretch ?? (this.#stretches[0] as Stretch);
  }
}
