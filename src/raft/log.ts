import { assert, must } from "../util/assert.ts";
import type { Entry, LogIndex, SnapshotMeta, Term } from "./types.ts";

/** Reading the log, for who does not own it. */
export interface LogView {
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
 * The entries since the snapshot, in memory, and how much of them is on disk.
 *
 * Three bounds, each at or below the next; all are lowered by a truncation:
 * - `durableIndex`: what stands here up to it is on disk as it stands here;
 * - `#writingIndex`: the completion of the write in flight will say so up to it;
 * - `#handedIndex`: what stands behind it was not given to a write yet.
 */
export class RaftLog implements LogView {
  readonly #snapshotIndex: LogIndex;
  readonly #snapshotTerm: Term;
  /** `#entries[i]` has index `#snapshotIndex + 1 + i`; terms never fall. */
  readonly #entries: Entry[];
  /** Those of `#entries` that are of kind `conf`. */
  readonly #confEntries: Entry[] = [];
  #durableIndex: LogIndex;
  #writingIndex: LogIndex;
  #handedIndex: LogIndex;

  /** `entries` are on disk. */
  constructor(snapshot: Omit<SnapshotMeta, "conf">, entries: readonly Entry[]) {
    this.#snapshotIndex = snapshot.index;
    this.#snapshotTerm = snapshot.term;
    this.#entries = [];
    this.append(entries);
    this.#durableIndex = this.#writingIndex = this.#handedIndex = this.lastIndex;
  }

  get snapshotIndex(): LogIndex {
    return this.#snapshotIndex;
  }

  get firstIndex(): LogIndex {
    return this.#snapshotIndex + 1;
  }

  get lastIndex(): LogIndex {
    return this.#snapshotIndex + this.#entries.length;
  }

  get lastTerm(): Term {
    return this.#entries.at(-1)?.term ?? this.#snapshotTerm;
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

  /** Undefined before the snapshot and behind the last entry. */
  termAt(index: LogIndex): Term | undefined {
    return index === this.#snapshotIndex ? this.#snapshotTerm : this.entryAt(index)?.term;
  }

  entryAt(index: LogIndex): Entry | undefined {
    return this.#entries[index - this.firstIndex];
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
    assert(from > this.#snapshotIndex, () => `truncation at ${from} reaches into the snapshot`);
    assert(from <= this.lastIndex, () => `nothing to truncate at ${from}`);
    this.#entries.length = from - this.firstIndex;
    while ((this.#confEntries.at(-1)?.index ?? 0) >= from) this.#confEntries.pop();
    this.#handedIndex = Math.min(this.#handedIndex, from - 1);
    this.#writingIndex = Math.min(this.#writingIndex, from - 1);
    this.#durableIndex = Math.min(this.#durableIndex, from - 1);
  }

  /** What the next write holds; it is in flight until `written`. */
  takeUnhanded(): readonly Entry[] {
    const entries = this.#entries.slice(this.#handedIndex + 1 - this.firstIndex);
    this.#handedIndex = this.#writingIndex = this.lastIndex;
    return entries;
  }

  /** The write in flight is on disk. */
  written(): void {
    this.#durableIndex = Math.max(this.#durableIndex, this.#writingIndex);
    this.#writingIndex = this.#durableIndex;
  }

  /** From `from` on, at most `countMax` entries of at most `bytesMax` bytes, but at least one. */
  slice(from: LogIndex, countMax: number, bytesMax: number): readonly Entry[] {
    const start = from - this.firstIndex;
    assert(start >= 0, () => `${from} is before the log`);
    let end = start;
    let bytes = 0;
    while (end < this.#entries.length && end - start < countMax) {
      bytes += must(this.#entries[end]).data.byteLength;
      if (bytes > bytesMax && end > start) break;
      end++;
    }
    return this.#entries.slice(start, end);
  }

  /** Everything in (after, to]. */
  between(after: LogIndex, to: LogIndex): readonly Entry[] {
    return this.#entries.slice(after + 1 - this.firstIndex, to + 1 - this.firstIndex);
  }

  /**
   * The largest index at or below `index` whose term is at most `term`, and the snapshot's where
   * none is: two logs that differ at `index`, where the other has `term`, cannot agree behind it
   * (terms never fall), so a whole term is skipped with one message instead of one entry.
   */
  lastIndexWithTermAtMost(index: LogIndex, term: Term): LogIndex {
    let low = this.#snapshotIndex;
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
        this.#durableIndex >= this.#snapshotIndex,
      () => {
        const { lastIndex } = this;
        return `durable ${this.#durableIndex}, writing ${this.#writingIndex}, handed ${this.#handedIndex}, last ${lastIndex}`;
      },
    );
  }
}
