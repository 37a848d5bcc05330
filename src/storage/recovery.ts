import type { Entry, HardState, LogEnd, LogIndex } from "../raft/types.ts";
import { must } from "../util/assert.ts";
import type { Damage } from "./damage.ts";
import { decodeEntry, indexOfKey, LOG_START, type LogPosition } from "./layout.ts";
import type { Pointer } from "./snapshot-layout.ts";
import type { LoadedLog } from "./storage.ts";
import type { Leftover } from "./sweep.ts";

/** `positions`: where the log starts, then one an entry. */
export interface IntactLog {
  readonly type: "intact";
  readonly loaded: LoadedLog;
  readonly positions: readonly LogPosition[];
  readonly pointer: Pointer | null;
  /** What stands in the database and is not needed. */
  readonly leftovers: readonly Leftover[];
}

/** Of the log, and of one before it that was lost: what the member has vouched for ends there. */
export function vouchedEnd({ loaded }: IntactLog, before: LogEnd | null): LogEnd {
  const { index, term } = loaded.entries.at(-1) ?? loaded.logStart;
  const isCovered =
    before === null || before.term < term || (before.term === term && before.index <= index);
  return isCovered ? { index, term } : before;
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
  readonly #pointer: Pointer | null;
  /** What the log starts after; entries up to it are left over. */
  readonly #start: LogPosition;
  readonly #positions: LogPosition[];
  readonly #entries: Entry[] = [];
  #commitIndex: LogIndex;
  #damage: Damage | null = null;

  constructor(pointer: Pointer | null) {
    this.#pointer = pointer;
    this.#start = pointer?.logStart ?? LOG_START;
    this.#positions = [this.#start];
    this.#commitIndex = pointer?.snapshot.index ?? 0;
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
      this.#damage =
        this.#pointer === null && before.index === 0
          ? { what: "pointerMissing", first: index }
          : { what: "hole", index: before.index + 1, next: index };
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
  finish(hardState: HardState, mark: LogPosition | null, leftovers: readonly Leftover[]): Verdict {
    const damage = this.#damage ?? this.#checkSnapshot() ?? this.#checkEnd(hardState, mark);
    if (damage !== null) return { type: "damaged", damage, proved: this.#last() };
    const { index, term } = this.#start;
    return {
      type: "intact",
      loaded: {
        hardState,
        snapshot: this.#pointer?.snapshot ?? null,
        logStart: { index, term },
        entries: this.#entries,
        commitIndex: this.#commitIndex,
      },
      positions: this.#positions,
      pointer: this.#pointer,
      leftovers,
    };
  }

  /** The snapshot is within the log, so that nothing is missing behind it, and of this log. */
  #checkSnapshot(): Damage | null {
    if (this.#pointer === null) return null;
    const { chain, snapshot } = this.#pointer;
    const lastIndex = this.#last().index;
    if (lastIndex < snapshot.index) {
      return { what: "endsBeforeSnapshot", lastIndex, snapshotIndex: snapshot.index };
    }
    const own = must(this.#positions[snapshot.index - this.#start.index]);
    const isOfLog = own.chain === chain && own.term === snapshot.term;
    return isOfLog ? null : { what: "notSnapshotted", index: snapshot.index };
  }

  #checkEnd(hardState: HardState, mark: LogPosition | null): Damage | null {
    const last = this.#last();
    if (mark === null) return { what: "markUnreadable" };
    if (mark.index > last.index) return { what: "endsBeforeMark", lastIndex: last.index, mark };
    // A mark from before the start of the log says nothing about what follows it.
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
