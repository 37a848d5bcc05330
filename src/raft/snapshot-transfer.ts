import { assert } from "../util/assert.ts";
import type { Snapshot } from "./types.ts";

/**
 * `asking`: what the peer has of it is to be asked, before anything is sent.
 * `asked`: the question is out, and neither answered nor given up.
 * `sending`: chunks are sent ahead of the answers, within a window.
 */
type TransferState = "asking" | "asked" | "sending";

/**
 * A snapshot on its way to one peer (§7, dissertation 5.2). Chunks leave in order, and a peer takes
 * them in order. Where some may be lost, or the peer may have lost what it had, it is asked and
 * believed: nothing else tells a chunk that was lost from one that waits for a slow disk.
 */
export class SnapshotTransfer {
  readonly snapshot: Snapshot;
  readonly #inflightChunksMax: number;
  #state: TransferState = "asking";
  /** Chunks before it are on the peer's disk, as far as it said. */
  #next = 0;
  /** Chunks before it are there, or on their way. `#next <= #sent <= snapshot.chunks`. */
  #sent = 0;
  /** Asked of this member's own disk. */
  #loading: number | null = null;
  /** An answer has brought something since the last heartbeat, or between that and the one before. */
  #hasMoved = false;
  #hadMoved = false;

  constructor(snapshot: Snapshot, inflightChunksMax: number) {
    this.snapshot = snapshot;
    this.#inflightChunksMax = inflightChunksMax;
  }

  get next(): number {
    return this.#next;
  }

  get sent(): number {
    return this.#sent;
  }

  get isQuestionDue(): boolean {
    return this.#state === "asking";
  }

  asked(): void {
    assert(this.#state === "asking", "a question that is wanted is asked");
    this.#state = "asked";
  }

  /** The chunk to load now; null where one is being loaded, the window is full, or none is left. */
  get wanted(): number | null {
    if (this.#state !== "sending" || this.#loading !== null) return null;
    const end = Math.min(this.snapshot.chunks, this.#next + this.#inflightChunksMax);
    return this.#sent < end ? this.#sent : null;
  }

  loading(chunk: number): void {
    assert(chunk === this.wanted, () => `chunk ${chunk} is not wanted`);
    this.#loading = chunk;
  }

  /** True where it is to be sent; else it was asked for by an earlier transfer, or before a break. */
  loaded(chunk: number): boolean {
    if (chunk !== this.#loading) return false;
    this.#loading = null;
    if (this.#state !== "sending" || chunk !== this.#sent) return false;
    this.#sent++;
    return true;
  }

  /**
   * The peer has the chunks before `received`, and those before `next` on disk. Only the answer to
   * a question takes anything back: others may have been overtaken.
   */
  answered(next: number, received: number): void {
    assert(next <= received && received <= this.snapshot.chunks, () => {
      return `${next} durable of ${received} of ${this.snapshot.chunks} chunks`;
    });
    if (this.#state !== "sending") {
      this.#state = "sending";
      this.#next = next;
      this.#sent = received;
      this.#hasMoved = true;
    } else if (next > this.#next) {
      this.#next = next;
      this.#sent = Math.max(this.#sent, next);
      this.#hasMoved = true;
    }
  }

  heartbeatSent(): void {
    this.#hadMoved = this.#hasMoved;
    this.#hasMoved = false;
  }

  /**
   * A heartbeat that was sent since the last `heartbeatSent` is answered. If nothing has come for
   * an interval of what is out, or of the last word, that all is installed, it may be lost.
   */
  heartbeatAnswered(): void {
    const isWaiting = this.#sent > this.#next || this.#next === this.snapshot.chunks;
    const hasStopped = isWaiting && !this.#hasMoved && !this.#hadMoved;
    if (this.#state === "asked" || hasStopped) this.#state = "asking";
  }

  /** What was on the link is lost. While it is down, nothing is sent until a heartbeat is answered. */
  linkChanged(isUp: boolean): void {
    this.#state = isUp ? "asking" : "asked";
  }

  checkInvariants(): void {
    const { chunks } = this.snapshot;
    assert(
      this.#next <= this.#sent &&
        this.#sent <= chunks &&
        this.#sent <= this.#next + this.#inflightChunksMax,
      () => `${this.#next} chunks durable, ${this.#sent} sent, of ${chunks}`,
    );
  }
}
