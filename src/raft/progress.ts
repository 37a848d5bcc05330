import { assert } from "../util/assert.ts";
import type { RaftConfig } from "./config.ts";
import { SnapshotTransfer } from "./snapshot-transfer.ts";
import type { Entry, LogIndex, Snapshot } from "./types.ts";

export type ProgressState = "probe" | "replicate" | "snapshot";

interface Inflight {
  readonly lastIndex: LogIndex;
  readonly bytes: number;
}

export function bytesOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, entry) => sum + entry.data.byteLength, 0);
}

/**
 * What a leader knows of one peer. `probe`: where the logs agree is not known, one message at a
 * time looks for it. `replicate`: entries are sent ahead of the answers, within a window.
 * `snapshot`: the peer needs entries that are cut off, and is sent a snapshot instead.
 */
export class Progress {
  readonly #config: RaftConfig;
  #state: ProgressState = "probe";
  /** Vouched for by the peer in this term: falls only with its log, always below `nextIndex`. */
  #matchIndex: LogIndex = 0;
  /** Up to here the peer had a log that it came back without; 0: it was not heard to have lost one. */
  #lostIndex: LogIndex = 0;
  /** The first entry of the next message; in `snapshot`, of the first one behind it. */
  #nextIndex: LogIndex;
  /** `probe` only: a message is out and neither answered nor given up. */
  #isProbeSent = false;
  /**
   * `probe` only: entries from `nextIndex` on were sent, and no answer came. A peer whose disk is full
   * takes none: it is asked whether it does before it is sent them again.
   */
  #hasProbedEntries = false;
  /** `replicate` only: messages not yet acknowledged, by rising `lastIndex`, all above match. */
  readonly #inflight: Inflight[] = [];
  /** The sum of `#inflight`. */
  #inflightBytes = 0;
  /** `snapshot` only, and there always. */
  #transfer: SnapshotTransfer | null = null;
  /** The peer was told, if nothing was lost, that this much is committed. */
  sentCommitIndex: LogIndex = 0;
  /** The latest round that the peer has answered. */
  ackedRound = 0;
  /** An answer to this round or a later one makes the leader ask for what the peer has. 0: none. */
  #checkRound = 0;
  /** Such an answer came, and nothing was sent since. */
  #isCheckDue = false;
  /** Since the last answer of this term (CheckQuorum). */
  ticksSinceHeard = 0;
  /** No rejection has ended `replicate` since the last heartbeat. */
  #mayFallBack = true;

  constructor(config: RaftConfig, nextIndex: LogIndex) {
    this.#config = config;
    this.#nextIndex = nextIndex;
  }

  get state(): ProgressState {
    return this.#state;
  }

  get matchIndex(): LogIndex {
    return this.#matchIndex;
  }

  get nextIndex(): LogIndex {
    return this.#nextIndex;
  }

  /** It returned without its log and lacks some of that. */
  get isRefilling(): boolean {
    return this.#matchIndex < this.#lostIndex;
  }

  get transfer(): SnapshotTransfer | null {
    return this.#transfer;
  }

  get inflightBytes(): number {
    return this.#inflightBytes;
  }

  get inflightEntries(): number {
    return this.#state === "replicate" ? this.#nextIndex - 1 - this.#matchIndex : 0;
  }

