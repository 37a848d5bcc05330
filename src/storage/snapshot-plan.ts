import type { LogIndex, Snapshot, SnapshotId, SnapshotWrite } from "../raft/types.ts";
import { assert, must } from "../util/assert.ts";
import type { KeyRange, KeyValueOperation } from "./key-value-store.ts";
import { type Chain, LOG_START, type LogPosition } from "./layout.ts";
import { encodeChunk, encodePointer, isSameSnapshot, type Pointer } from "./snapshot-layout.ts";
import { type Leftover, Sweep } from "./sweep.ts";

/** A snapshot of which all chunks are there. */
export interface CompleteSnapshot {
  readonly snapshot: Snapshot;
  readonly chain: Chain;
}

interface StagedSnapshot {
  readonly id: SnapshotId;
  /** The chunk that comes next. */
  next: number;
  /** The sum of the chunks before `next`. */
  bytes: number;
  /** Chunks from here on are not on disk, those before may be: an earlier attempt got that far. */
  end: number;
}

/**
 * Knows the snapshots on disk and turns what is to be done with them into operations of one batch.
 * Pure, like the `PersistPlanner` that owns it.
 *
 * Why a crash never leaves half a snapshot. Chunks are written under the id of a snapshot to which
 * nothing refers yet. The switch is one put, of the pointer, in a batch that is there as a whole or
 * not at all, and comes after the batches with the chunks were synced. So the pointer names either
 * the former snapshot, which is dropped only by a later write, or the new one, all of whose chunks
 * are there. Whatever else a crash leaves under `s` is not named by the pointer, and swept.
 */
export class SnapshotPlanner {
  #pointer: Pointer | null;
  #staged: StagedSnapshot | null = null;
  /** No longer current, not yet dropped: a member may still be being sent one. */
  #former: CompleteSnapshot[] = [];
  readonly #sweep: Sweep;

  constructor(pointer: Pointer | null, leftovers: readonly Leftover[]) {
    this.#pointer = pointer;
    this.#sweep = new Sweep(leftovers);
  }

  get pointer(): Pointer | null {
    return this.#pointer;
  }

  get logStart(): LogPosition {
    return this.#pointer?.logStart ?? LOG_START;
  }

  get hasLeftovers(): boolean {
    return !this.#sweep.isEmpty;
  }

  /** Null for one that is staged, dropped or unknown. */
  find(id: SnapshotId): CompleteSnapshot | null {
    const complete = this.#pointer === null ? this.#former : [this.#pointer, ...this.#former];
    return complete.find(({ snapshot }) => isSameSnapshot(snapshot, id)) ?? null;
  }

  /** Whether it is current already: a switch that is told twice changes nothing. */
  isCurrent(id: SnapshotId): boolean {
    return this.#pointer !== null && isSameSnapshot(this.#pointer.snapshot, id);
  }

  /** The next deletions of what is left over, at most `count`. */
  sweep(count: number): KeyValueOperation[] {
    return this.#sweep.take(count);
  }

  /** Ranges in which nothing is left; told once, when the batch with the last deletion is on disk. */
  takeSwept(): KeyRange[] {
    return this.#sweep.takeSwept();
  }

  stage({ id, first, chunks }: SnapshotWrite & { type: "stage" }): KeyValueOperation[] {
    assert(this.find(id) === null, () => `staged again although it is complete: ${text(id)}`);
    if (first === 0) this.#startStaging(id);
    const staged = this.#staged;
    assert(
      staged !== null && isSameSnapshot(staged.id, id) && first === staged.next,
      () => `chunk ${first} of ${text(id)} when ${JSON.stringify(staged)} is staged`,
    );
    return chunks.map((data) => {
      const operation = encodeChunk(id, staged.next, data);
      staged.next += 1;
      staged.bytes += data.length;
      staged.end = Math.max(staged.end, staged.next);
      return operation;
    });
  }

  /** The staged snapshot becomes the current one; the log starts behind `logStart` from now on. */
  switchTo(snapshot: Snapshot, chain: Chain, logStart: LogPosition): KeyValueOperation {
    const staged = this.#staged;
    assert(
      staged !== null &&
        isSameSnapshot(staged.id, snapshot) &&
        staged.next === snapshot.chunks &&
        staged.bytes === snapshot.bytes &&
        snapshot.chunks > 0,
      () => `${JSON.stringify(snapshot)} when ${JSON.stringify(staged)} is staged`,
    );
    const former = this.#pointer;
    assert(
      former === null || former.snapshot.index <= snapshot.index,
      () => `${text(snapshot)} after ${text(must(former).snapshot)}`,
    );
    this.#staged = null;
    this.#sweepChunks(snapshot, snapshot.chunks, staged.end);
    if (former !== null) this.#former.push(former);
    return this.#point({ snapshot, chain, logStart });
  }

  /** The log starts behind `position` from now on. */
  cut(position: LogPosition): KeyValueOperation {
    const { snapshot, chain, logStart } = must(this.#pointer, "a cut without a snapshot");
    this.sweepEntries(logStart.index + 1, position.index);
    return this.#point({ snapshot, chain, logStart: position });
  }

  drop(id: SnapshotId): void {
    assert(!this.isCurrent(id), () => `the current snapshot is dropped: ${text(id)}`);
    if (this.#staged !== null && isSameSnapshot(this.#staged.id, id)) this.#letGoOfStaged();
    const former = this.#former.find(({ snapshot }) => isSameSnapshot(snapshot, id));
    if (former === undefined) return;
    this.#former = this.#former.filter((each) => each !== former);
    this.#sweepChunks(id, 0, former.snapshot.chunks);
  }

  /** Entries that the log does not start before any more. */
  sweepEntries(first: LogIndex, last: LogIndex): void {
    this.#sweep.add({ type: "entries", first, last });
  }

  #startStaging(id: SnapshotId): void {
    this.#letGoOfStaged();
    // A leader that sends the snapshot again from its start: those chunks are written once more,
    // and must not be deleted behind it.
    this.#staged = { id, next: 0, bytes: 0, end: this.#sweep.spare(id) };
  }

  #letGoOfStaged(): void {
    if (this.#staged !== null) this.#sweepChunks(this.#staged.id, 0, this.#staged.end);
    this.#staged = null;
  }

  #sweepChunks(id: SnapshotId, first: number, end: number): void {
    const { index, nonce } = id;
    this.#sweep.add({ type: "chunks", id: { index, nonce }, first, last: end - 1 });
  }

  #point(pointer: Pointer): KeyValueOperation {
    this.#pointer = pointer;
    return encodePointer(pointer);
  }
}

function text({ index, nonce }: SnapshotId): string {
  return `snapshot ${index}/${nonce}`;
}
