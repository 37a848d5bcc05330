import {
  APPEND_BYTES_MAX,
  ELECTION_TICKS_MAX,
  ELECTION_TICKS_MIN,
  HEARTBEAT_TICKS,
  INFLIGHT_BYTES_MAX,
  INFLIGHT_ENTRIES_MAX,
} from "../limits.ts";
import type { RaftConfig } from "../raft/config.ts";
import type { MemberId } from "../raft/types.ts";

/** Raft as every member of every cluster runs it. */
export function raftConfig(id: MemberId, random: (bound: number) => number): RaftConfig {
  return {
    id,
    heartbeatTicks: HEARTBEAT_TICKS,
    electionTicksMin: ELECTION_TICKS_MIN,
    electionTicksMax: ELECTION_TICKS_MAX,
    inflightEntriesMax: INFLIGHT_ENTRIES_MAX,
    inflightBytesMax: INFLIGHT_BYTES_MAX,
    appendBytesMax: APPEND_BYTES_MAX,
    random,
  };
}