  /** A message with entries may be sent; 0 entries or bytes left close the window. */
  get isOpen(): boolean {
    if (this.#state === "snapshot") return false;
    return this.#state === "probe"
      ? !this.#isProbeSent
      : this.inflightEntries < this.#config.inflightEntriesMax &&
          this.#inflightBytes < this.#config.inflightBytesMax;
  }

  /** An empty message is wanted, to learn what the peer has; the window does not hold it back. */
  get isCheckDue(): boolean {
    return this.#isCheckDue;
  }

  get entriesMax(): number {
    if (this.#hasProbedEntries) return 0;
    return this.#config.inflightEntriesMax - this.inflightEntries;
  }

  get bytesMax(): number {
    const { inflightBytesMax, appendBytesMax } = this.#config;
    return Math.min(appendBytesMax, inflightBytesMax - this.#inflightBytes);
  }

  /** A message with these entries, from `nextIndex` on, was sent. */
  sent(entries: readonly Entry[]): void {
    assert(this.#state !== "snapshot", "entries wait for the snapshot before them");
    assert(this.#state === "replicate" || !this.#isProbeSent, "one probe at a time");
    this.#isCheckDue = false;
    if (this.#state === "probe") {
      this.#isProbeSent = true;
      this.#hasProbedEntries ||= entries.length > 0;
    } else if (entries.length > 0) {
      const bytes = bytesOf(entries);
      this.#nextIndex += entries.length;
      this.#inflight.push({ lastIndex: this.#nextIndex - 1, bytes });
      this.#inflightBytes += bytes;
    }
  }

  /** The peer vouches for everything up to `matchIndex`. True where that is news. */
  acknowledged(matchIndex: LogIndex): boolean {
    const isNews = matchIndex > this.#matchIndex;
    if (isNews) {
      this.#matchIndex = matchIndex;
      this.#nextIndex = Math.max(this.#nextIndex, matchIndex + 1);
      while (this.#inflight[0] !== undefined && this.#inflight[0].lastIndex <= matchIndex) {
        this.#inflightBytes -= this.#inflight[0].bytes;
        this.#inflight.shift();
      }
    }
    // A vouch short of what was probed: the logs agree there, the peer's disk is behind. Its
    // completion will say more; to go back with `nextIndex` would only send it all again.
    if (this.#state === "probe" && this.#matchIndex >= this.#nextIndex - 1) {
      this.#state = "replicate";
      this.#isProbeSent = false;
      this.#hasProbedEntries = false;
    }
    return isNews;
  }

  /**
   * The peer has no such entry as `prevLogIndex`, and the logs may agree up to `agreeIndex`. False
   * where that answers nothing that is out: transports repeat and reorder, and every rejection
   * taken twice would be a message more, each of them rejected again.
   */
  rejected(prevLogIndex: LogIndex, agreeIndex: LogIndex): boolean {
    if (this.#state === "snapshot" || prevLogIndex <= this.#matchIndex) return false;
    if (this.#state === "replicate") {
      // Something before it was lost or overtaken; all up to match is known to be there. Once a
      // heartbeat: where a network reorders, one window sent again can bring as many rejections
      // as it has messages, and if each of those sent a window again there would be no end.
      if (prevLogIndex >= this.#nextIndex || !this.#mayFallBack) return false;
      this.becomeProbe();
      this.#mayFallBack = false;
      return true;
    }
    if (prevLogIndex !== this.#nextIndex - 1 || !this.#isProbeSent) return false;
    this.#nextIndex = Math.max(Math.min(prevLogIndex, agreeIndex + 1), this.#matchIndex + 1);
    this.#isProbeSent = false;
    this.#hasProbedEntries = false;
    return true;
  }

  /**
   * The peer has come back without the log that ended with `lostIndex`, and says so as it rejects
   * `prevLogIndex`. It may have vouched for more than that: of two logs that it lost one after the
   * other, the longer one may be the less up to date. Where it has been refilled since and had said
   * this before, it is asked once too often.
   */
  lost(prevLogIndex: LogIndex, lostIndex: LogIndex): void {
    this.#lostIndex = lostIndex;
    if (this.#state === "snapshot" || prevLogIndex > this.#matchIndex) return;
    this.#matchIndex = 0;
    this.becomeProbe();
    this.#nextIndex = prevLogIndex + 1;
    this.#isProbeSent = true;
  }

  /** The entry at `nextIndex - 1` is cut off the log. Also takes up another snapshot. */
  becomeSnapshot(snapshot: Snapshot): void {
    this.becomeProbe();
    this.#state = "snapshot";
    this.#transfer = new SnapshotTransfer(snapshot, this.#config.inflightChunksMax);
    this.#nextIndex = Math.max(snapshot.index, this.#matchIndex) + 1;
    this.#isCheckDue = false;
  }

  /** The peer has vouched for all that the snapshot would bring it, or for enough of the log. */
  endSnapshot(): void {
    assert(this.#state === "snapshot", "a snapshot was sent");
    this.#transfer = null;
    this.#state = "replicate";
    this.#nextIndex = this.#matchIndex + 1;
  }

  /** The link to the peer came up or went down, and lost what was on it. */
  linkChanged(isUp: boolean): void {
    if (this.#transfer !== null) {
      this.#transfer.linkChanged(isUp);
      return;
    }
    this.becomeProbe();
    if (!isUp) this.pause();
  }

  /** What was sent may be lost: start again from what is known, or go on looking for it. */
  becomeProbe(): void {
    if (this.#state !== "probe") this.#nextIndex = this.#matchIndex + 1;
    this.#state = "probe";
    this.#transfer = null;
    this.#isProbeSent = false;
    this.#hasProbedEntries = false;
    this.#inflight.length = 0;
    this.#inflightBytes = 0;
    this.sentCommitIndex = 0;
  }

  /** Nothing is sent until the peer answers a heartbeat, or its link is up again. */
  pause(): void {
    assert(this.#state === "probe", "a window is not paused");
    this.#isProbeSent = true;
  }

  /** A heartbeat of `round` goes out; its answer shows whether something before it was lost. */
  heartbeatSent(round: number): void {
    this.#checkRound = round;
    this.#mayFallBack = true;
    this.#transfer?.heartbeatSent();
  }

  /** A heartbeat was answered: what was sent before it and is not acknowledged may be lost. */
  heartbeatAnswered(round: number, lastIndex: LogIndex): void {
    this.ackedRound = Math.max(this.ackedRound, round);
    if (this.#checkRound === 0 || round < this.#checkRound) return;
    this.#checkRound = 0;
    if (this.#transfer !== null) {
      this.#transfer.heartbeatAnswered();
      return;
    }
    this.#isProbeSent = false;
    this.#isCheckDue = this.#matchIndex < lastIndex;
  }

  checkInvariants(lastIndex: LogIndex): void {
    assert(this.#matchIndex < this.#nextIndex && this.#nextIndex <= lastIndex + 1, () => {
      return `match ${this.#matchIndex}, next ${this.#nextIndex}, last ${lastIndex}`;
    });
    assert(
      this.inflightEntries <= this.#config.inflightEntriesMax && this.#inflightBytes >= 0,
      () => `${this.inflightEntries} entries, ${this.#inflightBytes} bytes in flight`,
    );
    assert(this.#state === "replicate" || this.#inflight.length === 0, "a probe has no window");
    assert((this.#state === "snapshot") === (this.#transfer !== null), "a snapshot is on its way");
    this.#transfer?.checkInvariants();
  }
}
