import { confOf } from "../../src/raft/conf-state.ts";
import { isSameId, type LogStart } from "../../src/raft/snapshot.ts";
import type {
  Entry,
  HardState,
  LogEnd,
  LogIndex,
  PersistRequest,
  Snapshot,
  SnapshotId,
  SnapshotWrite,
  Term,
} from "../../src/raft/types.ts";

interface StoredSnapshot {
  readonly snapshot: Snapshot;
  readonly chunks: readonly Uint8Array[];
}

/** What survives a crash. `entries[i]` has index `logStart.index + 1 + i`. */
export interface Disk {
  hardState: HardState;
  logStart: LogStart;
  entries: Entry[];
  commitIndex: LogIndex;
  current: StoredSnapshot | null;
  /** Not dropped yet. */
  former: StoredSnapshot[];
  staged: { readonly id: SnapshotId; readonly chunks: Uint8Array[] } | null;
  /** Of a member that returns without its log: how that ended, and what was in it. */
  lost: {
    readonly end: LogEnd;
    /** Up to here it had applied and cut off. */
    readonly cutIndex: LogIndex;
    readonly entries: readonly Entry[];
  } | null;
}

export const EMPTY_DISK: Disk = {
  hardState: { term: 0, vote: null },
  logStart: { index: 0, term: 0 },
  entries: [],
  commitIndex: 0,
  current: null,
  former: [],
  staged: null,
  lost: null,
};

export function lastIndexOn(disk: Disk): LogIndex {
  return disk.logStart.index + disk.entries.length;
}

export function entryOn(disk: Disk, index: LogIndex): Entry | undefined {
  return disk.entries[index - disk.logStart.index - 1];
}

/** Of three voters unless said otherwise. */
export function snapshotOf(index: LogIndex, term: Term, rest: Partial<Snapshot> = {}): Snapshot {
  const conf = confOf(["n1", "n2", "n3"].map((id) => ({ id, name: id, address: "" })));
  return { index, term, conf, nonce: index, chunks: 3, bytes: 30, digest: "0".repeat(16), ...rest };
}

/** What the log is known by at that index, as a real disk's chain checksum is. */
export function chainAt({ index, term }: LogStart): string {
  return `chain ${index}@${term}`;
}

/** Carries out what `SnapshotWrite` says, and nothing that it does not say. */
export function store(disk: Disk, request: PersistRequest): void {
  const first = request.entries[0];
  if (first !== undefined) {
    if (first.index <= disk.logStart.index) fail(`entry ${first.index} is before the log`);
    if (first.index > lastIndexOn(disk) + 1) fail(`entry ${first.index} leaves a gap`);
    disk.entries.length = first.index - disk.logStart.index - 1;
    disk.entries.push(...request.entries);
    disk.commitIndex = request.commitIndex;
  }
  if (request.snapshot !== null) storeSnapshot(disk, request.snapshot, first !== undefined);
}

function storeSnapshot(disk: Disk, write: SnapshotWrite, hasEntries: boolean): void {
  switch (write.type) {
    case "stage": {
      if (write.first === 0) disk.staged = { id: write.id, chunks: [] };
      const staged = disk.staged ?? fail("nothing is staged");
      if (!isSameId(staged.id, write.id)) fail("of another snapshot");
      if (staged.chunks.length !== write.first) fail(`chunk ${write.first} leaves a gap`);
      staged.chunks.push(...write.chunks);
      break;
    }
    case "switch": {
      const { snapshot, chain } = write;
      const { current } = disk;
      const staged = disk.staged ?? fail("nothing is staged");
      if (!isSameId(staged.id, snapshot)) fail("not what is staged");
      if (staged.chunks.length !== snapshot.chunks) fail("not all is staged");
      if (current !== null && current.snapshot.index >= snapshot.index) fail("a step back");
      if (chain === null) {
        const { index, term } = snapshot;
        if (entryOn(disk, index)?.term !== term) fail(`the log has no ${index}@${term}`);
      } else {
        if (chain !== chainAt(snapshot)) fail(`chain ${chain} of ${snapshot.index}`);
        if (hasEntries) fail("entries that a switch takes away");
        disk.entries = [];
        disk.logStart = { index: snapshot.index, term: snapshot.term };
      }
      if (current !== null) disk.former.push(current);
      disk.current = { snapshot, chunks: staged.chunks };
      disk.staged = null;
      break;
    }
    case "cut": {
      const { index } = write;
      if (index > (disk.current?.snapshot.index ?? 0)) fail(`cut at ${index} past the snapshot`);
      if (index <= disk.logStart.index) return;
      const last = entryOn(disk, index) ?? fail(`cut at ${index}, which is not there`);
      disk.entries.splice(0, index - disk.logStart.index);
      disk.logStart = { index, term: last.term };
      break;
    }
    case "drop": {
      const { current, staged } = disk;
      if (current !== null && isSameId(current.snapshot, write.id)) fail("drop of the current one");
      disk.former = disk.former.filter(({ snapshot }) => !isSameId(snapshot, write.id));
      if (staged !== null && isSameId(staged.id, write.id)) disk.staged = null;
      break;
    }
  }
}

function fail(message: string): never {
  throw new Error(`the disk: ${message}`);
}
