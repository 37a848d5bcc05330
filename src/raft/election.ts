import { isVoterOf } from "./conf-state.ts";
import { header, isHardStateDurable, send } from "./durability.ts";
import type { PreVote, PreVoteResponse, RequestVote, RequestVoteResponse } from "./messages.ts";
import { voteResult } from "./quorum.ts";
import { isUpToDate } from "./returning.ts";
import { becomeCandidate, becomeFollower, becomeLeader, becomePreCandidate } from "./roles.ts";
import { isElectionDue, leaderOf, type RaftState, restartElectionTimer } from "./state.ts";
import type { MemberId } from "./types.ts";

/** §5.2, §5.4.1; PreVote and stickiness: dissertation 9.6 and 4.2.3. */

/** One tick of a node that does not lead. */
export function tickElection(state: RaftState): void {
  if (state.role.type === "follower") state.role.ticksSinceLeader++;
  state.electionElapsedTicks++;
  if (isElectionDue(state)) askForPreVotes(state);
}

/** Where this node may campaign. */
export function askForPreVotes(state: RaftState): void {
  if (!mayStartElection(state)) {
    if (state.isDiskFull) giveUpLeader(state);
    return;
  }
  becomePreCandidate(state);
  for (const peer of electorate(state)) {
    const term = state.term + 1;
    const { lastIndex: lastLogIndex, lastTerm: lastLogTerm } = state.log;
    send(state, { ...header(state, peer), type: "preVote", term, lastLogIndex, lastLogTerm });
  }
  countPreVotes(state);
}

/** Who does not campaign has no other occasion to notice that nobody leads. */
function giveUpLeader(state: RaftState): void {
  if (leaderOf(state) !== null) becomeFollower(state, state.term, null);
}

/**
 * A voter of the configuration in force, or of one that may yet turn out to be in force: of any
 * since the last that is known to be committed. Dissertation 4.2.2, in the joint manner: n1, n2,
 * n3 become n2, n3, n4. The leader n1 has left the joint configuration, has stored that nowhere
 * but on its own disk, and crashes with n3. n2 and n4 are joint still: without n1 they have no
 * majority of the old half, and n1 with the longer log votes for neither. It has to be elected
 * itself, by votes that do not include its own, commit, and go.
 *
 * A learner, too, where somebody counts on it (`handlePreVote`).
 */
function mayCampaign(state: RaftState): boolean {
  const possible = state.confs.since(state.commitIndex);
  return state.isCountedOn || possible.some((conf) => isVoterOf(conf, state.id));
}

/**
 * While term and vote are on their way to a slow disk nothing could be said in a further term, so
 * each timeout would only raise it. What a snapshot that is being received holds is committed, and
 * this log lacks it: nobody can be elected with it (§5.4.3), and who leads would only be disturbed.
 * Who returns without its log could be elected without what it helped to commit. Who has no room for
 * entries could not append its no-op.
 */
export function mayStartElection(state: RaftState): boolean {
  return (
    mayCampaign(state) &&
    isHardStateDurable(state) &&
    state.install === null &&
    state.lostEnd === null &&
    !state.isDiskFull
  );
}

/** Whose votes count: the other voters of both halves. */
function electorate(state: RaftState): readonly MemberId[] {
  return state.peers.filter((peer) => isVoterOf(state.conf, peer));
}

/** The own vote is on disk: it counts, and the requests have just left. */
export function ownVoteDurable(state: RaftState): void {
  if (state.role.type !== "candidate" || !isHardStateDurable(state)) return;
  if (state.role.votes.has(state.id)) return;
  state.role.votes.set(state.id, true);
  restartElectionTimer(state);
  countVotes(state);
}

/**
 * n3 was cut off, or has lost only its link to the leader n1; its timeout would depose a leader
 * whom n2 hears well. So who has heard the leader within the least timeout helps nobody against
 * it; a leader has always heard itself. One who asks while others take it for the leader has
 * stepped down, and says so by asking. A leader whose process is gone needs no help.
 */
function isSticky(state: RaftState, candidate: MemberId): boolean {
  if (state.role.type === "leader") return true;
  if (state.role.type !== "follower" || state.role.leader === null) return false;
  if (state.role.leader === state.lostLeader) return false;
  return (
    state.role.leader !== candidate && state.role.ticksSinceLeader < state.config.electionTicksMin
  );
}

