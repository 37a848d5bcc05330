import type { LogIndex, SnapshotId } from "../raft/types.ts";
import { unreachable } from "../util/assert.ts";
import type { LogPosition } from "./layout.ts";
import { damagedDirectoryAdvice } from "./recovery-advice.ts";
import { StorageError } from "./storage.ts";

/** What is wrong on a disk. Each is something that no crash does to a disk that keeps its word. */
export type Damage =
  /** LevelDB cannot open it, or files of it are not as they were written. */
  | { readonly what: "database"; readonly text: string }
  /** A key among the entries or the chunks that is none. */
  | { readonly what: "strangeKey"; readonly key: string }
  /** The record is not byte for byte what was written. */
  | { readonly what: "checksum"; readonly index: LogIndex }
  /** `index` is missing although `next` is there. */
  | { readonly what: "hole"; readonly index: LogIndex; readonly next: LogIndex }
  /** The record at `index` was written after another one than what stands before it. */
  | { readonly what: "chain"; readonly index: LogIndex }
  /** Both copies of the mark are unreadable. */
  | { readonly what: "markUnreadable" }
  | { readonly what: "endsBeforeMark"; readonly lastIndex: LogIndex; readonly mark: LogPosition }
  /** The mark was made of another entry than the one at its index. */
  | { readonly what: "notMarked"; readonly mark: LogPosition }
  /** An entry knows of a commit that the log does not reach. */
  | {
      readonly what: "endsBeforeCommit";
      readonly lastIndex: LogIndex;
      readonly commitIndex: LogIndex;
    }
  /** The term is always on disk before an entry of it (§5.1). */
  | { readonly what: "termBehind"; readonly term: number; readonly entryTerm: number }
  /** The record that says which snapshot is the current one is not what was written. */
  | { readonly what: "pointerUnreadable" }
  /** The log starts at `first` and no snapshot is named that stands for what is before it. */
  | { readonly what: "pointerMissing"; readonly first: LogIndex }
  | { readonly what: "chunkMissing"; readonly id: SnapshotId; readonly chunk: number }
  | { readonly what: "chunkChecksum"; readonly id: SnapshotId; readonly chunk: number }
  /** Each chunk is what was written, but not of this snapshot as the pointer tells of it. */
  | {
      readonly what: "snapshotBytes";
      readonly id: SnapshotId;
      readonly bytes: number;
      readonly expected: number;
    }
  | {
      readonly what: "endsBeforeSnapshot";
      readonly lastIndex: LogIndex;
      readonly snapshotIndex: LogIndex;
    }
  /** The entry at the snapshot's index is another one than the snapshot was made of. */
  | { readonly what: "notSnapshotted"; readonly index: LogIndex };

/** For an operator. */
export function describeDamage(damage: Damage): string {
  switch (damage.what) {
    case "database":
      return damage.text;
    case "strangeKey":
      return `there is a key that is not one of ours (${damage.key})`;
    case "checksum":
      return `entry ${damage.index} is not as it was written`;
    case "hole":
      return `entry ${damage.index} is missing although entry ${damage.next} is there`;
    case "chain":
      return `entry ${damage.index} does not belong behind the entry before it`;
    case "markUnreadable":
      return "the mark, which says how far the log was written, cannot be read";
    case "endsBeforeMark":
      return `the log ends at entry ${damage.lastIndex} but was written up to ${damage.mark.index}`;
    case "notMarked":
      return `entry ${damage.mark.index} is another one than the mark says`;
    case "endsBeforeCommit":
      return `the log ends at entry ${damage.lastIndex} but was committed up to ${damage.commitIndex}`;
    case "termBehind":
      return `the stored term ${damage.term} is behind an entry of term ${damage.entryTerm}`;
    case "pointerUnreadable":
      return "the pointer to the current snapshot is not as it was written";
    case "pointerMissing":
      return `the log starts at entry ${damage.first}, and the pointer to the snapshot before it is missing`;
    case "chunkMissing":
      return `chunk ${damage.chunk} of ${nameOf(damage.id)} is missing`;
    case "chunkChecksum":
      return `chunk ${damage.chunk} of ${nameOf(damage.id)} is not as it was written`;
    case "snapshotBytes":
      return `${nameOf(damage.id)} has ${damage.bytes} bytes but was written with ${damage.expected}`;
    case "endsBeforeSnapshot":
      return `the log ends at entry ${damage.lastIndex} but a snapshot was taken at ${damage.snapshotIndex}`;
    case "notSnapshotted":
      return `entry ${damage.index} is another one than the snapshot was taken at`;
    default:
      return unreachable(damage);
  }
}

function nameOf({ index }: SnapshotId): string {
  return `the snapshot at entry ${index}`;
}

const LEFT = "The node does not start, so that it cannot vouch for what it has lost.";

/** The log of a directory whose other files can be read: what is left of it may be made whole. */
export class LogDamaged extends StorageError {
  readonly damage: Damage;

  constructor(path: string, damage: Damage) {
    super("DAMAGED", `${path}: ${describeDamage(damage)}`, damagedDirectoryAdvice(path, LEFT));
    this.damage = damage;
  }
}

/** What is on disk is not what was written there. `path`: the data directory. */
export function damaged(path: string, message: string, cause?: unknown): StorageError {
  return new StorageError("DAMAGED", message, damagedDirectoryAdvice(path, LEFT), { cause });
}
