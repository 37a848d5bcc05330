import type { Snapshot } from "../raft/types.ts";
import type { Damage } from "./damage.ts";
import { chunkOfKey, decodeChunk } from "./snapshot-layout.ts";

/** Judges the chunks of the current snapshot, record by record in the order of their keys. */
export class SnapshotVerifier {
  readonly #snapshot: Snapshot;
  #next = 0;
  #bytes = 0;
  #damage: Damage | null = null;

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot;
  }

  /** The data of the chunk, or null once there is damage. */
  take(key: Uint8Array, value: Uint8Array): Uint8Array | null {
    if (this.#damage !== null) return null;
    const found = chunkOfKey(key);
    if (found === null) {
      this.#damage = { what: "strangeKey", key: Buffer.from(key).toString("hex") };
      return null;
    }
    if (found.chunk !== this.#next) {
      this.#damage = { what: "chunkMissing", id: this.#id(), chunk: this.#next };
      return null;
    }
    const data = decodeChunk(key, value);
    if (data === null) {
      this.#damage = { what: "chunkChecksum", id: this.#id(), chunk: this.#next };
      return null;
    }
    this.#next += 1;
    this.#bytes += data.length;
    return data;
  }

  /** After the last record. */
  finish(): Damage | null {
    if (this.#damage !== null) return this.#damage;
    const { chunks, bytes } = this.#snapshot;
    if (this.#next < chunks) return { what: "chunkMissing", id: this.#id(), chunk: this.#next };
    if (this.#bytes === bytes) return null;
    return { what: "snapshotBytes", id: this.#id(), bytes: this.#bytes, expected: bytes };
  }

  #id(): { index: number; nonce: number } {
    const { index, nonce } = this.#snapshot;
    return { index, nonce };
  }
}
