import { assert } from "../util/assert.ts";
import { Progress } from "./progress.ts";
import {
  endLoss,
  newFollower,
  type RaftState,
  refreshConf,
  restartElectionTimer,
} from "./state.ts";
import type { EntryKind, LogIndex, MemberId, Term } from "./types.ts";

const NO_DATA = new Uint8Array(0);

/** The one place where a term begins: with no vote, and nothing of the old one left to be said. */
function enterTerm(state: RaftState, term: Term, vote: MemberId | null): void {
  assert(term > state.term, () => `term ${term} does not follow ${state.term}`);
  state.term = term;
  state.vote = vote;
  state.held = [];
}

/**
 * §5.1, §5.2. The election timer is started again by a leader and for one who led, but not by a
 * mere higher term: a node whose log is too short to win could put off by its requests, for ever,
 * the election of one that can (dissertation 3.4).
 */
export function becomeFollower(state: RaftState, term: Term, leader: MemberId | null): void {
  const hasLed = state.role.type === "leader";
  if (term > state.term) enterTerm(state, term, null);
  assert(term === state.term, () => `term ${term} is behind ${state.term}`);
  state.role = newFollower(leader);
  if (hasLed || leader !== null) restartElectionTimer(state);
}

export function becomePreCandidate(state: RaftState): void {
  assert(state.role.type !== "leader", "a leader does not campaign");
  state.role = { type: "preCandidate", votes: new Map([[state.id, true]]) };
  restartElectionTimer(state);
}

/** `isTransfer`: the leader has asked for it, and nobody else has to be asked whether it may. */
export function becomeCandidate(state: RaftState, isTransfer: boolean): void {
  assert(
    state.role.type === (isTransfer ? "follower" : "preCandidate"),
    "PreVote comes before every election but one that the leader asks for",
  );
  enterTerm(state, state.term + 1, state.id);
  state.candidaciesSinceLoss++;
  state.role = { type: "candidate", votes: new Map() };
  restartElectionTimer(state);
}

/** §8: a new leader does not know how far its log is committed, and finds out by a no-op. */
export function becomeLeader(state: RaftState): void {
  assert(state.role.type === "candidate", "only a candidate is elected");
  endLoss(state);
  state.isCountedOn = false;
  const nextIndex = state.log.lastIndex + 1;
  const noopIndex = appendOwn(state, "noop", NO_DATA);
  state.role = {
    type: "leader",
    noopIndex,
    progress: new Map(state.peers.map((peer) => [peer, new Progress(state.config, nextIndex)])),
    leaving: new Map(),
    heartbeatElapsedTicks: 0,
    round: 0,
    sentRound: 0,
    confirmedRound: 0,
    waitingReads: [],
    readBatches: [],
    transfer: null,
  };
}

/** Of the leader of this term. */
export function appendOwn(state: RaftState, kind: EntryKind, data: Uint8Array): LogIndex {
  const index = state.log.lastIndex + 1;
  state.log.append([{ index, term: state.term, kind, data }]);
  refreshConf(state);
  return index;
}

/** A message of the leader of this term has come: whoever this node is in it, it follows. */
export function heardLeader(state: RaftState, leader: MemberId): void {
  assert(state.role.type !== "leader", () => `${leader} leads in term ${state.term} as well`);
  endLoss(state);
  state.isCountedOn = false;
  if (state.role.type !== "follower") {
    becomeFollower(state, state.term, leader);
    return;
  }
  assert(state.role.leader === null || state.role.leader === leader, () => {
    return `two leaders in term ${state.term}: ${leader} and another`;
  });
  state.role.leader = leader;
  state.role.ticksSinceLeader = 0;
  state.electionElapsedTicks = 0;
}
