import type { Entry, HardState, LogIndex } from "../raft/types.ts";
import { must, unreachable } from "../util/assert.ts";
import { decodeEntry, indexOfKey, type LogPosition } from "./layout.ts";
import type { LoadedLog } from "./storage.ts";

/** What is wrong with a log. Each is something that no crash does to a disk that keeps its word. */
export type Damage =
  /** A key among the entries that is none. */
  | { readonly what: "strangeKey"; readonly key: string }
  /** The record is not byte for byte what was written. */
  | { readonly what: "checksum"; readonly index: LogIndex }
  /** `index` is missing although `next` is there. */
  | { readonly what: "hole"; readonly index: LogIndex; readonly next: LogIndex }
  /** The record at `index` was written after another one than what stands before it. */
  | { readonly what: "chain"; readonly index: LogIndex }
  /** Both copies of the mark are unreadable. */
  | { readonly what: "markUnreadable" }
  | { readonly what: "endsBeforeMark"; readonly lastIndex: LogIndex; readonly mark: LogPosition }
  /** The mark was made of another entry than the one at its index. */
  | { readonly what: "notMarked"; readonly mark: LogPosition }
  /** An entry knows of a commit that the log does not reach. */
  | {
      readonly what: "endsBeforeCommit";
      readonly lastIndex: LogIndex;
      readonly commitIndex: LogIndex;
    }
  /** The term is always on disk before an entry of it (§5.1). */
  | { readonly what: "termBehind"; readonly term: number; readonly entryTerm: number };

/** `positions`: where the log starts, then one an entry. */
export interface IntactLog {
  readonly type: "intact";
  readonly loaded: LoadedLog;
  readonly positions: readonly LogPosition[];
}

/** `proved` is the end of the part before the damage that is linked from the start. */
export interface DamagedLog {
  readonly type: "damaged";
  readonly damage: Damage;
  readonly proved: LogPosition;
}

export type Verdict = IntactLog | DamagedLog;

/**
 * Judges what was read at a start, record by record in the order of their keys.
 *
 * What a crash may do: the last batch is there as a whole or not at all, and so is every one
 * before it that was not synced. So records may be missing at the end, and only behind the mark,
 * which is never ahead of what was synced. Everything else is damage: LevelDB reads past a bad
 * record of its write-ahead file without a word, and then lacks records in the middle, has an
 * older one where a newer one was, or ends early.
 */
export class LogVerifier {
  readonly #start: LogPosition;
  readonly #positions: LogPosition[];
  readonly #entries: Entry[] = [];
  #commitIndex: LogIndex;
  #damage: Damage | null = null;

  /** `start`: what the log starts after; entries up to it are left over and ignored. */
  constructor(start: LogPosition) {
    this.#start = start;
    this.#positions = [start];
    this.#commitIndex = start.index;
  }

  take(key: Uint8Array, value: Uint8Array): void {
    if (this.#damage !== null) return;
    const index = indexOfKey(key);
    if (index === null) {
      this.#damage = { what: "strangeKey", key: Buffer.from(key).toString("hex") };
      return;
    }
    if (index <= this.#start.index) return;
    const before = this.#last();
    if (index !== before.index + 1) {
      this.#damage = { what: "hole", index: before.index + 1, next: index };
      return;
    }
    const decoded = decodeEntry(key, value);
    if (decoded === null) {
      this.#damage = { what: "checksum", index };
      return;
    }
    // B wrote 8 and 9 in term 1, then replaced both in term 2 and appended 10. When the batch that
    // replaced them is lost, the old 8 and 9 are back: each is whole and they fit each other, but
    // 10 was written after another 9.
    if (decoded.previous !== before.chain) {
      this.#damage = { what: "chain", index };
      return;
    }
    this.#positions.push(decoded.position);
    this.#entries.push(decoded.entry);
    this.#commitIndex = Math.max(this.#commitIndex, decoded.commitIndex);
  }

  /** After the last record. `mark` is null when it cannot be read. */
  finish(hardState: HardState, mark: LogPosition | null): Verdict {
    const damage = this.#damage ?? this.#checkEnd(hardState, mark);
    const last = this.#last();
    if (damage !== null) return { type: "damaged", damage, proved: last };
    const { index, term } = this.#start;
    return {
      type: "intact",
      loaded: {
        hardState,
        snapshot: { index, term },
        entries: this.#entries,
        commitIndex: this.#commitIndex,
      },
      positions: this.#positions,
    };
  }

  #checkEnd(hardState: HardState, mark: LogPosition | null): Damage | null {
    const last = this.#last();
    if (mark === null) return { what: "markUnreadable" };
    if (mark.index > last.index) return { what: "endsBeforeMark", lastIndex: last.index, mark };
    // A mark from before the snapshot says nothing about what follows it.
    const marked = this.#positions[mark.index - this.#start.index];
    if (marked !== undefined && (marked.chain !== mark.chain || marked.term !== mark.term)) {
      return { what: "notMarked", mark };
    }
    if (this.#commitIndex > last.index) {
      return { what: "endsBeforeCommit", lastIndex: last.index, commitIndex: this.#commitIndex };
    }
    if (last.term > hardState.term) {
      return { what: "termBehind", term: hardState.term, entryTerm: last.term };
    }
    return null;
  }

  #last(): LogPosition {
    return must(this.#positions.at(-1));
  }
}

/** For an operator. */
export function describeDamage(damage: Damage): string {
  switch (damage.what) {
    case "strangeKey":
      return `there is a key that is not an entry's (${damage.key})`;
    case "checksum":
      return `entry ${damage.index} is not as it was written`;
    case "hole":
      return `entry ${damage.index} is missing although entry ${damage.next} is there`;
    case "chain":
      return `entry ${damage.index} does not belong behind the entry before it`;
    case "markUnreadable":
      return "the mark, which says how far the log was written, cannot be read";
    case "endsBeforeMark":
      return `the log ends at entry ${damage.lastIndex} but was written up to ${damage.mark.index}`;
    case "notMarked":
      return `entry ${damage.mark.index} is another one than the mark says`;
    case "endsBeforeCommit":
      return `the log ends at entry ${damage.lastIndex} but was committed up to ${damage.commitIndex}`;
    case "termBehind":
      return `the stored term ${damage.term} is behind an entry of term ${damage.entryTerm}`;
    default:
      return unreachable(damage);
  }
}
