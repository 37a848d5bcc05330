/** A state from one moment to another. */
export interface Span<S extends string> {
  readonly state: S;
  readonly fromMs: number;
  readonly toMs: number;
}

/** More than this many a row are narrower than a screen can show. */
const CELLS = 1_200;

/**
 * States one behind the other, of which null is none at all. Of those that change faster than can be
 * shown only the last is kept, so that a row has `CELLS` of them at the most.
 */
export class Row<S extends string> {
  readonly #cellMs: number;
  readonly #endMs: number;
  readonly #changes: { state: S | null; atMs: number }[] = [];

  constructor(endMs: number) {
    this.#endMs = endMs;
    this.#cellMs = endMs / CELLS;
  }

  become(state: S | null, atMs: number): void {
    const last = this.#changes.at(-1);
    if (last?.state === state) return;
    if (last !== undefined && this.#cell(last.atMs) === this.#cell(atMs)) last.state = state;
    else this.#changes.push({ state, atMs });
  }

  get spans(): Span<S>[] {
    const spans: Span<S>[] = [];
    this.#changes.forEach(({ state, atMs }, i) => {
      if (state === null) return;
      const toMs = this.#changes[i + 1]?.atMs ?? this.#endMs;
      const last = spans.at(-1);
      if (last?.state === state && last.toMs === atMs) spans[spans.length - 1] = { ...last, toMs };
      else spans.push({ state, fromMs: atMs, toMs });
    });
    return spans;
  }

  #cell(atMs: number): number {
    return Math.floor(atMs / this.#cellMs);
  }
}

/** Moments with a word each, of which no two are in one cell. */
export class Marks {
  readonly #cellMs: number;
  readonly #byCell = new Map<number, { readonly atMs: number; readonly what: string }>();

  constructor(endMs: number) {
    this.#cellMs = endMs / CELLS;
  }

  add(atMs: number, what: string): void {
    this.#byCell.set(Math.floor(atMs / this.#cellMs), { atMs, what });
  }

  get all(): readonly { readonly atMs: number; readonly what: string }[] {
    return [...this.#byCell.values()];
  }
}
