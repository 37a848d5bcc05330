import type { Received } from "../../src/raft/snapshot.ts";
import { isSameId } from "../../src/raft/snapshot.ts";
import type { Entry, LogIndex, Snapshot } from "../../src/raft/types.ts";

/** Of a log that hashes to `before` and then has this entry. */
export function hashOf(before: number, { term, kind, data }: Entry): number {
  let hash = Math.imul(before ^ term, 0x01000193) ^ kind.length;
  for (const byte of data) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/** A state that tells all that was ever applied: the hash of it. */
export class StateMachine {
  index: LogIndex = 0;
  hash = 0;
  /** Of a snapshot that is being received, so far. */
  #building: { readonly snapshot: Snapshot; readonly chunks: Uint8Array[] } | null = null;

  apply(entry: Entry): void {
    if (entry.index !== this.index + 1) throw new Error(`${entry.index} after ${this.index}`);
    this.index = entry.index;
    this.hash = hashOf(this.hash, entry);
  }

  /** Each chunk says which it is. */
  chunks(snapshot: Pick<Snapshot, "nonce" | "chunks">): Uint8Array[] {
    const { nonce, chunks } = snapshot;
    return Array.from({ length: chunks }, (_, chunk) =>
      Buffer.from(JSON.stringify([this.index, this.hash, nonce, chunk])),
    );
  }

  restore(snapshot: Snapshot, chunks: readonly Uint8Array[]): void {
    if (chunks.length !== snapshot.chunks) throw new Error("a snapshot in parts");
    chunks.forEach((bytes, at) => {
      const [index, hash, nonce, chunk] = JSON.parse(Buffer.from(bytes).toString()) as number[];
      if (index !== snapshot.index || nonce !== snapshot.nonce || chunk !== at) {
        throw new Error(`chunk ${chunk} of ${index}#${nonce} in ${snapshot.index}`);
      }
      this.index = index;
      this.hash = hash ?? -1;
    });
  }

  received(event: Received): void {
    const building = this.#building;
    if (event.type === "chunk") {
      if (event.chunk === 0) this.#building = { snapshot: event.snapshot, chunks: [event.data] };
      else if (building === null || !isSameId(building.snapshot, event.snapshot)) {
        throw new Error(`chunk ${event.chunk} of a snapshot that did not begin`);
      } else if (event.chunk !== building.chunks.push(event.data) - 1) {
        throw new Error(`chunk ${event.chunk} at the place of ${building.chunks.length - 1}`);
      }
      return;
    }
    if (building === null || !isSameId(building.snapshot, event.snapshot)) {
      throw new Error(`${event.type}: another snapshot than the one received`);
    }
    this.#building = null;
    if (event.type === "abandoned") return;
    if (event.snapshot.index <= this.index) throw new Error("a step back of the state machine");
    this.restore(event.snapshot, building.chunks);
  }
}
