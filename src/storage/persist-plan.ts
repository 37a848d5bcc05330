import { SWEEP_KEYS_MAX } from "../limits.ts";
import type { HardState, LogIndex, PersistRequest, SnapshotWrite } from "../raft/types.ts";
import { assert, must, unreachable } from "../util/assert.ts";
import type { KeyRange, KeyValueOperation } from "./key-value-store.ts";
import { encodeEntry, entryKey, formatOperation, type LogPosition } from "./layout.ts";
import type { IntactLog } from "./recovery.ts";
import type { Pointer } from "./snapshot-layout.ts";
import { type CompleteSnapshot, SnapshotPlanner } from "./snapshot-plan.ts";

/** A part of a write. The next one is begun only when all of it is done. */
export type PersistStep =
  /** Both copies, each synced. */
  | { readonly type: "vote"; readonly hardState: HardState }
  /** Written and synced; what it was raised to before is forgotten. */
  | { readonly type: "mark"; readonly position: LogPosition }
  /** All or nothing, and synced. */
  | { readonly type: "batch"; readonly operations: readonly KeyValueOperation[] }
  /** Written and synced some time soon; nothing waits for it. */
  | { readonly type: "raiseMark"; readonly position: LogPosition };

/** What the log and the snapshots make between them. */
interface Draft {
  /** It is lowered to here before the batch, which takes away what stands behind. */
  lowerMark: LogPosition | null;
  /** Empty when nothing changes but term and vote. */
  readonly operations: KeyValueOperation[];
  /** Where the log ends once the batch is on disk; the mark is raised to it. */
  last: LogPosition | null;
  /** The raised mark is synced before the request counts as carried out. */
  isMarkSynced: boolean;
}

type Switch = SnapshotWrite & { type: "switch" };

/**
 * Knows what is on disk and turns requests into writes. Pure: the simulator runs it too. A plan
 * counts as carried out as soon as it was made, since the first write that fails is the last one.
 */
export class PersistPlanner {
  #hardState: HardState;
  #write = 0;
  /** Highest ever given; nothing up to it is replaced any more. At least the snapshot's index. */
  #commitIndex: LogIndex;
  /**
   * The positions from the commit index (or the start of the log) to the end, without a gap. What
   * is committed is never truncated (§5.4.3, Leader Completeness), so the ones below it are let go.
   */
  #positions: LogPosition[];
  readonly #snapshots: SnapshotPlanner;

  constructor(log: Pick<IntactLog, "loaded" | "positions" | "pointer" | "leftovers">) {
    assert(log.positions.length > 0, "a log has a start");
    this.#hardState = log.loaded.hardState;
    this.#positions = [...log.positions];
    this.#commitIndex = log.loaded.commitIndex;
    this.#snapshots = new SnapshotPlanner(log.pointer, log.leftovers);
    this.#forgetCommitted();
  }

