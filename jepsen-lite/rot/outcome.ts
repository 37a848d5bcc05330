import { hash } from "node:crypto";
import type { Entry, HardState, LogEnd, LogIndex, SnapshotId, Term } from "../../src/raft/types.ts";

/** What is asked of the program that opens a directory. */
export interface Job {
  readonly path: string;
  /** Of the node (`--id`). */
  readonly name: string;
  /** The directory of the only other member that answers, undamaged. */
  readonly peer: string;
  /** Whether that member says that somebody leads. */
  readonly isLed: boolean;
}

export interface ToldSnapshot extends SnapshotId {
  readonly term: Term;
  /** Of all its chunks. */
  readonly content: string;
}

/** All that a node would vouch for, from here on. */
export interface Opened {
  readonly incarnation: string;
  readonly clusterId: string | null;
  readonly hardState: HardState;
  readonly snapshot: ToldSnapshot | null;
  readonly logStart: LogEnd;
  /** Of each entry from behind `logStart` on. */
  readonly entries: readonly string[];
  readonly commitIndex: LogIndex;
  /** The end of the log that was given up, where it was. */
  readonly lostEnd: LogEnd | null;
}

export type Outcome =
  | ({ readonly type: "opened"; readonly way: "started" | "repaired" | "setAside" } & Opened)
  /** A node that was born, and would be born again. */
  | { readonly type: "unborn" }
  /** It does not start, and goes on asking. */
  | { readonly type: "waits"; readonly message: string }
  | {
      readonly type: "refused";
      readonly code: string;
      readonly message: string;
      readonly hint: string;
    }
  /** Nobody had foreseen it, or the process is gone. */
  | { readonly type: "crashed"; readonly how: string };

/** Every byte of it counts. */
export function contentOf({ index, term, kind, data }: Entry): string {
  return hash("sha1", Buffer.concat([Buffer.from(`${index} ${term} ${kind} `), data]));
}

export function contentOfChunks(chunks: readonly Uint8Array[]): string {
  const each = chunks.map((chunk) => hash("sha1", chunk));
  return hash("sha1", each.join());
}
