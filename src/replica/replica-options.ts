import {
  APPEND_BYTES_MAX,
  ELECTION_TICKS_MAX,
  ELECTION_TICKS_MIN,
  HEARTBEAT_TICKS,
  INFLIGHT_BYTES_MAX,
  INFLIGHT_CHUNKS_MAX,
  INFLIGHT_ENTRIES_MAX,
  LEARNER_LAG_ENTRIES_MAX,
} from "../limits.ts";
import type { ConfCodec } from "../raft/conf-codec.ts";
import type { RaftConfig } from "../raft/config.ts";
import type { LogIndex, MemberId } from "../raft/types.ts";
import type { RegistryLimits } from "../registry/state.ts";
import type { CommandCodec } from "./command-codec.ts";
import type { Restored } from "./inputs.ts";
import type { SnapshotCodec } from "./snapshot-codec.ts";
import type { SnapshotLimits } from "./snapshot-taker.ts";
import type { WatchLimits } from "./watches.ts";

export interface ReplicaOptions {
  readonly id: MemberId;
  readonly restored: Restored;
  readonly codec: CommandCodec;
  readonly snapshotCodec: SnapshotCodec;
  readonly confCodec: ConfCodec;
  /**
   * As of this index it is committed that this node is a member: default 0, of who was one from the
   * beginning. What came before says nothing of whether it is one.
   */
  readonly joinedIndex?: LogIndex;
  /** An integer in [0, bound). */
  readonly random: (bound: number) => number;
  readonly watchLimits?: WatchLimits;
  readonly snapshotLimits?: SnapshotLimits;
  /** States are compared at every index that it divides; the same for every member. */
  readonly checkpointEntries?: number;
  /** Of the registry in `restored`, and of those that are received; the same for every member. */
  readonly registryLimits?: Partial<RegistryLimits>;
}

export function raftConfigOf({ id, confCodec, random }: ReplicaOptions): RaftConfig {
  return {
    id,
    heartbeatTicks: HEARTBEAT_TICKS,
    electionTicksMin: ELECTION_TICKS_MIN,
    electionTicksMax: ELECTION_TICKS_MAX,
    inflightEntriesMax: INFLIGHT_ENTRIES_MAX,
    inflightBytesMax: INFLIGHT_BYTES_MAX,
    appendBytesMax: APPEND_BYTES_MAX,
    learnerLagEntriesMax: LEARNER_LAG_ENTRIES_MAX,
    inflightChunksMax: INFLIGHT_CHUNKS_MAX,
    confCodec,
    random,
  };
}
