import type { Raft } from "../raft/raft.ts";
import type { Ready } from "../raft/ready.ts";
import { idOf, type Received } from "../raft/snapshot.ts";
import type { LogIndex, Snapshot, SnapshotId } from "../raft/types.ts";
import { RegistryBuilder } from "../registry/builder.ts";
import type { Registry } from "../registry/registry.ts";
import type { RegistryLimits } from "../registry/state.ts";
import { assert, must, unreachable } from "../util/assert.ts";
import type { Emit } from "./connections.ts";
import type { ChunkRead } from "./inputs.ts";
import type { SnapshotCodec } from "./snapshot-codec.ts";
import { type SnapshotLimits, SnapshotTaker } from "./snapshot-taker.ts";

interface Parts {
  readonly raft: Raft;
  readonly registry: Registry;
  readonly codec: SnapshotCodec;
  readonly limits: SnapshotLimits;
  readonly registryLimits: Partial<RegistryLimits>;
  /** An integer in [0, bound). */
  readonly random: (bound: number) => number;
  readonly emit: Emit;
  /** The last index at which a majority had this member's state. */
  readonly agreedIndex: () => LogIndex;
}

/** A snapshot that is being sent is not replaced until the log has grown this many times as large. */
const PATIENCE = 4;
/** About what an entry takes beside its data. */
const ENTRY_HEAD_BYTES = 64;

/** The snapshots of one member: those that it takes, sends and receives. */
export class Snapshots {
  readonly #parts: Parts;
  readonly #taker: SnapshotTaker;
  /** What was current when the one that is being taken was begun. */
  #former: SnapshotId | null = null;
  /** Makes a state of the chunks that are received; null where none is. */
  #builder: RegistryBuilder | null = null;
  #isOverdueTold = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    const { raft, registry, codec, limits, random, agreedIndex } = parts;
    const write = raft.writeSnapshot.bind(raft);
    const stateBytes = raft.snapshot?.bytes ?? 0;
    const shared = { registry, codec, limits, random, write, agreedIndex };
    this.#taker = new SnapshotTaker(shared, stateBytes);
  }

  /** An entry with so much data. */
  applied(bytes: number): void {
    this.#taker.applied(bytes + ENTRY_HEAD_BYTES);
  }

  /** Of the snapshot that is all written and waits for a majority to agree; 0 where none does. */
  get waitingIndex(): LogIndex {
    return this.#taker.waitingIndex;
  }

  /** On its way to the disk: one that is taken, or received. */
  get isUnderWay(): boolean {
    return this.#taker.isTaking || this.#parts.raft.isInstalling;
  }

  /** Everything up to the checkpoint `lastApplied` is applied: takes a snapshot, where it is due. */
  checkpoint(lastApplied: LogIndex): void {
    const { raft, registry } = this.#parts;
    this.#tellOverdue();
    if (!this.#taker.isDue(1) || raft.isInstalling || lastApplied <= (raft.snapshot?.index ?? 0)) {
      return;
    }
    // A backup is being read. It ends within `BACKUP_MS_MAX`; the next checkpoint will do.
    if (registry.isFrozen) {
      return;
    }
    const isSending = raft.progress().some(({ snapshot }) => snapshot !== null);
    if (isSending && !this.#taker.isDue(PATIENCE)) {
      return;
    }
    this.#former = raft.snapshot === null ? null : idOf(raft.snapshot);
    const term = must(raft.log.termAt(lastApplied), "what was just applied is in the log");
    this.#taker.begin({ index: lastApplied, term, conf: raft.confAt(lastApplied) });
  }

  /** What waits for a majority becomes current where there is one. */
  switchWhenAgreed(): void {
    this.#taker.switchWhenAgreed();
  }

  /** Returns the state that this member's is to become, where a snapshot was installed. */
  received(received: readonly Received[]): { snapshot: Snapshot; state: Registry } | null {
    let installed: { snapshot: Snapshot; state: Registry } | null = null;
    for (const item of received) {
      switch (item.type) {
        case "chunk":
          this.#chunk(item.chunk, item.data);
          break;
        case "installed":
          installed = { snapshot: item.snapshot, state: this.#finish(item.snapshot) };
          break;
        case "abandoned":
          this.#builder = null;
          break;
        default:
          unreachable(item);
      }
    }
    return installed;
  }

  /** What Raft has to say of the disk. */
  written({ snapshotWritten, chunkRequests }: Ready): void {
    const { raft, emit } = this.#parts;
    for (const write of snapshotWritten) {
      const taken = this.#taker.written(write);
      if (taken !== null) {
        this.#letGo(taken);
      } else if (write.type === "switch") {
        // It was given up for one that came while this write was on its way, and is current now.
        this.#dropFormer(write.snapshot);
      }
    }
    for (const request of chunkRequests) {
      emit({ type: "readChunk", request });
    }
    assert(!(raft.isInstalling && this.#taker.isTaking), "a member takes or receives a snapshot");
  }

  chunkRead({ request, chunk }: ChunkRead): void {
    const { raft } = this.#parts;
    if (chunk === null) {
      raft.chunkMissing(request);
    } else {
      raft.chunkLoaded({ ...request, data: chunk.data, chain: chunk.chain });
    }
  }

  /** While one waits no other is begun, and the log grows: once for each is enough. */
  #tellOverdue(): void {
    const { isOverdue, waitingIndex: index } = this.#taker;
    if (isOverdue && !this.#isOverdueTold) {
      this.#parts.emit({ type: "notice", notice: { type: "snapshotWaits", index } });
    }
    this.#isOverdueTold = isOverdue;
  }

  /** `snapshot` is on disk: what only the former one needed goes, but for a tail of the log. */
  #letGo(snapshot: Snapshot): void {
    const { raft, emit } = this.#parts;
    this.#dropFormer(snapshot);
    raft.compact(this.#cutIndex(snapshot.index));
    const { index, bytes } = snapshot;
    emit({ type: "notice", notice: { type: "snapshot", how: "taken", index, bytes } });
  }

  #dropFormer(current: Snapshot): void {
    if (this.#former !== null) {
      this.#parts.raft.writeSnapshot({ type: "drop", id: this.#former });
    }
    this.#former = this.#taker.isTaking ? idOf(current) : null;
  }

  /** As low as the tail reaches, or as a peer needs where that costs no more than it may. */
  #cutIndex(snapshotIndex: LogIndex): LogIndex {
    const { raft, limits } = this.#parts;
    const { log } = raft;
    const needed = raft.retainIndex();
    let bytes = 0;
    let index = snapshotIndex;
    while (index >= log.firstIndex) {
      bytes += must(log.entryAt(index)).data.byteLength + ENTRY_HEAD_BYTES;
      const isKept =
        bytes <= limits.tailBytes ||
        (index >= needed && bytes <= limits.tailBytes + limits.laggardBytesMax);
      if (!isKept) {
        break;
      }
      index -= 1;
    }
    return index;
  }

  #chunk(chunk: number, data: Uint8Array): void {
    if (chunk === 0) {
      this.#taker.abandon();
      this.#builder = new RegistryBuilder(this.#parts.registryLimits);
    }
    const builder = must(this.#builder, "a snapshot is received from its first chunk on");
    for (const item of this.#parts.codec.decodeChunk(data)) {
      builder.add(item);
    }
  }

  #finish(snapshot: Snapshot): Registry {
    const builder = must(this.#builder, "what is installed was received");
    this.#builder = null;
    this.#taker.installed(snapshot);
    return builder.finish(snapshot.digest);
  }
}
