import { assert, must } from "../util/assert.ts";
import { ConfHistory } from "./conf-history.ts";
import { isSoleVoter } from "./conf-state.ts";
import { checkConfig, type RaftConfig, type RestoredLog } from "./config.ts";
import { RaftLog } from "./log.ts";
import type { RaftMessage } from "./messages.ts";
import { Progress } from "./progress.ts";
import { isStored, type Received } from "./snapshot.ts";
import { SnapshotWrites, type WaitingSnapshotWrite } from "./snapshot-writes.ts";
import type {
  Alarm,
  ConfState,
  HardState,
  LogEnd,
  LogIndex,
  MemberId,
  ReadId,
  ReadState,
  Snapshot,
  SnapshotMeta,
  SnapshotWrite,
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
  /** Of every peer and of everybody who is leaving, in the order of their ids. */
  progress: ReadonlyMap<MemberId, Progress>;
  /**
   * Who was a member until the configuration of `index`: is still sent what there is, so that it
   * learns that it was removed, until `ticks` after that is committed reach an election timeout.
   */
  readonly leaving: Map<MemberId, { readonly index: LogIndex; ticks: number }>;
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

/**
 * A snapshot that comes from another member. It outlives its leader and the term, since what is
 * staged can be used by the next one, but no crash.
 */
export interface Install {
  readonly snapshot: Snapshot;
  /** Chain checksum of the log at the snapshot's index. */
  readonly chain: string;
  /** In which a leader last sent of it. */
  term: Term;
  /** Chunks before it have come. */
  receivedChunks: number;
  /** Chunks before it are on disk. At most `receivedChunks`. */
  durableChunks: number;
  /** All are on disk, and the switch to them waits for a write, or is in flight. */
  isSwitching: boolean;
}

/** The write in flight. Parts that are null it does not hold. */
export interface InflightWrite {
  readonly number: number;
  readonly hardState: HardState | null;
  readonly snapshot: WaitingSnapshotWrite | null;
}

export interface RaftState {
  readonly config: RaftConfig;
  readonly id: MemberId;
  readonly log: RaftLog;

  /** Never falls. */
  term: Term;
  /** Within a term, set once and never changed (§5.2). */
  vote: MemberId | null;
  role: RoleState;

  readonly confs: ConfHistory;
  /** In force. Every change of the log ends in `refreshConf`. */
  conf: ConfState;
  /** The other members in it, in the order of their ids. */
  peers: readonly MemberId[];

  /**
   * The current one on this disk; without chunks where the log goes back to the beginning of
   * everything. Its index never falls; `log.start.index <= snapshot.index <= handedIndex`.
   */
  snapshot: Snapshot | SnapshotMeta;
  /** Being received. Null in candidates and leaders: see `mayStartElection`. */
  install: Install | null;
  readonly snapshotWrites: SnapshotWrites;

  /** There is no room for entries (`full-disk.ts`). Never so of a candidate. */
  isDiskFull: boolean;
  /** Not null: this member returns without its log (`returning.ts`), and does not campaign. */
  lostEnd: LogEnd | null;
  /**
   * A learner, and asked for its vote by one who has less of the log; no leader was heard since. To
   * that one it is a voter.
   */
  isCountedOn: boolean;

  /** Never falls; `handedIndex <= commitIndex <= log.lastIndex`. */
  commitIndex: LogIndex;
  /** Up to here `ready` has handed out what is committed, by itself or in a snapshot. */
  handedIndex: LogIndex;

  /** Term and vote on disk. Never ahead of those above. */
  durable: HardState;
  write: InflightWrite | null;
  /** Writes handed out since the start. */
  writes: number;

  /** Since the timer was started; the leader's heartbeats and a granted vote start it. */
  electionElapsedTicks: number;
  /** As drawn; see `isElectionDue`. */
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
  readonly received: Received[];
  readonly snapshotWritten: SnapshotWrite[];
}

/** After every append and truncation. What `compact` cuts off the log was the snapshot's before. */
export function refreshConf(state: RaftState): void {
  if (state.confs.refresh(state.log)) confChanged(state);
}

/**
 * The current snapshot is another one: taken here, or sent by a leader, before `commitIndex` is
 * that of it.
 */
export function rebaseConf(state: RaftState): void {
  state.confs.rebase(state.snapshot, state.log, state.commitIndex);
  confChanged(state);
}

function confChanged(state: RaftState): void {
  state.conf = state.confs.inForce;
  state.peers = state.conf.members.map(({ id }) => id).filter((id) => id !== state.id);
  if (state.role.type === "leader") refreshProgress(state, state.role);
}

/**
 * What is known of a peer is kept for as long as it is one, whatever it is besides. Who was removed
 * and is added again is one anew, and what it had acknowledged is not taken over: it may come with
 * an empty disk.
 */
function refreshProgress(state: RaftState, leader: Leader): void {
  const { peers, confs, log, config } = state;
  const known = new Map(leader.progress);
  for (const peer of leader.progress.keys()) {
    if (peers.includes(peer)) {
      if (leader.leaving.delete(peer)) known.delete(peer);
    } else if (!leader.leaving.has(peer)) {
      leader.leaving.set(peer, { index: confs.inForceIndex, ticks: 0 });
    }
  }
  const followed = [...peers, ...leader.leaving.keys()].sort();
  leader.progress = new Map(
    followed.map((id) => [id, known.get(id) ?? new Progress(config, log.lastIndex + 1)]),
  );
}

/** One tick more for who was removed by what is committed; whose time is over is forgotten. */
export function tickLeaving(state: RaftState, leader: Leader): void {
  for (const [id, leaving] of leader.leaving) {
    if (leaving.index <= state.commitIndex) leaving.ticks++;
    if (leaving.ticks < state.config.electionTicksMax) continue;
    leader.leaving.delete(id);
    leader.progress = new Map([...leader.progress].filter(([peer]) => peer !== id));
  }
}

export function createState(config: RaftConfig, restored: RestoredLog): RaftState {
  checkConfig(config);
  const { hardState, snapshot, logStart, entries } = restored;
  const log = new RaftLog(logStart, entries);
  assert(snapshot.index === 0 || isStored(snapshot), "a snapshot has chunks");
  assert(log.termAt(snapshot.index) === snapshot.term, () => {
    return `a snapshot at ${snapshot.index}@${snapshot.term}, a log from ${log.start.index} to ${log.lastIndex}`;
  });
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
    confs: new ConfHistory(config.confCodec, snapshot),
    conf: snapshot.conf,
    peers: [],
    snapshot,
    install: null,
    snapshotWrites: new SnapshotWrites(),
    // The batch that stored it held all entries up to it, so nothing below it can be missing here.
    commitIndex: Math.max(snapshot.index, restored.commitIndex),
    handedIndex: snapshot.index,
    isDiskFull: false,
    lostEnd: restored.lostEnd,
    isCountedOn: false,
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
    received: [],
    snapshotWritten: [],
  };
  state.confs.refresh(log);
  confChanged(state);
  restartElectionTimer(state);
  return state;
}

