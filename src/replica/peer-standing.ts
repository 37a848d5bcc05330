import { isMemberOf } from "../raft/conf-state.ts";
import type { ConfMember, LogIndex, MemberId } from "../raft/types.ts";
import type { ReplicaStatus } from "./status.ts";

/** What a node knows of who is a member. */
export type KnownMembers = Pick<ReplicaStatus, "conf" | "committedConf" | "commitIndex">;

/**
 * - `member`: of the configuration in force, or of the committed one.
 * - `removed`: what is committed here reaches as far as the peer's own knowledge, and does not name
 *   it. It was a member as of `memberAsOf`, so it has been removed since: an id comes from a
 *   directory, and is not given again.
 * - `guest`: the peer knows what is not known here yet, and may well be a member. It has joined, or
 *   was made a voter and leads, while this node was away.
 */
export type Standing = "member" | "guest" | "removed";

/**
 * Whom to keep links to. A removal that is not committed may be taken back with its entry, and whom
 * it names is a member until then.
 */
export function linkedTo({ conf, committedConf }: KnownMembers): readonly ConfMember[] {
  const going = committedConf.members.filter(({ id }) => !isMemberOf(conf, id));
  return [...conf.members, ...going];
}

export function standingOf(known: KnownMembers, id: MemberId, memberAsOf: LogIndex): Standing {
  if (isMemberOf(known.conf, id) || isMemberOf(known.committedConf, id)) {
    return "member";
  }
  return memberAsOf <= known.commitIndex ? "removed" : "guest";
}

/** The latest index as of which `id` knows itself to be a member. */
export function memberAsOf(known: KnownMembers, id: MemberId, joinedIndex: LogIndex): LogIndex {
  return isMemberOf(known.committedConf, id)
    ? Math.max(known.commitIndex, joinedIndex)
    : joinedIndex;
}
