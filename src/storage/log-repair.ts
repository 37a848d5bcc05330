import type { LogIndex } from "../raft/types.ts";
import { assert, must } from "../util/assert.ts";
import {
  bufferOf,
  type Chain,
  type DecodedEntry,
  decodeStored,
  type LogPosition,
} from "./layout.ts";

/** An entry as it stands on some disk, whole in itself; whether it is the right one is not said. */
interface Candidate {
  readonly decoded: DecodedEntry;
  readonly value: Buffer;
  /** Else a peer has given it. */
  readonly isOwn: boolean;
}

/** The entry that is to be found next: at `index`, with the chain checksum `chain`. */
interface Wanted {
  readonly index: LogIndex;
  readonly chain: Chain;
}

export type RepairState =
  /** Every entry from the start to the end is there, and proved. */
  | { readonly type: "whole" }
  | { readonly type: "wants"; readonly wanted: LogIndex }
  /** What is there of the log contradicts itself: no entry that anybody has can make it whole. */
  | { readonly type: "contradicts"; readonly index: LogIndex };

/**
 * A log that has holes, put together from what is left of it and from what peers have.
 *
 * Each entry names the chain checksum of the one before, which depends on all that came before. So
 * the log is known from its end: the last entry that is whole, or the mark where nothing is left of
 * what it tells of. From there each entry proves the one before it, whoever had kept it, down to
 * where the log starts. n2 has lost 40 to 60; 61 says which 60 it was written after; n3 has that
 * very 60, and so on down to 40. An older entry that stands in the place of the right one is not
 * taken, and neither is another log's.
 *
 * A snapshot stands for all that is before it. Where the log is proved down to the very entry that
 * it was taken at, it is whole, and starts as low as it is proved: entries before it that nobody
 * has any more are not needed. One that was taken behind the mark has to be tied to that first: it
 * may be another cluster's.
 */
export class LogRepair {
  readonly #start: LogPosition;
  readonly #mark: LogPosition;
  /** Of the snapshot that is there as a whole. */
  #snapshot: LogPosition | null;
  readonly #end: LogPosition;
  readonly #furthest: LogPosition;
  readonly #candidates = new Map<LogIndex, Map<Chain, Candidate>>();
  /** From the end downwards. */
  readonly #proved: Candidate[] = [];
  #wanted: Wanted;
  #contradiction: LogIndex | null = null;

