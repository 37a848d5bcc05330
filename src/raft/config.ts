import { assert } from "../util/assert.ts";
import type { ConfCodec } from "./conf-codec.ts";
import type { LogStart } from "./snapshot.ts";
import type {
  Entry,
  HardState,
  LogEnd,
  LogIndex,
  MemberId,
  Snapshot,
  SnapshotMeta,
} from "./types.ts";

export interface RaftConfig {
  readonly id: MemberId;
  /** Between a leader's rounds. At least 1. */
  readonly heartbeatTicks: number;
  /** A leader heard within this many ticks is not given up, and no vote is given against it. */
  readonly electionTicksMin: number;
  /** Timeouts are drawn from [min, max]; a leader without a quorum for `max` ticks steps down. */
  readonly electionTicksMax: number;
  /** Entries sent to one peer and not yet acknowledged. */
  readonly inflightEntriesMax: number;
  /** Bytes of entries sent to one peer and not yet acknowledged; one entry may always be sent. */
  readonly inflightBytesMax: number;
  /** Bytes of entries in one appendEntries; it holds at least one entry, however large. */
  readonly appendBytesMax: number;
  /** A learner with more than this many entries to come does not become a voter. */
  readonly learnerLagEntriesMax: number;
  readonly confCodec: ConfCodec;
  /** An integer in [0, bound). */
  readonly random: (bound: number) => number;
  /** Chunks of a snapshot sent to one peer and not yet on its disk. */
  readonly inflightChunksMax: number;
}

/** What a start finds on disk. */
export interface RestoredLog {
  readonly hardState: HardState;
  /** Where there is none: index 0 and term 0, and the configuration at birth. */
  readonly snapshot: Snapshot | SnapshotMeta;
  /** At or before the snapshot. */
  readonly logStart: LogStart;
  /** Contiguous, the first one after `logStart`, the last one at or after the snapshot. */
  readonly entries: readonly Entry[];
  /** Written with an earlier batch; how far the log was known to be committed. 0 for nothing. */
  readonly commitIndex: LogIndex;
  /**
   * The end of a log that this member had, has vouched for, and has no more; its term and vote it
   * has. Null for a member that has lost nothing. See `returning.ts`.
   */
  readonly lostEnd: LogEnd | null;
}

export function checkConfig(config: RaftConfig): void {
  for (const name of [
    "heartbeatTicks",
    "electionTicksMin",
    "electionTicksMax",
    "inflightEntriesMax",
    "inflightBytesMax",
    "appendBytesMax",
    "inflightChunksMax",
    "learnerLagEntriesMax",
  ] as const) {
    assert(Number.isSafeInteger(config[name]) && config[name] >= 1, `${name} is at least 1`);
  }
  assert(
    config.electionTicksMin > config.heartbeatTicks,
    "a follower hears a heartbeat within electionTicksMin",
  );
  assert(config.electionTicksMax >= config.electionTicksMin, "electionTicksMax is not below min");
}
