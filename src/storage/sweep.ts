import type { LogIndex, SnapshotId } from "../raft/types.ts";
import type { KeyRange, KeyValueOperation } from "./key-value-store.ts";
import { ENTRY_KEYS, entryKey } from "./layout.ts";
import { CHUNK_KEYS, chunkKey, chunkRange, isSameSnapshot } from "./snapshot-layout.ts";

/** Keys that nothing refers to any more. Some of them may be gone already. */
export type Leftover =
  | { readonly type: "entries"; readonly first: LogIndex; readonly last: LogIndex }
  | {
      readonly type: "chunks";
      readonly id: SnapshotId;
      readonly first: number;
      readonly last: number;
    };

/**
 * What is left over, and goes in slices: one batch with 268,000 deletions stalls the event loop for
 * 530 ms. A start ignores leftovers and finds them again, so nothing is lost with this list.
 *
 * The invariant: no key in it is one that the pointer, the log or a staged snapshot needs. Entries
 * are added when the log starts behind them, and it never starts earlier again; chunks are taken
 * out again (`spare`) when their snapshot is staged once more.
 */
export class Sweep {
  #leftovers: Leftover[];
  readonly #swept: KeyRange[] = [];

  constructor(leftovers: readonly Leftover[]) {
    this.#leftovers = leftovers.filter(({ first, last }) => first <= last);
  }

  get isEmpty(): boolean {
    return this.#leftovers.length === 0;
  }

  add(leftover: Leftover): void {
    if (leftover.first <= leftover.last) this.#leftovers.push(leftover);
  }

  /** Keeps the chunks of a snapshot. Returns how many of them may be there. */
  spare(id: SnapshotId): number {
    let chunks = 0;
    this.#leftovers = this.#leftovers.filter((leftover) => {
      if (leftover.type !== "chunks" || !isSameSnapshot(leftover.id, id)) return true;
      chunks = Math.max(chunks, leftover.last + 1);
      return false;
    });
    return chunks;
  }

  /** The next deletions, at most `count`. */
  take(count: number): KeyValueOperation[] {
    const operations: KeyValueOperation[] = [];
    while (operations.length < count) {
      const leftover = this.#leftovers[0];
      if (leftover === undefined) break;
      const end = Math.min(leftover.last, leftover.first + count - operations.length - 1);
      for (let number = leftover.first; number <= end; number += 1) {
        operations.push({ type: "del", key: keyIn(leftover, number) });
      }
      if (end === leftover.last) {
        this.#leftovers.shift();
        this.#swept.push(rangeOf(leftover));
      } else this.#leftovers[0] = { ...leftover, first: end + 1 };
    }
    return operations;
  }

  /** Ranges of which the last deletion was taken; each is told once. */
  takeSwept(): KeyRange[] {
    return this.#swept.splice(0);
  }
}

/**
 * All older ones too: they are gone, and their room may not have been given back, since a storage
 * that is closed waits for no compaction but the one that runs.
 */
function rangeOf(leftover: Leftover): KeyRange {
  if (leftover.type === "chunks") return { from: CHUNK_KEYS.from, to: chunkRange(leftover.id).to };
  return { from: ENTRY_KEYS.from, to: entryKey(leftover.last + 1) };
}

function keyIn(leftover: Leftover, number: number): Buffer {
  return leftover.type === "entries" ? entryKey(number) : chunkKey(leftover.id, number);
}
