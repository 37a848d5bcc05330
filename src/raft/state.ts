import { assert, must } from "../util/assert.ts";
import { checkConfig, type RaftConfig, type RestoredLog } from "./config.ts";
import { RaftLog } from "./log.ts";
import type { RaftMessage } from "./messages.ts";
import type { Progress } from "./progress.ts";
import type {
  Alarm,
  ConfState,
  HardState,
  LogIndex,
  MemberId,
  ReadId,
  ReadState,
  Term,
} from "./types.ts";

/** Between two attempts to replace a leader that is gone. */
const LOSS_RETRY_MS_MIN = 50;
const LOSS_RETRY_MS_MAX = 150;
const DOUBLINGS_MAX = 4;

export interface Follower {
  readonly type: "follower";
  /** The leader of this term, once it was heard. */
  leader: MemberId | null;
  /** Since the leader was last heard; means nothing while `leader` is null. */
  ticksSinceLeader: number;
  /** The log is the leader's up to here: shown by its messages of this term. Never falls in it. */
  verifiedIndex: LogIndex;
  /** What the leader was last told: at most min(verifiedIndex, durableIndex). */
  ackedIndex: LogIndex;
}

/** Asks whether an election could be won; term and vote stay as they are (dissertation 9.6). */
export interface PreCandidate {
  readonly type: "preCandidate";
  readonly votes: Map<MemberId, boolean>;
}

/** Has voted for itself; that vote is in `votes` only once it is durable. */
export interface Candidate {
  readonly type: "candidate";
  readonly votes: Map<MemberId, boolean>;
}

/** `from` null: a read of this node. */
export interface WaitingRead {
  readonly from: MemberId | null;
  readonly id: ReadId;
}

/** Reads that are linearizable at `index` once `round` is confirmed. */
export interface ReadBatch {
  readonly round: number;
  readonly index: LogIndex;
  readonly reads: readonly WaitingRead[];
}

/** The leadership on its way to another voter; no proposal is taken meanwhile. */
export interface Transfer {
  readonly to: MemberId;
  elapsedTicks: number;
  /** `to` was told to campaign, since the last heartbeat. */
  isTold: boolean;
}

export interface Leader {
  readonly type: "leader";
  /** The no-op of this term: when it is committed, `commitIndex` is not behind any other's. */
  readonly noopIndex: LogIndex;
  /** Of every peer, in the order of `peers`. */
  readonly progress: Map<MemberId, Progress>;
  heartbeatElapsedTicks: number;
  /** The latest round begun. Counts from 1 in each term; none is used twice. */
  round: number;
  /** Its messages have left; `round` or `round - 1`. */
  sentRound: number;
  /** A quorum has answered it, and so was led by this node after it was sent. At most `sentRound`. */
  confirmedRound: number;
  /** Not in a round yet. */
  waitingReads: WaitingRead[];
  /** By rising round, all above `confirmedRound`. */
  readBatches: ReadBatch[];
  transfer: Transfer | null;
}

/** What exists only in a role lives only there, so that nothing of one outlasts it. */
export type RoleState = Follower | PreCandidate | Candidate | Leader;

export interface RaftState {
  readonly config: RaftConfig;
  readonly id: MemberId;
  readonly log: RaftLog;

  /** Never falls. */
  term: Term;
  /** Within a term, set once and never changed (§5.2). */
  vote: MemberId | null;
  role: RoleState;

  /** In force. Every change of the log that could change it ends in `refreshConf`. */
  conf: ConfState;
  /** The other members, in the order of their ids. */
  peers: readonly MemberId[];

  /** Never falls; `snapshotIndex <= commitIndex <= lastIndex`. */
  commitIndex: LogIndex;
  /** Up to here `ready` has handed out what is committed. */
  handedIndex: LogIndex;

  /** Term and vote on disk. Never ahead of those above. */
  durable: HardState;
  /** The write in flight. `hardState` null: it holds none. */
  write: { readonly number: number; readonly hardState: HardState | null } | null;
  /** Writes handed out since the start. */
  writes: number;

  /** Since the timer was started; the leader's heartbeats and a granted vote start it. */
  electionElapsedTicks: number;
  electionTimeoutTicks: number;

  /** Peers whose processes do not answer a dial. */
  readonly gone: Set<MemberId>;
  /** The leader that was followed last, while it is gone and no other one was heard. */
  lostLeader: MemberId | null;
  /** Candidacies since it was lost. */
  candidaciesSinceLoss: number;
  /** The alarm that counts; one with a lower number was replaced. */
  alarms: number;
  /** To be handed out. */
  alarm: Alarm | null;

  /** The write in flight at the last tick, and for how many ticks it has been; number 0: none. */
  waitingWrite: { readonly number: number; readonly ticks: number };

  readonly outbox: RaftMessage[];
  /** Of the current term, and waiting for it, or for the vote that they tell of, to be durable. */
  held: RaftMessage[];
  readonly readStates: ReadState[];
}

/**
 * Membership changes: the configuration in force is the last one in the log, else the snapshot's,
 * found again after every append, truncation and start. Without them it is the snapshot's.
 */
function refreshConf(state: RaftState, snapshotConf: ConfState): void {
  state.conf = snapshotConf;
  state.peers = [...snapshotConf.voters].filter((voter) => voter !== state.id).sort();
}

