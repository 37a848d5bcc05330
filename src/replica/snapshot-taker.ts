import {
  LOG_LAGGARD_BYTES_MAX,
  LOG_TAIL_BYTES,
  SNAPSHOT_CHUNK_BYTES,
  SNAPSHOT_LOG_BYTES_MIN,
} from "../limits.ts";
import type { LogIndex, Snapshot, SnapshotId, SnapshotMeta, SnapshotWrite } from "../raft/types.ts";
import type { FrozenRegistry } from "../registry/freeze.ts";
import type { Registry } from "../registry/registry.ts";
import type { RegistryItem } from "../registry/snapshot.ts";
import { assert, unreachable } from "../util/assert.ts";
import { nextChunk } from "./chunks.ts";
import type { SnapshotCodec } from "./snapshot-codec.ts";

export interface SnapshotLimits {
  /** Bytes of log since the last snapshot before which none is taken. */
  readonly logBytesMin: number;
  /** Bytes of entries before the snapshot that stay, for followers that are a little behind. */
  readonly tailBytes: number;
  /** Bytes beyond the tail that stay for a peer which still needs them. */
  readonly laggardBytesMax: number;
  /** A chunk is closed when it holds as much. */
  readonly chunkBytes: number;
}

export const SNAPSHOT_LIMITS: SnapshotLimits = {
  logBytesMin: SNAPSHOT_LOG_BYTES_MIN,
  tailBytes: LOG_TAIL_BYTES,
  laggardBytesMax: LOG_LAGGARD_BYTES_MAX,
  chunkBytes: SNAPSHOT_CHUNK_BYTES,
};

interface Parts {
  readonly registry: Registry;
  readonly codec: SnapshotCodec;
  readonly limits: SnapshotLimits;
  /** An integer in [0, bound). */
  readonly random: (bound: number) => number;
  /** Queues it for the disk; `written` tells when it is there. False: it cannot be finished. */
  readonly write: (write: SnapshotWrite) => boolean;
  /** The last index at which a majority had this member's state. */
  readonly agreedIndex: () => LogIndex;
}

interface Taking {
  readonly meta: SnapshotMeta;
  readonly id: SnapshotId;
  readonly digest: string;
  /** Null once everything was given out. */
  source: { readonly view: FrozenRegistry; readonly items: Iterator<RegistryItem, void> } | null;
  chunks: number;
  bytes: number;
  /** All chunks are on disk; `switch` has not been written. */
  isWaiting: boolean;
}

const NONCE_BOUND = 2 ** 48;

/**
 * Takes snapshots of the state machine: one chunk is made and written at a time, each when the one
 * before is on disk, so that neither the loop nor the disk is held up, and the state goes on.
 *
 * A snapshot is what a restart, and a member that was left behind, go on from instead of the log;
 * were it of a wrong state, nothing right would be left. So it is begun at a checkpoint, and becomes
 * the current one when a majority has agreed on the state there or further on. Until then it waits
 * on the disk, without a view in memory, and the log stays.
 */
export class SnapshotTaker {
  readonly #parts: Parts;
  #taking: Taking | null = null;
  /** Of the last snapshot, taken or received: the next one is due when the log outgrows it. */
  #stateBytes: number;
  /** Of the entries applied since its index. */
  #logBytes = 0;

  constructor(parts: Parts, stateBytes: number) {
    this.#parts = parts;
    this.#stateBytes = stateBytes;
  }

  get isTaking(): boolean {
    return this.#taking !== null;
  }

  /** Of the snapshot that waits for an agreement; 0 where none does. */
  get waitingIndex(): LogIndex {
    return this.#taking?.isWaiting === true ? this.#taking.meta.index : 0;
  }

  /** Another one would be due by now. */
  get isOverdue(): boolean {
    return this.waitingIndex > 0 && this.#isOutgrown(1);
  }

  /** The log has outgrown both the least and the state, `times` over: its cost is amortised. */
  isDue(times: number): boolean {
    return this.#taking === null && this.#isOutgrown(times);
  }

  applied(bytes: number): void {
    this.#logBytes += bytes;
  }

  /** Of the state as it is now: everything up to `meta.index` applied, nothing behind it. */
  begin(meta: SnapshotMeta): void {
    assert(this.#taking === null, "one snapshot is taken at a time");
    const view = this.#parts.registry.freeze();
    const id = { index: meta.index, nonce: this.#parts.random(NONCE_BOUND) };
    const source = { view, items: view.items() };
    const { digest } = view;
    this.#taking = { meta, id, digest, source, chunks: 0, bytes: 0, isWaiting: false };
    this.#logBytes = 0;
    this.#writeNext(this.#taking);
  }

  /** A write is on disk. Returns the snapshot that this made current, if it did. */
  written(write: SnapshotWrite): Snapshot | null {
    const taking = this.#taking;
    if (taking === null) {
      return null;
    }
    switch (write.type) {
      case "stage":
        if (isSame(write.id, taking.id)) {
          this.#writeNext(taking);
        }
        return null;
      case "switch":
        if (!isSame(write.snapshot, taking.id)) {
          return null;
        }
        this.#taking = null;
        this.#stateBytes = taking.bytes;
        return write.snapshot;
      case "cut":
      case "drop":
        return null;
      default:
        return unreachable(write);
    }
  }

  /** What waits becomes the current snapshot, where a majority has come to agree. */
  switchWhenAgreed(): void {
    const taking = this.#taking;
    if (taking?.isWaiting !== true || this.#parts.agreedIndex() < taking.meta.index) {
      return;
    }
    taking.isWaiting = false;
    const { meta, id, digest, chunks, bytes } = taking;
    const snapshot: Snapshot = { ...meta, nonce: id.nonce, chunks, bytes, digest };
    this.#write({ type: "switch", snapshot, chain: null });
  }

  /** The state was replaced by a snapshot that was received. */
  installed(snapshot: Snapshot): void {
    this.abandon();
    this.#stateBytes = snapshot.bytes;
    this.#logBytes = 0;
  }

  /** Another snapshot is on its way in; what was staged of this one is let go with its first chunk. */
  abandon(): void {
    this.#taking?.source?.view.release();
    this.#taking = null;
  }

  #writeNext(taking: Taking): void {
    const chunk = this.#chunk(taking);
    if (chunk !== null) {
      const first = taking.chunks;
      taking.chunks += 1;
      taking.bytes += chunk.length;
      this.#write({ type: "stage", id: taking.id, first, chunks: [chunk] });
      return;
    }
    taking.isWaiting = true;
    this.switchWhenAgreed();
  }

  #isOutgrown(times: number): boolean {
    const threshold = Math.max(this.#parts.limits.logBytesMin, this.#stateBytes);
    return this.#logBytes > threshold * times;
  }

  #write(write: SnapshotWrite): void {
    if (!this.#parts.write(write)) {
      this.abandon();
    }
  }

  /** Null where everything was given out. */
  #chunk(taking: Taking): Uint8Array | null {
    if (taking.source === null) {
      return null;
    }
    const { codec, limits } = this.#parts;
    const { view, items } = taking.source;
    const { data, isLast } = nextChunk(items, codec, limits.chunkBytes);
    if (isLast) {
      view.release();
      taking.source = null;
    }
    return data;
  }
}

function isSame(left: SnapshotId, right: SnapshotId): boolean {
  return left.index === right.index && left.nonce === right.nonce;
}
