import type { LogIndex } from "./types.ts";

/**
 * What this member has acknowledged is not in its log: the log is an older copy, or its disk has
 * lost what it had synced. Votes may be forgotten with it, so the member must not go on.
 */
export class OutdatedLog extends Error {
  override readonly name = "OutdatedLog";

  /** The leader knows this member to have had `ackedIndex`. */
  constructor(ackedIndex: LogIndex, lastIndex: LogIndex) {
    super(
      `it had acknowledged entry ${ackedIndex} to the leader, but the log ends at ${lastIndex}`,
    );
  }
}
