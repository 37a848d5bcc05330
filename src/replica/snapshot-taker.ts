import {
  LOG_LAGGARD_BYTES_MAX,
  LOG_TAIL_BYTES,
  SNAPSHOT_CHUNK_BYTES,
  SNAPSHOT_LOG_BYTES_MIN,
} from "../limits.ts";
import type { Snapshot, SnapshotId, SnapshotMeta, SnapshotWrite } from "../raft/types.ts";
import type { FrozenRegistry } from "../registry/freeze.ts";
import type { Registry } from "../registry/registry.ts";
import type { RegistryItem } from "../registry/snapshot.ts";
import { assert, unreachable } from "../util/assert.ts";
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
}

interface Taking {
  readonly meta: SnapshotMeta;
  readonly id: SnapshotId;
  readonly view: FrozenRegistry;
  readonly items: Iterator<RegistryItem, void>;
  chunks: number;
  bytes: number;
  isDrained: boolean;
}

const NONCE_BOUND = 2 ** 48;

/**
 * Takes snapshots of the state machine: one chunk is made and written at a time, each when the one
 * before is on disk, so that neither the loop nor the disk is held up, and the state goes on.
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

  /** The log has outgrown both the least and the state, `times` over: its cost is amortised. */
  isDue(times: number): boolean {
    const threshold = Math.max(this.#parts.limits.logBytesMin, this.#stateBytes);
    return this.#taking === null && this.#logBytes > threshold * times;
  }

  applied(bytes: number): void {
    this.#logBytes += bytes;
  }

  /** Of the state as it is now: everything up to `meta.index` applied, nothing behind it. */
  begin(meta: SnapshotMeta): void {
    assert(this.#taking === null, "one snapshot is taken at a time");
    const view = this.#parts.registry.freeze();
    const id = { index: meta.index, nonce: this.#parts.random(NONCE_BOUND) };
    const items = view.items();
    this.#taking = { meta, id, view, items, chunks: 0, bytes: 0, isDrained: false };
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

  /** The state was replaced by a snapshot that was received. */
  installed(snapshot: Snapshot): void {
    this.abandon();
    this.#stateBytes = snapshot.bytes;
    this.#logBytes = 0;
  }

  /** Another snapshot is on its way in; what was staged of this one is let go with its first chunk. */
  abandon(): void {
    this.#taking?.view.release();
    this.#taking = null;
  }

  #writeNext(taking: Taking): void {
    if (!taking.isDrained) {
      const chunk = this.#chunk(taking);
      if (chunk !== null) {
        const first = taking.chunks;
        taking.chunks += 1;
        taking.bytes += chunk.length;
        this.#write({ type: "stage", id: taking.id, first, chunks: [chunk] });
        return;
      }
    }
    const { meta, id, view, chunks, bytes } = taking;
    const { digest } = view;
    const snapshot: Snapshot = { ...meta, nonce: id.nonce, chunks, bytes, digest };
    this.#write({ type: "switch", snapshot, chain: null });
  }

  #write(write: SnapshotWrite): void {
    if (!this.#parts.write(write)) {
      this.abandon();
    }
  }

  /** Null where everything was given out. */
  #chunk(taking: Taking): Uint8Array | null {
    const { codec, limits } = this.#parts;
    const encoded: Uint8Array[] = [];
    let bytes = 0;
    while (bytes < limits.chunkBytes) {
      const next = taking.items.next();
      if (next.done === true) {
        taking.isDrained = true;
        taking.view.release();
        break;
      }
      const item = codec.encodeItem(next.value);
      encoded.push(item);
      bytes += item.length;
    }
    return encoded.length === 0 ? null : codec.joinItems(encoded);
  }
}

function isSame(left: SnapshotId, right: SnapshotId): boolean {
  return left.index === right.index && left.nonce === right.nonce;
}
