import { must, unreachable } from "../util/assert.ts";
import type { RaftConfig, RestoredLog } from "./config.ts";
import { isDiskGivenUp } from "./disk-hang.ts";
import { completeWrite, nextWrite } from "./durability.ts";
import {
  handlePreVote,
  handlePreVoteResponse,
  handleRequestVote,
  handleRequestVoteResponse,
  isVoteIgnored,
  ownVoteDurable,
  refuseVote,
  tickElection,
} from "./election.ts";
import { alarmWent, peerGone } from "./leader-loss.ts";
import type { LogView } from "./log.ts";
import type { RaftMessage } from "./messages.ts";
import type { ProgressState } from "./progress.ts";
import { quorumValue } from "./quorum.ts";
import {
  beginReadRound,
  beginRound,
  handleHeartbeatResponse,
  handleReadIndex,
  handleReadIndexResponse,
  requestRead,
  sendRound,
  tickHeartbeat,
} from "./read-index.ts";
import {
  acknowledgeDurable,
  advanceCommit,
  handleAppendEntries,
  handleAppendEntriesResponse,
  handleHeartbeat,
  refuseLeader,
  replicate,
} from "./replication.ts";
import { appendOwn, becomeFollower } from "./roles.ts";
import {
  checkInvariants,
  createState,
  isLeaderReady,
  isVoter,
  type Leader,
  leaderOf,
  type RaftState,
} from "./state.ts";
import {
  advanceTransfer,
  beginTransfer,
  handleTimeoutNow,
  type TransferStart,
  tickTransfer,
} from "./transfer.ts";
import type {
  Alarm,
  ConfState,
  Entry,
  EntryKind,
  LogIndex,
  MemberId,
  PersistRequest,
  ReadId,
  ReadState,
  Role,
  Term,
} from "./types.ts";

export interface Ready {
  /** To be made durable, then told by `persisted`; null while another is, or for nothing to do. */
  readonly persist: PersistRequest | null;
  /** May leave at once, in this order; everything that they vouch for is durable. */
  readonly messages: readonly RaftMessage[];
  /** To be applied, each index once a start, in order. */
  readonly committed: readonly Entry[];
  /** An id may come twice, or never. */
  readonly readStates: readonly ReadState[];
  /** To be told by `alarm` when its time has come; it replaces any earlier one. */
  readonly alarm: Alarm | null;
}

export interface PeerProgress {
  readonly id: MemberId;
  readonly state: ProgressState;
  readonly matchIndex: LogIndex;
  readonly nextIndex: LogIndex;
  readonly inflightEntries: number;
  readonly inflightBytes: number;
  /** Since it last answered. */
  readonly ticksSinceHeard: number;
}

/**
 * One member's Raft, pure: what happens is told to it, `ready` says what there is to do. Inputs
 * may be given in any order and number between two calls of `ready`; what a turn brings is sent,
 * written and read-confirmed together. Messages may be lost, repeated and reordered on the way.
 */
export class Raft {
  readonly #state: RaftState;

