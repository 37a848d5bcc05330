import { unreachable } from "../util/assert.ts";
import { isMemberOf } from "./conf-state.ts";
import { isVoteIgnored, refuseVote } from "./election.ts";
import type { RaftMessage } from "./messages.ts";
import { refuseLeader } from "./replication.ts";
import { becomeFollower } from "./roles.ts";
import type { RaftState } from "./state.ts";

/** §5.1: terms before anything else. True where the message is then of the current term. */
export function passTerm(state: RaftState, message: RaftMessage): boolean {
  // A trial moves nobody's term; a refusal of it tells the answerer's.
  if (message.type === "preVote") return true;
  if (message.type === "preVoteResponse" && (message.granted || message.term <= state.term)) {
    return true;
  }
  if (message.term < state.term) {
    teachTerm(state, message);
    return false;
  }
  if (message.term > state.term) {
    if (!mayRaiseTerm(state, message)) return false;
    becomeFollower(state, message.term, null);
  }
  return true;
}

/**
 * Whom to listen to is not a question of the own configuration, which may be the stale one
 * (dissertation 4.1). n4 was added while it was away, and knows only the voters n1, n2, n3; n1 was
 * removed since, n4 made a voter, and n5 leads: n4 has to take n5's entries to learn of all that,
 * and n5 may have needed n4's vote. Nothing is lost by it: a leader of this term was elected by a
 * quorum of a configuration that overlaps with all those in which something else could have been
 * decided, whether it is known here or not; a vote obeys term and log, whoever asks; and votes,
 * acknowledgements and rounds count only for who counts them, by the configuration in force there.
 *
 * What a removed member could do is to raise terms. Its requests for votes are ignored while a
 * leader is heard; what it answers, or asks as a follower, raises none. That keeps no member
 * silent: who is asked for a vote or sent entries is in the configuration of the one who asks.
 */
function mayRaiseTerm(state: RaftState, message: RaftMessage): boolean {
  switch (message.type) {
    case "appendEntries":
    case "commit":
    case "heartbeat":
    case "installSnapshot":
    case "timeoutNow":
      return true;
    case "requestVote":
      return !isVoteIgnored(state, message);
    case "preVote":
    case "requestVoteResponse":
    case "preVoteResponse":
    case "appendEntriesResponse":
    case "heartbeatResponse":
    case "readIndex":
    case "readIndexResponse":
    case "installSnapshotResponse":
      return isMemberOf(state.conf, message.from);
    default:
      return unreachable(message);
  }
}

/**
 * A candidate or leader of a lower term is answered with ours, whatever it asked; one that tells of a
 * commit asks nothing, and its next heartbeat is answered. n3 has a higher
 * term than the leader n1, and follows nobody: ignored, it could neither follow nor, while n2
 * hears n1, be elected. Its answer makes n1 step down, and the next election takes both along.
 */
function teachTerm(state: RaftState, message: RaftMessage): void {
  if (message.type === "requestVote") refuseVote(state, message);
  const { type } = message;
  if (type === "appendEntries" || type === "heartbeat" || type === "installSnapshot") {
    refuseLeader(state, message.from);
  }
}
