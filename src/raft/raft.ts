import { must } from "../util/assert.ts";
import { compact, retainIndex, writeSnapshot } from "./compaction.ts";
import type { ConfChange } from "./conf-change.ts";
import { isVoterOf } from "./conf-state.ts";
import type { RaftConfig, RestoredLog } from "./config.ts";
import { isDiskGivenUp } from "./disk-hang.ts";
import { dispatch } from "./dispatch.ts";
import { completeWrite, nextWrite } from "./durability.ts";
import { ownVoteDurable, tickElection } from "./election.ts";
import { setDiskFull } from "./full-disk.ts";
import {
  abandonOvertakenInstall,
  chunkLoaded,
  chunkMissing,
  sendSnapshots,
  snapshotWriteDurable,
} from "./install-snapshot.ts";
import { alarmWent, peerGone } from "./leader-loss.ts";
import type { LogView } from "./log.ts";
import { type ConfProposal, leaveJoint, proposeConf, stepDownIfGone } from "./membership.ts";
import type { RaftMessage } from "./messages.ts";
import type { Progress } from "./progress.ts";
import { quorumValue } from "./quorum.ts";
import { beginReadRound, beginRound, requestRead, sendRound, tickHeartbeat } from "./read-index.ts";
import type { PeerProgress, Ready } from "./ready.ts";
import { acknowledgeDurable, advanceCommit, replicate } from "./replication.ts";
import { endReturn, isRefilled } from "./returning.ts";
import { appendOwn, becomeFollower } from "./roles.ts";
import { type ChunkRequest, idOf, isStored, type LoadedChunk } from "./snapshot.ts";
import {
  checkInvariants,
  createState,
  isLeaderReady,
  type Leader,
  leaderOf,
  type RaftState,
  tickLeaving,
} from "./state.ts";
import { passTerm } from "./term-gate.ts";
import { advanceTransfer, beginTransfer, type TransferStart, tickTransfer } from "./transfer.ts";
import type {
  ConfState,
  EntryKind,
  LogEnd,
  LogIndex,
  MemberId,
  ReadId,
  Role,
  Snapshot,
  SnapshotWrite,
  Term,
} from "./types.ts";

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

  /** In force: the last in the log, committed or not. Its members are whom to keep links to. */
  get conf(): ConfState {
    return this.#state.conf;
  }

  /** As of `index`, which is not before the snapshot's: what a snapshot at `index` holds. */
  confAt(index: LogIndex): ConfState {
    return this.#state.confs.at(index);
  }

  /**
   * A configuration without this node is committed, and it was in an earlier one. Known from what
   * snapshot and log hold, and held since the start: a start from a snapshot without this node
   * cannot tell whether it was removed or is yet to be added.
   */
  get isRemoved(): boolean {
    return this.#state.confs.isGone(this.#state.id, this.#state.commitIndex);
  }

  /** The end of the log that it came back without, until `endReturn`; else null. */
  get lostEnd(): LogEnd | null {
    return this.#state.lostEnd;
  }

  /** Its log stands for all that it has ever vouched for: a member that returns may be so no longer. */
  get isRefilled(): boolean {
    return isRefilled(this.#state);
  }

  /** It has what it lacked, and may lead. Only when `isRefilled`. */
  endReturn(): void {
    endReturn(this.#state);
    checkInvariants(this.#state);
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

  /** The current one; null where the log goes back to the beginning of everything. */
  get snapshot(): Snapshot | null {
    const { snapshot } = this.#state;
    return isStored(snapshot) ? snapshot : null;
  }

  /** A snapshot of another member is being received. */
  get isInstalling(): boolean {
    return this.#state.install !== null;
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

  /**
   * A leader that hands over does not, so that the next one can have all of its log; nor one that is
   * no voter and goes with its next commit (`stepDownIfGone`); nor one whose disk is full.
   */
  get takesProposals(): boolean {
    const { role, isDiskFull, conf, id } = this.#state;
    return role.type === "leader" && role.transfer === null && !isDiskFull && isVoterOf(conf, id);
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
    if (message.to !== state.id || message.from === state.id) return;
    if (passTerm(state, message)) dispatch(state, message);
    abandonOvertakenInstall(state);
    checkInvariants(state);
  }

  /**
   * The entry's index; null when it takes none. It may still be lost with the leadership.
   */
  propose(kind: Exclude<EntryKind, "conf">, data: Uint8Array): LogIndex | null {
    if (!this.takesProposals) return null;
    const index = appendOwn(this.#state, kind, data);
    checkInvariants(this.#state);
    return index;
  }

  /**
   * Begins a change of the configuration. Where voters change, `index` is that of the joint one,
   * and the leader leaves it by itself: the change is complete when `conf` is not joint any more
   * and committed. It may still be lost with the leadership.
   */
  proposeConf(change: ConfChange): ConfProposal {
    const proposal = proposeConf(this.#state, change);
    checkInvariants(this.#state);
    return proposal;
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
    progress?.linkChanged(isUp);
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

  /** Whether there is room for entries on the disk. Until it is told otherwise there is. */
  setDiskFull(isFull: boolean): void {
    setDiskFull(this.#state, isFull);
    checkInvariants(this.#state);
  }

  get isDiskFull(): boolean {
    return this.#state.isDiskFull;
  }

  /** The write of that number is on disk. */
  persisted(write: number): void {
    const state = this.#state;
    const snapshotWrite = completeWrite(state, write);
    if (snapshotWrite !== null) snapshotWriteDurable(state, snapshotWrite);
    ownVoteDurable(state);
    acknowledgeDurable(state);
    advanceCommit(state);
    checkInvariants(state);
  }

  /**
   * A step in taking, or dropping, a snapshot: `stage` from chunk 0 on, then `switch` with chain
   * null, then `drop` of the former one. They are carried out in order, one with each write; `ready`
   * tells which are on disk. False where a snapshot of another member has come between: this one
   * cannot be finished, and is to be begun anew when that is `installed` or `abandoned`.
   */
  writeSnapshot(write: SnapshotWrite): boolean {
    const isTaken = writeSnapshot(this.#state, write);
    checkInvariants(this.#state);
    return isTaken;
  }

  /**
   * Cuts off the entries up to `index`, which is at most the current snapshot's. Peers that still
   * need them will be sent that snapshot: see `retainIndex`.
   */
  compact(index: LogIndex): void {
    compact(this.#state, index);
    checkInvariants(this.#state);
  }

  /** The first entry that a peer still needs, to which the log is best cut at most. */
  retainIndex(): LogIndex {
    return retainIndex(this.#state);
  }

  /** Answers a request of `ready`. */
  chunkLoaded(loaded: LoadedChunk): void {
    chunkLoaded(this.#state, loaded);
    checkInvariants(this.#state);
  }

  /** Answers a request of `ready`: the snapshot was dropped meanwhile. */
  chunkMissing(request: Pick<ChunkRequest, "to" | "id">): void {
    chunkMissing(this.#state, request);
    checkInvariants(this.#state);
  }

  /** Of all that are followed, in the order of their ids; empty when not leader. */
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
      snapshot: snapshotOf(progress),
    }));
  }

  /** What there is to do, given out once. */
  ready(): Ready {
    const state = this.#state;
    let chunkRequests: readonly ChunkRequest[] = [];
    if (state.role.type === "leader") {
      leaveJoint(state);
      beginReadRound(state, state.role);
      sendRound(state, state.role);
      replicate(state, state.role);
      chunkRequests = sendSnapshots(state, state.role);
      advanceTransfer(state, state.role);
      stepDownIfGone(state);
    }
    const persist = nextWrite(state);
    const committed = state.log.between(state.handedIndex, state.commitIndex);
    state.handedIndex = state.commitIndex;
    const messages = state.outbox.splice(0);
    const readStates = state.readStates.splice(0);
    const received = state.received.splice(0);
    const snapshotWritten = state.snapshotWritten.splice(0);
    const { alarm } = state;
    state.alarm = null;
    checkInvariants(state);
    return {
      persist,
      messages,
      committed,
      readStates,
      alarm,
      received,
      snapshotWritten,
      chunkRequests,
    };
  }
}

function snapshotOf({ transfer }: Progress): PeerProgress["snapshot"] {
  if (transfer === null) return null;
  const { snapshot, next } = transfer;
  return { id: idOf(snapshot), chunks: snapshot.chunks, next };
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
  tickLeaving(state, leader);
  tickHeartbeat(state, leader);
}
