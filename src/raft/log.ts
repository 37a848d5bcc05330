import { assert, must } from "../util/assert.ts";
import type { LogStart } from "./snapshot.ts";
import type { Entry, LogIndex, Term } from "./types.ts";

/** Reading the log, for who does not own it. */
export interface LogView {
  readonly start: LogStart;
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  readonly durableIndex: LogIndex;
  /** Those of kind `conf`, by rising index. */
  readonly confEntries: readonly Entry[];
  termAt(index: LogIndex): Term | undefined;
  entryAt(index: LogIndex): Entry | undefined;
}

/**
 * The entries that are kept in memory, and how much of them is on disk. They begin at or before
 * the current snapshot: a tail stays for peers that are a little behind (§7).
 *
 * Three bounds, each at or below the next; all are lowered by a truncation:
 * - `durableIndex`: what stands here up to it is on disk as it stands here;
 * - `#writingIndex`: the completion of the write in flight will say so up to it;
 * - `#handedIndex`: what stands behind it was not given to a write yet.
 */
export class RaftLog implements LogView {
  /** Committed, or the beginning of everything. */
  #start: LogStart;
  /**
   * `#entries[#gone + i]` has index `#start.index + 1 + i`; terms never fall. The first `#gone`
   * places are empty. The rest is moved to the front once they are more than half, so that costs
   * less than one step for each entry that was cut.
   */
  #entries: (Entry | undefined)[] = [];
  #gone = 0;
  /** Those of `#entries` that are of kind `conf`. */
  #confEntries: Entry[] = [];
  #durableIndex: LogIndex;
  #writingIndex: LogIndex;
  #handedIndex: LogIndex;

  /** `entries` are on disk. */
  constructor(start: LogStart, entries: readonly Entry[]) {
    this.#start = { index: start.index, term: start.term };
    this.append(entries);
    this.#durableIndex = this.#writingIndex = this.#handedIndex = this.lastIndex;
  }

  get start(): LogStart {
    return this.#start;
  }

  get firstIndex(): LogIndex {
    return this.#start.index + 1;
  }

  get lastIndex(): LogIndex {
    return this.#start.index + this.#entries.length - this.#gone;
  }

  get lastTerm(): Term {
    return this.#entries.at(-1)?.term ?? this.#start.term;
  }

  get durableIndex(): LogIndex {
    return this.#durableIndex;
  }

  get confEntries(): readonly Entry[] {
    return this.#confEntries;
  }

  /** There are entries that no write was given yet. */
  get hasUnhanded(): boolean {
    return this.#handedIndex < this.lastIndex;
  }

  /** Undefined before the start and behind the last entry. */
  termAt(index: LogIndex): Term | undefined {
    return index === this.#start.index ? this.#start.term : this.entryAt(index)?.term;
  }

  entryAt(index: LogIndex): Entry | undefined {
    return this.#entries[this.#placeOf(index)];
  }