  /** `values`: entries as they were found, in the order in which they were written. */
  constructor(
    start: LogPosition,
    mark: LogPosition,
    values: Iterable<Uint8Array>,
    snapshot: LogPosition | null = null,
  ) {
    this.#start = start;
    this.#mark = mark;
    this.#snapshot = snapshot;
    const floor = [mark, snapshot ?? start].reduce(
      (one, other) => (other.index > one.index ? other : one),
      start,
    );
    let last: LogPosition | null = null;
    let furthest = floor;
    let commitIndex: LogIndex = 0;
    for (const value of values) {
      const decoded = this.#take(value, true);
      if (decoded === null) continue;
      last = decoded.position;
      if (isFurther(last, furthest)) furthest = last;
      commitIndex = Math.max(commitIndex, decoded.commitIndex);
    }
    this.#furthest = furthest;
    // What was written last is the end, and not what is furthest: a leader of term 4 may have had an
    // entry of term 3 replaced by two of term 2.
    this.#end = last === null || isFurther(floor, last) ? floor : last;
    this.#wanted = { index: this.#end.index, chain: this.#end.chain };
    // The mark is lowered before the log is: one of its two records was lost, and this is the older.
    // What was committed is never cut: then the end was lost, and the mark that told of it.
    const reached = Math.max(floor.index, commitIndex);
    if (reached > this.#end.index) this.#contradiction = reached;
    else this.#advance();
  }

  /** Of the log that is to be repaired: what its member has vouched for does not reach further. */
  get end(): LogPosition {
    return this.#end;
  }

  /** Of all that was ever written and can be read, by the rule for votes; or the mark. */
  get furthest(): LogPosition {
    return this.#furthest;
  }

  get state(): RepairState {
    if (this.#contradiction !== null) return { type: "contradicts", index: this.#contradiction };
    const { index } = this.#wanted;
    const cut = Math.min(this.#snapshot?.index ?? 0, this.#mark.index);
    const isWhole = index <= Math.max(this.#start.index, cut);
    return isWhole ? { type: "whole" } : { type: "wants", wanted: index };
  }

  /** Of a log that is whole: it begins behind this one, which is not past the snapshot. */
  get start(): LogPosition {
    const { index } = this.#wanted;
    if (index === this.#start.index || this.#snapshot === null) return this.#start;
    return index === this.#snapshot.index
      ? this.#snapshot
      : must(this.#proved.at(-1)).decoded.position;
  }

  /** How many entries are proved, and of how many. */
  get progress(): { readonly proved: number; readonly all: number } {
    return { proved: this.#proved.length, all: this.#end.index - this.#start.index };
  }

  /** Entries of whoever has some. Returns whether the log is closer to being whole. */
  offer(values: Iterable<Uint8Array>): boolean {
    const before = this.#proved.length;
    for (const value of values) this.#take(value, false);
    this.#advance();
    return this.#proved.length > before;
  }

  /**
   * Whether the log would be whole if a snapshot that was taken at that entry stood for what is before
   * it: it is known to have that very entry, and is proved down to it, and to the mark.
   */
  isWholeWith(snapshot: LogPosition): boolean {
    const needed = Math.min(snapshot.index, this.#mark.index);
    return this.#has(snapshot) && this.#wanted.index <= needed;
  }

  /** A snapshot that was taken at an entry of this log is there now. */
  adopt(snapshot: LogPosition): void {
    assert(this.isWholeWith(snapshot), () => `a snapshot at ${snapshot.index} is not of this log`);
    this.#snapshot = snapshot;
  }

  /** Those that are proved, by rising index. */
  *entries(): Generator<DecodedEntry> {
    const start = this.start.index;
    for (let at = this.#proved.length - 1; at >= 0; at -= 1) {
      const { decoded } = must(this.#proved[at]);
      if (decoded.position.index > start) yield decoded;
    }
  }

  /** Values at `to` and below, whole ones, for a peer that repairs its own log. */
  *valuesDownFrom(to: LogIndex): Generator<Uint8Array> {
    const indices = [...this.#candidates.keys()].filter((index) => index <= to);
    for (const index of indices.sort((a, b) => b - a)) {
      for (const { value } of this.#candidates.get(index)?.values() ?? []) yield value;
    }
  }

  /** The latest configuration that can be read of it, proved or not, or null. */
  get lastConf(): DecodedEntry | null {
    let last: DecodedEntry | null = null;
    for (const candidates of this.#candidates.values()) {
      for (const { decoded, isOwn } of candidates.values()) {
        if (!isOwn) continue;
        const isLater = last === null || isFurther(decoded.position, last.position);
        if (decoded.entry.kind === "conf" && isLater) last = decoded;
      }
    }
    return last;
  }

  /** It is proved, or the one behind it names it. */
  #has({ index, term, chain }: LogPosition): boolean {
    const proved = this.#proved[this.#end.index - index]?.decoded.position;
    if (proved !== undefined) return proved.chain === chain && proved.term === term;
    return this.#wanted.index === index && this.#wanted.chain === chain;
  }

  #take(bytes: Uint8Array, isOwn: boolean): DecodedEntry | null {
    const value = bufferOf(bytes);
    const decoded = decodeStored(value);
    if (decoded === null || decoded.position.index <= this.#start.index) return null;
    const { index, chain } = decoded.position;
    const known = this.#candidates.get(index) ?? new Map<Chain, Candidate>();
    if (!known.has(chain)) known.set(chain, { decoded, value, isOwn });
    this.#candidates.set(index, known);
    return decoded;
  }

  #advance(): void {
    for (;;) {
      const { index, chain } = this.#wanted;
      if (this.#contradicts(index, chain)) {
        this.#contradiction = index;
        return;
      }
      const found = this.#candidates.get(index)?.get(chain);
      if (found === undefined || index === this.#start.index) return;
      this.#proved.push(found);
      this.#wanted = { index: index - 1, chain: found.decoded.previous };
    }
  }

  #contradicts(index: LogIndex, chain: Chain): boolean {
    return [this.#start, this.#mark, this.#snapshot].some((known) => {
      return known?.index === index && index >= this.#start.index && known.chain !== chain;
    });
  }
}

/** By the rule for votes (§5.4.1). */
export function isFurther(one: LogPosition, other: LogPosition): boolean {
  return one.term > other.term || (one.term === other.term && one.index > other.index);
}
