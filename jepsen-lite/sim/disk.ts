import { confOf } from "../../src/raft/conf-state.ts";
import type { ChunkRequest } from "../../src/raft/snapshot.ts";
import type {
  ConfMember,
  Entry,
  HardState,
  LogIndex,
  PersistRequest,
} from "../../src/raft/types.ts";
import { RegistryBuilder } from "../../src/registry/builder.ts";
import { Registry } from "../../src/registry/registry.ts";
import type { ChunkRead, Restored } from "../../src/replica/inputs.ts";
import { MemoryDisk, type MemoryLog, STEPS } from "../../src/storage/memory-storage.ts";
import { snapshotCodec } from "../../src/wire/snapshot-codec.ts";
import type { Prng } from "./prng.ts";
import { demand } from "./violation.ts";

/**
 * What one node has made durable, in the product's own layout and by its own plans. A crash keeps
 * what a disk may keep of the write that was on its way, step by step.
 */
export class SimDisk {
  readonly #disk: MemoryDisk;
  #log: MemoryLog | null = null;
  #inFlight: PersistRequest | null = null;
  /** As on disk, for the checks: to decode it each time would take longer than the run. */
  #hardState: HardState = { term: 0, vote: null };
  #entries = new Map<LogIndex, Entry>();
  #lastIndex: LogIndex = 0;
  #aside = new Map<LogIndex, Entry>();

  constructor(id: string) {
    this.#disk = new MemoryDisk(id);
  }

  get hardState(): HardState {
    return this.#hardState;
  }

  entry(index: LogIndex): Entry | undefined {
    return this.#entries.get(index);
  }

  /** Which it holds, or set aside and votes as if it held it. */
  vouchedEntry(index: LogIndex): Entry | undefined {
    return this.#entries.get(index) ?? this.#aside.get(index);
  }

  get isReturning(): boolean {
    return this.#disk.lostEnd !== null;
  }

  /** Of a node that is down: it comes back with term and vote only. */
  setAside(): void {
    this.#disk.setAside();
    this.#aside = new Map([...this.#aside, ...this.#entries]);
  }

  returned(): void {
    this.#disk.lostEnd = null;
    this.#aside.clear();
  }

  /** A write with entries is on its way. */
  get isWritingEntries(): boolean {
    return (this.#inFlight?.entries.length ?? 0) > 0;
  }

  begin(request: PersistRequest): void {
    this.#inFlight = request;
  }

  /** Returns false where a crash came between. */
  complete(request: PersistRequest): boolean {
    if (this.#inFlight !== request || this.#log === null) {
      return false;
    }
    this.#inFlight = null;
    this.#log.persist(request);
    this.#hardState = request.hardState ?? this.#hardState;
    this.#keepEntries(request);
    return true;
  }

  readChunk(request: ChunkRequest): ChunkRead {
    demand(this.#log !== null, () => "a node that is down reads");
    return { request, chunk: this.#log.readChunk(request.id, request.chunk) };
  }

  /** A real node sweeps when nobody writes. */
  sweep(): void {
    if (this.#log?.hasLeftovers === true && this.#inFlight === null) {
      this.#log.sweep();
    }
  }

  crash(prng: Prng): void {
    const request = this.#inFlight;
    this.#inFlight = null;
    if (request !== null) {
      this.#log?.persist(request, prng.pick(STEPS));
    }
    this.#log = null;
    if (prng.chance(500)) {
      this.#disk.loseUnsynced();
    }
  }

  /** A start of the node. */
  restored(voters: readonly string[]): Restored {
    const { loaded, log } = this.#disk.open();
    this.#log = log;
    const { hardState, snapshot, entries } = loaded;
    this.#hardState = hardState;
    this.#entries = new Map(entries.map((entry) => [entry.index, entry]));
    this.#lastIndex = entries.at(-1)?.index ?? loaded.logStart.index;
    const builder = new RegistryBuilder();
    for (const chunk of log.chunks()) {
      for (const item of snapshotCodec.decodeChunk(chunk)) {
        builder.add(item);
      }
    }
    return {
      ...loaded,
      lostEnd: this.#disk.lostEnd,
      snapshot: snapshot ?? { index: 0, term: 0, conf: confOf(voters.map(memberOf)) },
      registry: snapshot === null ? new Registry() : builder.finish(snapshot.digest),
    };
  }

  #keepEntries(request: PersistRequest): void {
    const first = request.entries[0];
    if (first !== undefined) {
      this.#forget(first.index);
      for (const entry of request.entries) {
        this.#entries.set(entry.index, entry);
      }
      this.#lastIndex = first.index + request.entries.length - 1;
    }
    if (request.snapshot?.type === "switch" && request.snapshot.chain !== null) {
      this.#entries.clear();
      this.#lastIndex = request.snapshot.snapshot.index;
    }
  }

  #forget(from: LogIndex): void {
    for (let index = from; index <= this.#lastIndex; index += 1) {
      this.#entries.delete(index);
    }
  }
}

function memberOf(id: string): ConfMember {
  return { id, name: id, address: "" };
}