export function newFollower(leader: MemberId | null): Follower {
  return { type: "follower", leader, ticksSinceLeader: 0, verifiedIndex: 0, ackedIndex: 0 };
}

/** With a new timeout each time: of two that drew the same one, neither would ever win (§5.2). */
export function restartElectionTimer(state: RaftState): void {
  const { electionTicksMin, electionTicksMax, random } = state.config;
  const drawn = electionTicksMin + random(electionTicksMax - electionTicksMin + 1);
  state.electionElapsedTicks = 0;
  state.electionTimeoutTicks = drawn;
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

/**
 * A sole voter has nobody to wait for, but for a leader that has just removed itself and is about
 * to commit that (dissertation 4.2.2).
 */
export function isElectionDue(state: RaftState): boolean {
  const isAlone = isSoleVoter(state.conf, state.id) && leaderOf(state) === null;
  return state.electionElapsedTicks >= (isAlone ? 1 : state.electionTimeoutTicks);
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
  state.confs.checkInvariants(log);
  assert(state.conf === state.confs.inForce, "the configuration in force is the last one");
  assert(
    log.start.index <= state.snapshot.index &&
      state.snapshot.index <= state.handedIndex &&
      state.handedIndex <= state.commitIndex &&
      state.commitIndex <= log.lastIndex,
    () =>
      `start ${log.start.index}, snapshot ${state.snapshot.index}, handed ${state.handedIndex}, commit ${state.commitIndex}, last ${log.lastIndex}`,
  );
  if (state.install !== null) checkInstall(state, state.install);
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
  assert(state.lostEnd === null || role.type === "follower", "who returns does not campaign");
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
    assert(!state.isDiskFull, "a candidate has room for its no-op");
    assert(
      !role.votes.has(state.id) || (durable.term === state.term && durable.vote === state.id),
      "a candidate counts its own vote once it is durable",
    );
  }
}

function checkInstall(state: RaftState, install: Install): void {
  const { snapshot, receivedChunks, durableChunks } = install;
  assert(state.role.type === "follower", () => `a ${state.role.type} receives a snapshot`);
  assert(install.term <= state.term, "a snapshot comes from a leader that was heard");
  assert(
    snapshot.index > state.snapshot.index &&
      durableChunks <= receivedChunks &&
      receivedChunks <= snapshot.chunks &&
      (!install.isSwitching || durableChunks === snapshot.chunks),
    () => `chunks ${durableChunks}, ${receivedChunks} of ${snapshot.chunks}`,
  );
}

function checkLeader(state: RaftState, role: Leader): void {
  const { log, durable } = state;
  assert(durable.term === state.term && durable.vote === state.id, "a leader's vote is durable");
  assert(log.lastTerm === state.term, "a leader's log ends in its own term");
  const followed = state.peers.length + role.leaving.size;
  assert(role.progress.size === followed, "a leader follows its peers and who is leaving");
  for (const peer of state.peers) must(role.progress.get(peer)).checkInvariants(log.lastIndex);
  for (const id of role.leaving.keys()) must(role.progress.get(id)).checkInvariants(log.lastIndex);
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
