import { confOf } from "../../src/raft/conf-state.ts";
import type { Entry, HardState, LogIndex, PersistRequest } from "../../src/raft/types.ts";
import type { Restored } from "../../src/replica/inputs.ts";
import type { Prng } from "./prng.ts";

/** What one node has made durable. A crash keeps a legal part of the write that was on its way. */
export class SimDisk {
  #hardState: HardState = { term: 0, vote: null };
  readonly #entries: Entry[] = [];
  #commitIndex: LogIndex = 0;
  #inFlight: PersistRequest | null = null;

  get hardState(): HardState {
    return this.#hardState;
  }

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  entry(index: LogIndex): Entry | undefined {
    return this.#entries[index - 1];
  }

  begin(request: PersistRequest): void {
    this.#inFlight = request;
  }

  /** Returns false where a crash came between. */
  complete(request: PersistRequest): boolean {
    if (this.#inFlight !== request) {
      return false;
    }
    this.#inFlight = null;
    this.#keepHardState(request);
    this.#keepEntries(request);
    return true;
  }

  /** Term and vote are written before the batch of entries, and the batch is atomic. */
  crash(prng: Prng): void {
    const request = this.#inFlight;
    this.#inFlight = null;
    if (request === null) {
      return;
    }
    const kept = prng.below(3);
    if (kept >= 1) {
      this.#keepHardState(request);
    }
    if (kept === 2) {
      this.#keepEntries(request);
    }
  }

  restored(voters: readonly string[]): Restored {
    return {
      hardState: this.#hardState,
      snapshot: {
        index: 0,
        term: 0,
        conf: confOf(voters.map((id) => ({ id, name: id, address: "" }))),
      },
      entries: [...this.#entries],
      commitIndex: this.#commitIndex,
    };
  }

  #keepHardState(request: PersistRequest): void {
    this.#hardState = request.hardState ?? this.#hardState;
  }

  #keepEntries(request: PersistRequest): void {
    const first = request.entries[0];
    if (first !== undefined) {
      this.#entries.length = first.index - 1;
      this.#entries.push(...request.entries);
    }
    this.#commitIndex = request.commitIndex;
  }
}