/** A request of a higher term that is to change nothing here, not even the term. */
export function isVoteIgnored(state: RaftState, message: RequestVote): boolean {
  return !message.isTransfer && isSticky(state, message.from);
}

/** §5.2: one vote a term, and none where a leader of the term is known. */
function isVoteFree(state: RaftState, candidate: MemberId): boolean {
  if (state.vote === candidate) return true;
  const knowsLeader = state.role.type === "follower" && state.role.leader !== null;
  return state.vote === null && !knowsLeader;
}

/**
 * Answered whatever its term: a pre-candidate of a lower term learns ours from the refusal, or it
 * would ask in terms that nobody can grant for ever (etcd 8243).
 *
 * n1 leads n1, n2 and n3, makes the learner n4 a voter, and is cut off before anybody has heard of
 * it. n3 is elected, reaches n4 with an entry, and is lost. By what n1 goes by it needs n2 and n4, and
 * n4 has more of the log; so does n1, of which n2 would have to do without. So n4, a learner by its
 * own log, is the one to be elected: it commits, without counting itself, and hands over.
 */
export function handlePreVote(state: RaftState, message: PreVote): void {
  const isFree =
    message.term > state.term || (message.term === state.term && isVoteFree(state, message.from));
  const isLed = isSticky(state, message.from);
  const isBehind = !isUpToDate(state, message.lastLogIndex, message.lastLogTerm);
  const granted = isFree && !isLed && !isBehind;
  if (isBehind && !isLed) state.isCountedOn = state.conf.learners.includes(state.id);
  const term = granted ? message.term : state.term;
  send(state, { ...header(state, message.from), type: "preVoteResponse", term, granted });
}

/** The term gate has already learnt from a refusal of a higher term. */
export function handlePreVoteResponse(state: RaftState, message: PreVoteResponse): void {
  if (state.role.type !== "preCandidate") return;
  if (message.granted && message.term !== state.term + 1) return;
  note(state.role.votes, message.from, message.granted);
  countPreVotes(state);
}

function countPreVotes(state: RaftState): void {
  if (state.role.type !== "preCandidate") return;
  const result = voteResult(state.conf, state.role.votes);
  if (result === "lost") becomeFollower(state, state.term, null);
  if (result !== "won") return;
  campaign(state, false);
}

export function campaign(state: RaftState, isTransfer: boolean): void {
  becomeCandidate(state, isTransfer);
  const { lastIndex: lastLogIndex, lastTerm: lastLogTerm } = state.log;
  const type = "requestVote";
  for (const peer of electorate(state)) {
    send(state, { ...header(state, peer), type, lastLogIndex, lastLogTerm, isTransfer });
  }
}

/** Of the current term. */
export function handleRequestVote(state: RaftState, message: RequestVote): void {
  const granted =
    isVoteFree(state, message.from) && isUpToDate(state, message.lastLogIndex, message.lastLogTerm);
  if (granted) {
    if (state.role.type === "preCandidate") becomeFollower(state, state.term, null);
    state.vote = message.from;
    restartElectionTimer(state);
  }
  refuseOrGrant(state, message, granted);
}

/** A candidate of a lower term learns ours. */
export function refuseVote(state: RaftState, message: RequestVote): void {
  refuseOrGrant(state, message, false);
}

function refuseOrGrant(state: RaftState, message: RequestVote, granted: boolean): void {
  send(state, { ...header(state, message.from), type: "requestVoteResponse", granted });
}

export function handleRequestVoteResponse(state: RaftState, message: RequestVoteResponse): void {
  if (state.role.type !== "candidate") return;
  note(state.role.votes, message.from, message.granted);
  countVotes(state);
}

/** What was granted stays granted: a refusal may be of an earlier attempt. */
function note(votes: Map<MemberId, boolean>, from: MemberId, granted: boolean): void {
  if (granted || !votes.has(from)) votes.set(from, granted);
}

function countVotes(state: RaftState): void {
  if (state.role.type !== "candidate") return;
  const result = voteResult(state.conf, state.role.votes);
  if (result === "won") becomeLeader(state);
  if (result === "lost") becomeFollower(state, state.term, null);
}