  #placeOf(index: LogIndex): number {
    return this.#gone + index - this.firstIndex;
  }

  /** §5.4.1: whether a log that ends thus is at least as up to date as this one. */
  isUpToDate(lastIndex: LogIndex, lastTerm: Term): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);
  }

  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      assert(entry.index === this.lastIndex + 1, () => {
        return `entry ${entry.index} does not follow ${this.lastIndex}`;
      });
      assert(entry.term >= this.lastTerm, () => {
        return `term ${entry.term} at ${entry.index} falls behind ${this.lastTerm}`;
      });
      this.#entries.push(entry);
      if (entry.kind === "conf") this.#confEntries.push(entry);
    }
  }

  /**
   * Removes `from` and everything behind it. The write in flight may hold some of it, and the same
   * index, even the same index and term, may be appended again before that write completes: from
   * now on its completion vouches only for what stands before `from`, and whatever is appended
   * here has to be written again.
   */
  truncate(from: LogIndex): void {
    assert(from > this.#start.index, () => `truncation at ${from} reaches before the start`);
    assert(from <= this.lastIndex, () => `nothing to truncate at ${from}`);
    this.#entries.length = this.#placeOf(from);
    while ((this.#confEntries.at(-1)?.index ?? 0) >= from) this.#confEntries.pop();
    this.#handedIndex = Math.min(this.#handedIndex, from - 1);
    this.#writingIndex = Math.min(this.#writingIndex, from - 1);
    this.#durableIndex = Math.min(this.#durableIndex, from - 1);
  }

  /** What the next write holds; it is in flight until `written`. */
  takeUnhanded(): readonly Entry[] {
    const entries = this.between(this.#handedIndex, this.lastIndex);
    this.#handedIndex = this.#writingIndex = this.lastIndex;
    return entries;
  }

  /** The write in flight is on disk. */
  written(): void {
    this.#durableIndex = Math.max(this.#durableIndex, this.#writingIndex);
    this.#writingIndex = this.#durableIndex;
  }

  /** Forgets everything up to `index`, which is on disk, committed, and in a snapshot. */
  compact(index: LogIndex): void {
    assert(index >= this.#start.index && index <= this.#durableIndex, () => {
      return `cut at ${index}, but the log starts at ${this.#start.index} and is durable up to ${this.#durableIndex}`;
    });
    const term = must(this.termAt(index));
    const end = this.#placeOf(index + 1);
    this.#entries.fill(undefined, this.#gone, end);
    this.#gone = end;
    this.#start = { index, term };
    this.#confEntries = this.#confEntries.filter((entry) => entry.index > index);
    if (2 * this.#gone > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#gone);
      this.#gone = 0;
    }
  }

  /**
   * The disk now holds a snapshot up to `start` and nothing else. Entries behind it stay where the
   * log has come to agree with it since that write began (§7); they have to be written again.
   */
  restore(start: LogStart): void {
    const { index, term } = start;
    assert(index > this.#start.index, () => `restored at ${index}, before ${this.#start.index}`);
    this.#entries = this.termAt(index) === term ? this.between(index, this.lastIndex) : [];
    this.#gone = 0;
    this.#start = { index, term };
    const lastIndex = this.lastIndex;
    this.#confEntries = this.#confEntries.filter(
      (entry) => entry.index > index && entry.index <= lastIndex,
    );
    this.#durableIndex = this.#writingIndex = this.#handedIndex = index;
  }

  /** From `from` on, at most `countMax` entries of at most `bytesMax` bytes, but at least one. */
  slice(from: LogIndex, countMax: number, bytesMax: number): readonly Entry[] {
    assert(from > this.#start.index, () => `${from} is before the log`);
    const last = Math.min(this.lastIndex, from + countMax - 1);
    let to = from - 1;
    let bytes = 0;
    while (to < last) {
      bytes += must(this.entryAt(to + 1)).data.byteLength;
      if (bytes > bytesMax && to >= from) break;
      to++;
    }
    return this.between(from - 1, to);
  }

  /** Everything in (after, to]. */
  between(after: LogIndex, to: LogIndex): Entry[] {
    assert(after >= this.#start.index, () => `${after} is before the log`);
    // What stands behind the start is there.
    return this.#entries.slice(this.#placeOf(after + 1), this.#placeOf(to + 1)) as Entry[];
  }

  /**
   * The largest index at or below `index` whose term is at most `term`, and the start's where none
   * is: two logs that differ at `index`, where the other has `term`, cannot agree behind it
   * (terms never fall), so a whole term is skipped with one message instead of one entry.
   */
  lastIndexWithTermAtMost(index: LogIndex, term: Term): LogIndex {
    let low = this.#start.index;
    let high = Math.min(index, this.lastIndex);
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (must(this.termAt(middle)) <= term) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  checkInvariants(): void {
    const conf = this.#confEntries.at(-1);
    assert(conf === undefined || this.entryAt(conf.index) === conf, () => {
      return `the configuration of ${conf?.index} is not in the log`;
    });
    assert(
      this.#durableIndex <= this.#writingIndex &&
        this.#writingIndex <= this.#handedIndex &&
        this.#handedIndex <= this.lastIndex &&
        this.#durableIndex >= this.#start.index,
      () => {
        const { lastIndex } = this;
        return `start ${this.#start.index}, durable ${this.#durableIndex}, writing ${this.#writingIndex}, handed ${this.#handedIndex}, last ${lastIndex}`;
      },
    );
  }
}
