import type { ConfState, LogIndex, MemberId, Role, Term } from "../raft/types.ts";
import type { AgeMs } from "./inputs.ts";

export interface ReplicaStatus {
  readonly id: MemberId;
  readonly role: Role;
  readonly term: Term;
  readonly leader: MemberId | null;
  /** In force, committed or not. */
  readonly conf: ConfState;
  readonly commitIndex: LogIndex;
  readonly lastApplied: LogIndex;
  readonly lastIndex: LogIndex;
  /** Of the current snapshot; 0 where there is none. */
  readonly snapshotIndex: LogIndex;
  /** The first entry that is still in the log. */
  readonly firstIndex: LogIndex;
  readonly revision: number;
  readonly digest: string;
  readonly sessions: number;
  readonly instances: number;
  readonly watches: number;
  readonly isCaughtUp: boolean;
  readonly ageMs: AgeMs;
  /** Of a leader: how far each other member's log is known to agree. */
  readonly peers: readonly {
    readonly id: MemberId;
    readonly matchIndex: LogIndex;
    readonly nextIndex: LogIndex;
    readonly isLinkUp: boolean;
  }[];
}
