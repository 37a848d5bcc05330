import type { HardState, LogIndex, PersistRequest } from "../raft/types.ts";
import { assert, must } from "../util/assert.ts";
import type { KeyValueOperation } from "./key-value-store.ts";
import { encodeEntry, entryKey, type LogPosition } from "./layout.ts";

/** What a request comes down to, in the order in which it has to reach the disk. */
export interface PersistPlan {
  readonly hardState: HardState | null;
  /** The mark is lowered to here, and synced, before the batch: it truncates what stands behind. */
  readonly lowerMark: LogPosition | null;
  /** One atomic batch; empty when no entry changes. */
  readonly operations: readonly KeyValueOperation[];
  /** Where the log ends once the batch is on disk; the mark is raised to it. */
  readonly last: LogPosition | null;
}

/**
 * Knows what is on disk and turns requests into writes. Pure: the simulator runs it too. A plan
 * counts as carried out as soon as it was made, since the first write that fails is the last one.
 */
export class PersistPlanner {
  #hardState: HardState;
  #write = 0;
  /** Highest ever given; nothing up to it is replaced any more. */
  #commitIndex: LogIndex;
  /**
   * The positions from the commit index (or the start of the log) to the end, without a gap. What
   * is committed is never truncated (§5.4.3, Leader Completeness), so the ones below it are let go.
   */
  #positions: LogPosition[];

  /** `positions`: where the log starts (a snapshot, or `LOG_START`), then one an entry. */
  constructor(hardState: HardState, positions: readonly LogPosition[], commitIndex: LogIndex) {
    assert(positions.length > 0, "a log has a start");
    this.#hardState = hardState;
    this.#positions = [...positions];
    this.#commitIndex = commitIndex;
    this.#forgetCommitted();
  }

  get last(): LogPosition {
    return must(this.#positions.at(-1));
  }

  plan(request: PersistRequest): PersistPlan {
    assert(request.write > this.#write, () => `write ${request.write} after ${this.#write}`);
    this.#write = request.write;
    if (request.hardState !== null) this.#takeHardState(request.hardState);
    const first = request.entries[0];
    if (first === undefined) {
      return { hardState: request.hardState, lowerMark: null, operations: [], last: null };
    }

    const lastBefore = this.last.index;
    assert(
      first.index > this.#commitIndex && first.index <= lastBefore + 1,
      () => `entry ${first.index} in a log with ${this.#commitIndex} committed of ${lastBefore}`,
    );
    this.#positions.length -= lastBefore + 1 - first.index;
    const truncatedTo = this.last;
    const operations = this.#append(request);
    const last = this.last;
    assert(
      request.commitIndex <= last.index,
      () => `commit index ${request.commitIndex} past the last entry ${last.index}`,
    );
    this.#commitIndex = Math.max(this.#commitIndex, request.commitIndex);
    for (let index = last.index + 1; index <= lastBefore; index += 1) {
      operations.push({ type: "del", key: entryKey(index) });
    }
    this.#forgetCommitted();
    return {
      hardState: request.hardState,
      lowerMark: truncatedTo.index < lastBefore ? truncatedTo : null,
      operations,
      last,
    };
  }

  #takeHardState(next: HardState): void {
    const { term, vote } = this.#hardState;
    assert(
      next.term > term || (next.term === term && (vote === null || vote === next.vote)),
      () => `term ${next.term} vote ${next.vote} after term ${term} vote ${vote}`,
    );
    this.#hardState = next;
  }

  #append(request: PersistRequest): KeyValueOperation[] {
    const commitIndex = Math.max(this.#commitIndex, request.commitIndex);
    return request.entries.map((entry) => {
      const before = this.last;
      assert(
        entry.index === before.index + 1 && entry.term >= before.term,
        () => `entry ${entry.index} of term ${entry.term} after ${JSON.stringify(before)}`,
      );
      assert(
        entry.term <= this.#hardState.term,
        () => `entry ${entry.index} of term ${entry.term} in term ${this.#hardState.term}`,
      );
      const { key, value, position } = encodeEntry(entry, before.chain, commitIndex);
      this.#positions.push(position);
      return { type: "put", key, value };
    });
  }

  #forgetCommitted(): void {
    const count = this.#commitIndex - must(this.#positions[0]).index;
    if (count > 0) this.#positions.splice(0, count);
  }
}
