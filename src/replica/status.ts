import type { Raft } from "../raft/raft.ts";
import type { ConfState, LogIndex, MemberId, Role, Term } from "../raft/types.ts";
import type { Registry } from "../registry/registry.ts";
import type { Doubt } from "./checkpoints.ts";
import type { DiskState, DiskStates, Intake } from "./disk-states.ts";
import type { AgeMs } from "./inputs.ts";
import type { Snapshots } from "./snapshots.ts";

export interface ReplicaStatus {
  readonly id: MemberId;
  readonly role: Role;
  readonly term: Term;
  readonly leader: MemberId | null;
  /** In force, committed or not. */
  readonly conf: ConfState;
  /** As of the commit index. */
  readonly committedConf: ConfState;
  readonly commitIndex: LogIndex;
  readonly lastApplied: LogIndex;
  /** Null between the switch to a snapshot that was received and the state that it holds. */
  readonly lastAppliedTerm: Term | null;
  readonly lastIndex: LogIndex;
  /** It came back without its log, and has not yet what it lacks. */
  readonly isReturning: boolean;
  /** Of the current snapshot; 0 where there is none. */
  readonly snapshotIndex: LogIndex;
  /** Of one that is written and waits for a majority to agree on it; 0 where none does. */
  readonly snapshotWaitingIndex: LogIndex;
  /** Of the current snapshot; 0 where there is none. */
  readonly snapshotBytes: number;
  /** A snapshot is on its way to the disk, its own or that of another member. */
  readonly isSnapshotUnderWay: boolean;
  /** Of this node, as it was told. */
  readonly disk: DiskState;
  /** What this node hands to the leader, or takes as leader. */
  readonly intake: Intake;
  /** Its disk is full, and the others go on without it. */
  readonly isStranded: boolean;
  /** The first entry that is still in the log. */
  readonly firstIndex: LogIndex;
  readonly revision: number;
  readonly digest: string;
  /** The last index at which a majority was seen to have this member's state; 0: none yet. */
  readonly agreedIndex: LogIndex;
  /** Not null: no state has a majority, and this member proposes nothing where it leads. */
  readonly doubt: Doubt | null;
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

/** What the replica itself knows. */
type OwnStatus = Pick<
  ReplicaStatus,
  "agreedIndex" | "doubt" | "lastApplied" | "watches" | "isCaughtUp" | "ageMs"
> & {
  readonly snapshots: Pick<Snapshots, "waitingIndex" | "isUnderWay">;
  readonly disks: Pick<DiskStates, "own" | "intake" | "isStranded">;
};

/**
 * `linksUp`: the members that this one can send to. Spelled out, not spread: the simulator looks at
 * it after every step, and spent an eighth of its time on the spread.
 */
export function replicaStatus(
  raft: Raft,
  registry: Registry,
  linksUp: ReadonlySet<MemberId>,
  own: OwnStatus,
): ReplicaStatus {
  const { commitIndex } = raft;
  return {
    id: raft.id,
    role: raft.role,
    term: raft.term,
    leader: raft.leader,
    conf: raft.conf,
    committedConf: raft.confAt(commitIndex),
    commitIndex,
    lastIndex: raft.lastIndex,
    isReturning: raft.lostEnd !== null,
    snapshotIndex: raft.snapshot?.index ?? 0,
    snapshotBytes: raft.snapshot?.bytes ?? 0,
    firstIndex: raft.log.firstIndex,
    peers: raft.progress().map(({ id, matchIndex, nextIndex }) => {
      return { id, matchIndex, nextIndex, isLinkUp: linksUp.has(id) };
    }),
    revision: registry.revision,
    digest: registry.digest(),
    sessions: registry.sessionCount,
    instances: registry.instanceCount,
    agreedIndex: own.agreedIndex,
    doubt: own.doubt,
    snapshotWaitingIndex: own.snapshots.waitingIndex,
    isSnapshotUnderWay: own.snapshots.isUnderWay,
    disk: own.disks.own,
    intake: own.disks.intake,
    isStranded: own.disks.isStranded,
    lastApplied: own.lastApplied,
    lastAppliedTerm: raft.log.termAt(own.lastApplied) ?? null,
    watches: own.watches,
    isCaughtUp: own.isCaughtUp,
    ageMs: own.ageMs,
  };
}