  get last(): LogPosition {
    return must(this.#positions.at(-1));
  }

  get pointer(): Pointer | null {
    return this.#snapshots.pointer;
  }

  get hasLeftovers(): boolean {
    return this.#snapshots.hasLeftovers;
  }

  /** One that is complete and was not dropped. */
  findSnapshot(id: { readonly index: LogIndex; readonly nonce: number }): CompleteSnapshot | null {
    return this.#snapshots.find(id);
  }

  /** The next slice of deletions, for a batch of its own when nobody writes. */
  sweep(): readonly KeyValueOperation[] {
    return this.#snapshots.sweep(SWEEP_KEYS_MAX);
  }

  /** For a database that wants to be told where room has become free; each range once. */
  takeSwept(): readonly KeyRange[] {
    return this.#snapshots.takeSwept();
  }

  /**
   * The entry on disk whose position `plan` has to be told, or null: that of a snapshot, or of a
   * cut, that is older than what is kept here.
   */
  missingPosition({ snapshot }: PersistRequest): LogIndex | null {
    const index = indexOf(snapshot);
    if (index === null || index >= must(this.#positions[0]).index) return null;
    const pointer = this.#snapshots.pointer;
    const isKnown = index <= this.#snapshots.logStart.index || index === pointer?.snapshot.index;
    return isKnown ? null : index;
  }

  /** Before anything else: what was read may never have been synced. */
  startSteps(incarnation: string): readonly PersistStep[] {
    return [
      { type: "batch", operations: [formatOperation(incarnation)] },
      { type: "mark", position: this.last },
    ];
  }

  /**
   * What a request comes down to, in the order in which it has to reach the disk. `found` is what
   * `missingPosition` asked for.
   */
  plan(request: PersistRequest, found: LogPosition | null = null): readonly PersistStep[] {
    assert(request.write > this.#write, () => `write ${request.write} after ${this.#write}`);
    this.#write = request.write;
    const { hardState, snapshot } = request;
    if (hardState !== null) this.#takeHardState(hardState);
    const draft: Draft = { lowerMark: null, operations: [], last: null, isMarkSynced: false };
    // No mark is ahead of these, whatever the request does.
    const base = must(this.#positions[0]);
    const lastBefore = this.last.index;
    if (request.entries.length > 0) this.#takeEntries(request, draft);
    if (snapshot !== null) this.#takeSnapshot(snapshot, draft, found, base, lastBefore);
    this.#forgetCommitted();
    if (draft.operations.length > 0) draft.operations.push(...this.sweep());
    return stepsOf(hardState, draft, this.last);
  }

  #takeHardState(next: HardState): void {
    const { term, vote } = this.#hardState;
    assert(
      next.term > term || (next.term === term && (vote === null || vote === next.vote)),
      () => `term ${next.term} vote ${next.vote} after term ${term} vote ${vote}`,
    );
    this.#hardState = next;
  }

  #takeEntries(request: PersistRequest, draft: Draft): void {
    const first = must(request.entries[0]);
    const lastBefore = this.last.index;
    assert(
      first.index > this.#commitIndex && first.index <= lastBefore + 1,
      () => `entry ${first.index} in a log with ${this.#commitIndex} committed of ${lastBefore}`,
    );
    this.#positions.length -= lastBefore + 1 - first.index;
    if (this.last.index < lastBefore) draft.lowerMark = this.last;
    this.#append(request, draft.operations);
    const last = this.last;
    assert(
      request.commitIndex <= last.index,
      () => `commit index ${request.commitIndex} past the last entry ${last.index}`,
    );
    this.#commitIndex = Math.max(this.#commitIndex, request.commitIndex);
    deleteEntries(last.index + 1, lastBefore, draft.operations);
    draft.last = last;
  }

  #append(request: PersistRequest, operations: KeyValueOperation[]): void {
    const commitIndex = Math.max(this.#commitIndex, request.commitIndex);
    for (const entry of request.entries) {
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
      operations.push({ type: "put", key, value });
    }
  }

  #takeSnapshot(
    write: SnapshotWrite,
    draft: Draft,
    found: LogPosition | null,
    base: LogPosition,
    lastBefore: LogIndex,
  ): void {
    switch (write.type) {
      case "stage":
        draft.operations.push(...this.#snapshots.stage(write));
        return;
      case "switch":
        if (this.#snapshots.isCurrent(write.snapshot)) return;
        if (write.chain === null) draft.operations.push(this.#switchToOwn(write, found));
        else {
          // The mark may be anywhere in a log that reaches past the snapshot. `base` stands before
          // the snapshot: it is right as long as the old log is there, and a start ignores it as
          // soon as the log begins behind it. A mark in a log that ends before the snapshot is both
          // already.
          if (lastBefore >= write.snapshot.index) draft.lowerMark = base;
          this.#install(write, write.chain, draft);
        }
        return;
      case "cut":
        if (write.index <= this.#snapshots.logStart.index) return;
        draft.operations.push(this.#cut(write.index, found));
        return;
      case "drop":
        this.#snapshots.drop(write.id);
        return;
      default:
        unreachable(write);
    }
  }

  #switchToOwn({ snapshot }: Switch, found: LogPosition | null): KeyValueOperation {
    const { term, chain } = this.#positionAt(snapshot.index, found);
    assert(
      term === snapshot.term,
      () => `entry ${snapshot.index} has term ${term}, not the snapshot's`,
    );
    // What is in a snapshot was applied, so it is committed.
    this.#commitIndex = Math.max(this.#commitIndex, snapshot.index);
    return this.#snapshots.switchTo(snapshot, chain, this.#snapshots.logStart);
  }

  #install({ snapshot }: Switch, chain: LogPosition["chain"], draft: Draft): void {
    const { index, term } = snapshot;
    assert(
      index > this.#commitIndex,
      () => `a snapshot at ${index} is installed over a log with ${this.#commitIndex} committed`,
    );
    assert(
      term <= this.#hardState.term,
      () => `a snapshot of term ${term} in term ${this.#hardState.term}`,
    );
    const last = this.last.index;
    const own = this.#positions[index - must(this.#positions[0]).index];
    // §7: "If existing log entry has same index and term as snapshot's last included entry, retain
    // log entries following it". They may be acknowledged.
    assert(
      own?.chain !== chain || last === index,
      () => `the snapshot at ${index} fits the log, which goes on to ${last}`,
    );
    deleteEntries(index + 1, last, draft.operations);
    this.#snapshots.sweepEntries(this.#snapshots.logStart.index + 1, Math.min(last, index));
    const start = { index, term, chain };
    draft.operations.push(this.#snapshots.switchTo(snapshot, chain, start));
    this.#positions = [start];
    this.#commitIndex = index;
    draft.last = start;
    draft.isMarkSynced = true;
  }

  #cut(index: LogIndex, found: LogPosition | null): KeyValueOperation {
    const current = must(this.#snapshots.pointer, "a cut without a snapshot").snapshot;
    assert(index <= current.index, () => `a cut at ${index} behind the snapshot ${current.index}`);
    return this.#snapshots.cut(this.#positionAt(index, found));
  }

  #positionAt(index: LogIndex, found: LogPosition | null): LogPosition {
    const { logStart, pointer } = this.#snapshots;
    if (index === logStart.index) return logStart;
    if (index === pointer?.snapshot.index) {
      return { index, term: pointer.snapshot.term, chain: pointer.chain };
    }
    const kept = this.#positions[index - must(this.#positions[0]).index];
    const position = kept ?? found;
    assert(position?.index === index, () => `there is no entry ${index} on disk`);
    return position;
  }

  #forgetCommitted(): void {
    const count = this.#commitIndex - must(this.#positions[0]).index;
    if (count > 0) this.#positions.splice(0, count);
  }
}

function stepsOf(
  hardState: HardState | null,
  { lowerMark, operations, last, isMarkSynced }: Draft,
  end: LogPosition,
): readonly PersistStep[] {
  const steps: PersistStep[] = [];
  if (hardState !== null) steps.push({ type: "vote", hardState });
  if (lowerMark !== null) steps.push({ type: "mark", position: lowerMark });
  if (operations.length > 0) steps.push({ type: "batch", operations });
  // With a vote alone, too: it tells of that as well.
  const marked = last ?? (hardState === null ? null : end);
  if (marked !== null) steps.push({ type: isMarkSynced ? "mark" : "raiseMark", position: marked });
  return steps;
}

/** The entry in the log that the write refers to. */
function indexOf(write: SnapshotWrite | null): LogIndex | null {
  if (write?.type === "cut") return write.index;
  return write?.type === "switch" && write.chain === null ? write.snapshot.index : null;
}

function deleteEntries(first: LogIndex, last: LogIndex, operations: KeyValueOperation[]): void {
  for (let index = first; index <= last; index += 1) {
    operations.push({ type: "del", key: entryKey(index) });
  }
}
