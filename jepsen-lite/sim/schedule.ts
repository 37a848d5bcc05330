interface Scheduled {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** Virtual time: what is due next, in order of time and then of scheduling. */
export class Schedule {
  readonly #heap: Scheduled[] = [];
  #nowMs = 0;
  #order = 0;
  #events = 0;

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events run since the start: the storm detector's measure. */
  get events(): number {
    return this.#events;
  }

  after(delayMs: number, run: () => void): void {
    this.#order += 1;
    this.#push({ atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order, run });
  }

  /** Runs everything that is due up to `untilMs`. */
  runUntil(untilMs: number): void {
    for (
      let next = this.#heap[0];
      next !== undefined && next.atMs <= untilMs;
      next = this.#heap[0]
    ) {
      this.#pop();
      this.#nowMs = next.atMs;
      this.#events += 1;
      next.run();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  #push(item: Scheduled): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(item);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || isBefore(above, item)) {
        break;
      }
      heap[i] = above;
      i = parent;
    }
    heap[i] = item;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) {
      return;
    }
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      const left = heap[child];
      if (left === undefined) {
        break;
      }
      const right = heap[child + 1];
      let smaller = left;
      if (right !== undefined && isBefore(right, left)) {
        child += 1;
        smaller = right;
      }
      if (isBefore(last, smaller)) {
        break;
      }
      heap[i] = smaller;
      i = child;
    }
    heap[i] = last;
  }
}

function isBefore(a: Scheduled, b: Scheduled): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
