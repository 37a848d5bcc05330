import { assert } from "../util/assert.ts";
import type { Reply } from "./command.ts";
import { type Digest, type Seed, writeReply, writeWindow } from "./digest.ts";
import type { SessionImage } from "./snapshot.ts";

/** What a numbered command of a living session is. */
export type Verdict =
  /** Its number is the one to be applied now. */
  | { readonly type: "next" }
  /** It was applied before. */
  | { readonly type: "kept"; readonly reply: Reply }
  /** The client waits for it no more, by its own word. */
  | { readonly type: "belowFloor"; readonly floor: number }
  | { readonly type: "gap"; readonly expected: number }
  /** More would be unanswered than a session may have. */
  | { readonly type: "tooMany" };

const NEXT: Verdict = { type: "next" };
const TOO_MANY: Verdict = { type: "tooMany" };

/** Pruned replies at the front of the list, from which on it is worth copying. */
const SLACK = 64;

/**
 * A session's window of numbers: which was applied last, which is the lowest that its client still
 * waits for, and the replies of all between, so that a retry on any node is applied once.
 */
export class Replies {
  readonly #seed: Seed;
  readonly #digest: Digest;
  readonly #max: number;
  /** Opening is number 0. */
  #lastSeq = 0;
  /** Never above `#lastSeq` once a command was applied. Never goes down. */
  #floor = 1;
  /** From `#start` on: the replies of `#floor` to `#lastSeq`, each number there. */
  #kept: Reply[] = [];
  #start = 0;

  constructor(seed: Seed, digest: Digest, max: number) {
    this.#seed = seed;
    this.#digest = digest;
    this.#max = max;
    writeWindow(digest, seed, this.#lastSeq, this.#floor).add();
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  get floor(): number {
    return this.#floor;
  }

  get size(): number {
    return this.#kept.length - this.#start;
  }

  reply(seq: number): Reply | null {
    if (seq < this.#floor || seq > this.#lastSeq) {
      return null;
    }
    return this.#kept[this.#start + seq - this.#floor] ?? null;
  }

  /**
   * A retry raises no floor: only an applied command has an effect. `tooMany` is as final as any
   * refusal: the floor that this copy brings stays too low, and no other number can come between.
   */
  judge(seq: number, floor: number): Verdict {
    const reply = this.reply(seq);
    if (reply !== null) {
      return { type: "kept", reply };
    }
    const lowest = Math.max(this.#floor, floor);
    if (seq < lowest) {
      return { type: "belowFloor", floor: lowest };
    }
    const expected = Math.max(this.#lastSeq + 1, floor);
    if (seq !== expected) {
      return { type: "gap", expected };
    }
    return seq - lowest >= this.#max ? TOO_MANY : NEXT;
  }

  /** Of a number that was judged `next`, with the floor it was judged by. */
  applied(seq: number, floor: number, reply: Reply): void {
    const digest = this.#digest;
    writeWindow(digest, this.#seed, this.#lastSeq, this.#floor).remove();
    this.#prune(Math.max(this.#floor, floor));
    this.#lastSeq = seq;
    if (this.#start === this.#kept.length) {
      this.#kept = [reply];
      this.#start = 0;
    } else {
      this.#kept.push(reply);
    }
    writeWindow(digest, this.#seed, this.#lastSeq, this.#floor).add();
    writeReply(digest, this.#seed, seq, reply).add();
  }

  /** The replies from `floor` on. */
  image(): readonly Reply[] {
    return this.#kept.slice(this.#start);
  }

  /** Of a window that was just made. */
  restore(image: Pick<SessionImage, "lastSeq" | "floor" | "replies">): void {
    const { lastSeq, floor, replies } = image;
    assert(replies.length === lastSeq - floor + 1, "each number from the floor on has its reply");
    writeWindow(this.#digest, this.#seed, this.#lastSeq, this.#floor).remove();
    this.#lastSeq = lastSeq;
    this.#floor = floor;
    this.#kept = [...replies];
    writeWindow(this.#digest, this.#seed, lastSeq, floor).add();
    for (const [place, reply] of replies.entries()) {
      writeReply(this.#digest, this.#seed, floor + place, reply).add();
    }
  }

  /** As of a session that was just opened: whoever goes on with it begins at number 1. */
  restart(): void {
    this.drop();
    this.#lastSeq = 0;
    this.#floor = 1;
    this.#kept = [];
    this.#start = 0;
    writeWindow(this.#digest, this.#seed, this.#lastSeq, this.#floor).add();
  }

  /** The session leaves the state. */
  drop(): void {
    writeWindow(this.#digest, this.#seed, this.#lastSeq, this.#floor).remove();
    this.#prune(this.#lastSeq + 1);
  }

  #prune(floor: number): void {
    for (let seq = this.#floor; seq < floor && seq <= this.#lastSeq; seq++) {
      const reply = this.#kept[this.#start] as Reply;
      writeReply(this.#digest, this.#seed, seq, reply).remove();
      this.#start += 1;
    }
    this.#floor = floor;
    if (this.#start >= SLACK && this.#start * 2 >= this.#kept.length) {
      this.#kept = this.#kept.slice(this.#start);
      this.#start = 0;
    }
  }
}