  constructor(config: RaftConfig, restored: RestoredLog) {
    this.#state = createState(config, restored);
    checkInvariants(this.#state);
  }

  get id(): MemberId {
    return this.#state.id;
  }

  get role(): Role {
    return this.#state.role.type;
  }

  get term(): Term {
    return this.#state.term;
  }

  /** Of the current term; null where none was heard in it, or it was given up. */
  get leader(): MemberId | null {
    return leaderOf(this.#state);
  }

  get conf(): ConfState {
    return this.#state.conf;
  }

  get commitIndex(): LogIndex {
    return this.#state.commitIndex;
  }

  get lastIndex(): LogIndex {
    return this.#state.log.lastIndex;
  }

  /** What this node's disk holds of the log as it is now. */
  get durableIndex(): LogIndex {
    return this.#state.log.durableIndex;
  }

  get log(): LogView {
    return this.#state.log;
  }

  /** Leads, and an entry of its own term is committed: it is behind nobody. */
  get isLeaderReady(): boolean {
    return isLeaderReady(this.#state);
  }

  /** Whom the leadership is on its way to; null for nobody, and when not leader. */
  get transferTarget(): MemberId | null {
    const { role } = this.#state;
    return role.type === "leader" ? (role.transfer?.to ?? null) : null;
  }

  /** The latest round begun, by `beginRound`, `tick`, or `ready`; 0 when not leader. */
  get round(): number {
    return this.#state.role.type === "leader" ? this.#state.role.round : 0;
  }

  /** This round and all before it were answered by a quorum; 0 when not leader. */
  get confirmedRound(): number {
    return this.#state.role.type === "leader" ? this.#state.role.confirmedRound : 0;
  }

  /**
   * A round that starts no earlier than now, for a leader; 0 when not leader. Its messages leave
   * with the next `ready`; until then the same round is given again.
   */
  beginRound(): number {
    const { role } = this.#state;
    const round = role.type === "leader" ? beginRound(this.#state, role) : 0;
    checkInvariants(this.#state);
    return round;
  }

  tick(): void {
    const state = this.#state;
    if (state.role.type === "leader") tickLeader(state, state.role);
    else tickElection(state);
    checkInvariants(state);
  }

  step(message: RaftMessage): void {
    const state = this.#state;
    // Who is in no configuration that is known here has no say, nor has an echo (§6).
    if (message.to !== state.id || message.from === state.id) return;
    if (!isVoter(state, message.from)) return;
    if (passTerm(state, message)) dispatch(state, message);
    checkInvariants(state);
  }

  /**
   * The entry's index; null when not leader, or while the leadership is handed over. It may still
   * be lost with the leadership.
   */
  propose(kind: EntryKind, data: Uint8Array): LogIndex | null {
    const { role } = this.#state;
    if (role.type !== "leader" || role.transfer !== null) return null;
    const index = appendOwn(this.#state, kind, data);
    checkInvariants(this.#state);
    return index;
  }

  /**
   * A read that came before this call is linearizable at the index which `ready` tells for `id`.
   * False where no leader is known. The answer is lost with the leader, the term or a message: it
   * is asked again with an id that was never used.
   */
  readIndex(id: ReadId): boolean {
    const isAsked = requestRead(this.#state, id);
    checkInvariants(this.#state);
    return isAsked;
  }

  /** The link on which this node sends to `peer` came up or went down, and lost what was on it. */
  peerLink(peer: MemberId, isUp: boolean): void {
    const { role } = this.#state;
    const progress = role.type === "leader" ? role.progress.get(peer) : undefined;
    progress?.becomeProbe();
    if (!isUp) progress?.pause();
    checkInvariants(this.#state);
  }

  /**
   * The process of `peer` does not answer any more: every connection with it is broken, and a new
   * one was refused or not answered in time. Or it does again.
   */
  peerGone(peer: MemberId, isGone: boolean): void {
    peerGone(this.#state, peer, isGone);
    checkInvariants(this.#state);
  }

  /** The time of the alarm of that number, which `ready` has asked for, has come. */
  alarm(number: number): void {
    alarmWent(this.#state, number);
    checkInvariants(this.#state);
  }

  /**
   * Hands the leadership to `to`, or to the voter that fits best for null. Nothing is proposed
   * until it is over: this node does not lead any more, or the time is up, after electionTicksMin,
   * and it leads on.
   */
  transferLeadership(to: MemberId | null): TransferStart {
    const start = beginTransfer(this.#state, to);
    checkInvariants(this.#state);
    return start;
  }

  /** The write of that number is on disk. */
  persisted(write: number): void {
    const state = this.#state;
    completeWrite(state, write);
    ownVoteDurable(state);
    acknowledgeDurable(state);
    advanceCommit(state);
    checkInvariants(state);
  }

  /** In the order of ids; empty when not leader. */
  progress(): readonly PeerProgress[] {
    const { role } = this.#state;
    if (role.type !== "leader") return [];
    return [...role.progress].map(([id, progress]) => ({
      id,
      state: progress.state,
      matchIndex: progress.matchIndex,
      nextIndex: progress.nextIndex,
      inflightEntries: progress.inflightEntries,
      inflightBytes: progress.inflightBytes,
      ticksSinceHeard: progress.ticksSinceHeard,
    }));
  }

  /** What there is to do, given out once. */
  ready(): Ready {
    const state = this.#state;
    if (state.role.type === "leader") {
      beginReadRound(state, state.role);
      sendRound(state, state.role);
      replicate(state, state.role);
      advanceTransfer(state, state.role);
    }
    const persist = nextWrite(state);
    const committed = state.log.between(state.handedIndex, state.commitIndex);
    state.handedIndex = state.commitIndex;
    const messages = state.outbox.splice(0);
    const readStates = state.readStates.splice(0);
    const { alarm } = state;
    state.alarm = null;
    checkInvariants(state);
    return { persist, messages, committed, readStates, alarm };
  }
}

/**
 * CheckQuorum (dissertation 6.2): n1 leads, and hears nobody. It would go on taking writes that
 * cannot be committed; and where n2 hears it but it hears not n2, n2 would wait for it for ever.
 */
function tickLeader(state: RaftState, leader: Leader): void {
  for (const progress of leader.progress.values()) progress.ticksSinceHeard++;
  const lastHeard = quorumValue(state.conf, (voter) =>
    voter === state.id ? 0 : -must(leader.progress.get(voter)).ticksSinceHeard,
  );
  if (-lastHeard >= state.config.electionTicksMax || isDiskGivenUp(state, leader)) {
    becomeFollower(state, state.term, null);
    return;
  }
  tickTransfer(state, leader);
  tickHeartbeat(state, leader);
}

/** §5.1: terms before anything else. True where the message is then of the current term. */
function passTerm(state: RaftState, message: RaftMessage): boolean {
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
    if (message.type === "requestVote" && isVoteIgnored(state, message)) return false;
    becomeFollower(state, message.term, null);
  }
  return true;
}

/**
 * A candidate or leader of a lower term is answered with ours, whatever it asked. n3 has a higher
 * term than the leader n1, and follows nobody: ignored, it could neither follow nor, while n2
 * hears n1, be elected. Its answer makes n1 step down, and the next election takes both along.
 */
function teachTerm(state: RaftState, message: RaftMessage): void {
  if (message.type === "requestVote") refuseVote(state, message);
  if (message.type === "appendEntries" || message.type === "heartbeat") {
    refuseLeader(state, message.from);
  }
}

function dispatch(state: RaftState, message: RaftMessage): void {
  switch (message.type) {
    case "requestVote":
      handleRequestVote(state, message);
      break;
    case "requestVoteResponse":
      handleRequestVoteResponse(state, message);
      break;
    case "preVote":
      handlePreVote(state, message);
      break;
    case "preVoteResponse":
      handlePreVoteResponse(state, message);
      break;
    case "appendEntries":
      handleAppendEntries(state, message);
      break;
    case "appendEntriesResponse":
      handleAppendEntriesResponse(state, message);
      break;
    case "heartbeat":
      handleHeartbeat(state, message);
      break;
    case "heartbeatResponse":
      handleHeartbeatResponse(state, message);
      break;
    case "readIndex":
      handleReadIndex(state, message);
      break;
    case "readIndexResponse":
      handleReadIndexResponse(state, message);
      break;
    case "timeoutNow":
      handleTimeoutNow(state, message);
      break;
    default:
      unreachable(message);
  }
}