export function createState(config: RaftConfig, restored: RestoredLog): RaftState {
  checkConfig(config);
  const { hardState, snapshot, entries } = restored;
  const log = new RaftLog(snapshot, entries);
  assert(log.lastTerm <= hardState.term, () => {
    return `an entry of term ${log.lastTerm} is durable, but no term past ${hardState.term}`;
  });
  const state: RaftState = {
    config,
    id: config.id,
    log,
    term: hardState.term,
    vote: hardState.vote,
    role: newFollower(null),
    conf: snapshot.conf,
    peers: [],
    // The batch that stored it held all entries up to it, so nothing below it can be missing here.
    commitIndex: Math.max(snapshot.index, restored.commitIndex),
    handedIndex: snapshot.index,
    durable: { term: hardState.term, vote: hardState.vote },
    write: null,
    writes: 0,
    electionElapsedTicks: 0,
    electionTimeoutTicks: 1,
    gone: new Set(),
    lostLeader: null,
    candidaciesSinceLoss: 0,
    alarms: 0,
    alarm: null,
    waitingWrite: { number: 0, ticks: 0 },
    outbox: [],
    held: [],
    readStates: [],
  };
  refreshConf(state, snapshot.conf);
  restartElectionTimer(state);
  return state;
}

export function newFollower(leader: MemberId | null): Follower {
  return { type: "follower", leader, ticksSinceLeader: 0, verifiedIndex: 0, ackedIndex: 0 };
}

/**
 * With a new timeout each time: of two nodes that drew the same one, neither would ever win (§5.2).
 * A sole voter has nobody to wait for.
 */
export function restartElectionTimer(state: RaftState): void {
  const { electionTicksMin, electionTicksMax, random } = state.config;
  const drawn = electionTicksMin + random(electionTicksMax - electionTicksMin + 1);
  state.electionElapsedTicks = 0;
  state.electionTimeoutTicks = state.peers.length === 0 ? 1 : drawn;
  if (state.lostLeader !== null) setAlarm(state, retryMs(state));
}

/**
 * The first attempts are short, for a cluster whose exchanges take milliseconds. A candidacy that
 * was given up before its answers came would be given up again: each doubles the patience.
 */
function retryMs(state: RaftState): number {
  const drawnMs =
    LOSS_RETRY_MS_MIN + state.config.random(LOSS_RETRY_MS_MAX - LOSS_RETRY_MS_MIN + 1);
  return drawnMs * 2 ** Math.min(Math.max(0, state.candidaciesSinceLoss - 1), DOUBLINGS_MAX);
}

/** Replaces the alarm that was asked for before. */
export function setAlarm(state: RaftState, afterMs: number): void {
  state.alarms++;
  state.alarm = { number: state.alarms, afterMs };
}

/** A member that is in no configuration takes no part in elections. */
export function isVoter(state: RaftState, member: MemberId): boolean {
  return state.conf.voters.includes(member);
}

export function leaderOf(state: RaftState): MemberId | null {
  switch (state.role.type) {
    case "follower":
      return state.role.leader;
    case "leader":
      return state.id;
    default:
      return null;
  }
}

/** A leader was heard, this node leads, or the one that was lost answers again. */
export function endLoss(state: RaftState): void {
  state.lostLeader = null;
  state.alarm = null;
  state.candidaciesSinceLoss = 0;
}

export function isLeaderReady(state: RaftState): boolean {
  return state.role.type === "leader" && state.commitIndex >= state.role.noopIndex;
}

/** Every bound that stands on a field and can be checked without walking the log. */
export function checkInvariants(state: RaftState): void {
  const { log, role, durable } = state;
  log.checkInvariants();
  assert(
    log.snapshotIndex <= state.handedIndex &&
      state.handedIndex <= state.commitIndex &&
      state.commitIndex <= log.lastIndex,
    () => `handed ${state.handedIndex}, commit ${state.commitIndex}, last ${log.lastIndex}`,
  );
  assert(log.lastTerm <= state.term, () => `last entry of term ${log.lastTerm} in ${state.term}`);
  assert(
    durable.term < state.term ||
      (durable.term === state.term && (durable.vote === null || durable.vote === state.vote)),
    () => `durable ${durable.term}/${durable.vote}, current ${state.term}/${state.vote}`,
  );
  for (const message of state.held) {
    assert(message.term === state.term, () => `a ${message.type} of another term is held`);
  }
  assert(state.alarm === null || state.lostLeader !== null, "an alarm is for a lost leader");
  if (role.type === "leader") checkLeader(state, role);
  else if (role.type === "follower") {
    assert(role.verifiedIndex <= log.lastIndex, "what was verified is there");
    assert(
      role.ackedIndex <= role.verifiedIndex && role.ackedIndex <= log.durableIndex,
      "what was acknowledged is the leader's and durable",
    );
    assert(role.leader !== state.id, "a follower follows somebody else");
  } else if (role.type === "candidate") {
    assert(state.vote === state.id, "a candidate has voted for itself");
    assert(
      !role.votes.has(state.id) || (durable.term === state.term && durable.vote === state.id),
      "a candidate counts its own vote once it is durable",
    );
  }
}

function checkLeader(state: RaftState, role: Leader): void {
  const { log, durable } = state;
  assert(durable.term === state.term && durable.vote === state.id, "a leader's vote is durable");
  assert(log.lastTerm === state.term, "a leader's log ends in its own term");
  assert(role.progress.size === state.peers.length, "a leader knows every peer");
  for (const peer of state.peers) must(role.progress.get(peer)).checkInvariants(log.lastIndex);
  assert(
    role.confirmedRound <= role.sentRound &&
      role.sentRound <= role.round &&
      role.round <= role.sentRound + 1,
    () => `rounds ${role.confirmedRound}, ${role.sentRound}, ${role.round}`,
  );
  assert(state.lostLeader === null, "who leads has lost no leader");
  assert(role.transfer?.to !== state.id, "a transfer is to somebody else");
  const oldest = role.readBatches[0];
  assert(
    oldest === undefined || oldest.round > role.confirmedRound,
    "reads of a confirmed round do not wait",
  );
}
