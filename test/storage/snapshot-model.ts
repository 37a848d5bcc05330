import fc from "fast-check";
import type { Entry, PersistRequest, SnapshotId, SnapshotWrite } from "../../src/raft/types.ts";
import type { LoadedLog } from "../../src/storage/storage.ts";
import { chunksOf, entry, hardState, snapshotAt, stage, switchTo } from "./fixture.ts";

/** What a caller may want next; numbers are taken modulo what is possible. */
export type Action =
  | {
      readonly type: "append";
      readonly back: number;
      readonly count: number;
      readonly commit: number;
    }
  | { readonly type: "stage"; readonly ahead: number; readonly chunks: number }
  | { readonly type: "stageOn"; readonly chunks: number }
  | { readonly type: "take"; readonly at: number }
  | { readonly type: "install"; readonly ahead: number; readonly withEntries: boolean }
  | { readonly type: "switchAgain" }
  | { readonly type: "cut"; readonly at: number }
  | { readonly type: "drop"; readonly which: number };

const CHUNKS = 5;
const small = fc.nat(4);

export const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant("append" as const),
      back: small,
      count: fc.integer({ min: 1, max: 5 }),
      commit: small,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("stage" as const), ahead: small, chunks: small }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("stageOn" as const), chunks: small }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("take" as const), at: small }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("install" as const),
      ahead: fc.nat(8),
      withEntries: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("switchAgain" as const) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("cut" as const), at: small }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("drop" as const), which: small }) },
);

interface Current {
  readonly write: SnapshotWrite & { type: "switch" };
}

/** A log and its snapshots as plain arrays: what must be on disk, and nothing of how. */
export class SnapshotModel {
  /** From index 1 on; what is cut or covered stays here, and is not compared. */
  #entries: (Entry | null)[] = [];
  #start = { index: 0, term: 0 };
  #term = 0;
  #commitIndex = 0;
  #current: Current | null = null;
  #former: SnapshotId[] = [];
  #staged: { readonly id: SnapshotId; readonly next: number } | null = null;
  #nonce = 0;

  copy(): SnapshotModel {
    const copy = new SnapshotModel();
    copy.#entries = [...this.#entries];
    copy.#start = this.#start;
    copy.#term = this.#term;
    copy.#commitIndex = this.#commitIndex;
    copy.#current = this.#current;
    copy.#former = [...this.#former];
    copy.#staged = this.#staged;
    copy.#nonce = this.#nonce;
    return copy;
  }

  /** The requests, in order, that the action takes; none where it is not possible. */
  *requests(next: Action): Generator<Omit<PersistRequest, "write">> {
    switch (next.type) {
      case "append":
        yield this.#append(next.back, next.count, next.commit);
        return;
      case "stage": {
        const id = { index: this.#commitIndex + next.ahead, nonce: this.#newNonce() };
        yield this.#stage(id, 0, 1 + next.chunks);
        return;
      }
      case "stageOn": {
        const staged = this.#staged;
        if (staged !== null && staged.next < CHUNKS) {
          yield this.#stage(
            staged.id,
            staged.next,
            Math.min(CHUNKS, staged.next + next.chunks + 1),
          );
        }
        return;
      }
      case "take":
        yield* this.#take(next.at);
        return;
      case "install":
        yield* this.#install(next.ahead, next.withEntries);
        return;
      case "switchAgain":
        if (this.#current !== null) yield this.#request({ snapshot: this.#current.write });
        return;
      case "cut": {
        if (this.#current === null) return;
        const index = this.#current.write.snapshot.index - next.at;
        if (index < 0) return;
        if (index > this.#start.index) {
          this.#start = { index, term: this.#entries[index - 1]!.term };
        }
        yield this.#request({ snapshot: { type: "cut", index } });
        return;
      }
      case "drop":
        yield* this.#drop(next.which);
        return;
    }
  }

  /** A start: nothing knows any more of what no pointer names. */
  restart(loaded: LoadedLog): void {
    this.#term = loaded.hardState.term;
    this.#former = [];
    this.#staged = null;
  }

  /** Log and snapshots go; what is written later is of later terms, and has other numbers. */
  setAside(): SnapshotModel {
    const next = new SnapshotModel();
    next.#term = this.#term;
    next.#nonce = this.#nonce;
    return next;
  }

  get entries(): readonly Entry[] {
    return this.#entries.slice(this.#start.index) as Entry[];
  }

  get lastIndex(): number {
    return this.#entries.length;
  }

  get logStart(): { readonly index: number; readonly term: number } {
    return this.#start;
  }

  get currentId(): SnapshotId | null {
    return this.#current?.write.snapshot ?? null;
  }

  /** Current and former ones. */
  get complete(): readonly SnapshotId[] {
    return this.#current === null ? [] : [this.#current.write.snapshot, ...this.#former];
  }

  get staged(): { readonly id: SnapshotId; readonly next: number } | null {
    return this.#staged;
  }

  /** Everything of a start but term and vote, and the commit index, which is a bound. */
  expected(): Omit<LoadedLog, "hardState" | "commitIndex"> {
    const snapshot = this.#current?.write.snapshot ?? null;
    return { snapshot, logStart: this.#start, entries: this.entries };
  }

  /** The chunks of the current snapshot. */
  chunks(): Uint8Array[] {
    const id = this.currentId;
    return id === null ? [] : chunksOf(id, 0, CHUNKS);
  }

  isCommitIndexRight(commitIndex: number): boolean {
    return commitIndex >= (this.currentId?.index ?? 0) && commitIndex <= this.#commitIndex;
  }

  #append(back: number, count: number, commit: number): Omit<PersistRequest, "write"> {
    this.#term += 1;
    const keep = Math.max(this.#commitIndex, this.#entries.length - back);
    this.#entries.length = keep;
    for (let at = 1; at <= count; at += 1) this.#entries.push(entry(keep + at, this.#term));
    this.#commitIndex = Math.min(this.#commitIndex + commit, this.#entries.length);
    return this.#request({
      hardState: hardState(this.#term),
      entries: this.#entries.slice(keep) as Entry[],
    });
  }

  *#take(at: number): Generator<Omit<PersistRequest, "write">> {
    const lowest = Math.max(1, this.currentId?.index ?? 0, this.#start.index);
    const index = Math.max(lowest, this.#commitIndex - at);
    if (index > this.#commitIndex) return;
    const term = index === this.#start.index ? this.#start.term : this.#entries[index - 1]!.term;
    const snapshot = snapshotAt(index, term, this.#newNonce());
    yield this.#stage(snapshot, 0, 2);
    yield this.#stage(snapshot, 2, CHUNKS);
    yield this.#switch(switchTo(snapshot) as Current["write"]);
  }

  *#install(ahead: number, withEntries: boolean): Generator<Omit<PersistRequest, "write">> {
    this.#term += 1;
    const index = this.#commitIndex + 1 + ahead;
    const snapshot = snapshotAt(index, this.#term, this.#newNonce());
    const chain = snapshot.nonce.toString(16).padStart(16, "a");
    yield { ...this.#stage(snapshot, 0, 3), hardState: hardState(this.#term) };
    yield this.#stage(snapshot, 3, CHUNKS);
    const { entries, hardState: term } = withEntries
      ? this.#append(1, 2, 0)
      : { entries: [], hardState: null };
    this.#entries.length = Math.min(this.#entries.length, index);
    while (this.#entries.length < index) this.#entries.push(null);
    this.#start = { index, term: snapshot.term };
    this.#commitIndex = index;
    const parts = this.#switch(switchTo(snapshot, chain) as Current["write"]);
    yield { ...parts, entries, hardState: term, commitIndex: 0 };
  }

  *#drop(which: number): Generator<Omit<PersistRequest, "write">> {
    const ids = [...this.#former, ...(this.#staged === null ? [] : [this.#staged.id])];
    const id = ids[which % Math.max(ids.length, 1)] ?? { index: 3, nonce: 999_999 };
    this.#former = this.#former.filter((each) => each !== id);
    if (this.#staged?.id === id) this.#staged = null;
    const { index, nonce } = id;
    yield this.#request({ snapshot: { type: "drop", id: { index, nonce } } });
  }

  #stage(id: SnapshotId, first: number, end: number): Omit<PersistRequest, "write"> {
    this.#staged = { id, next: end };
    return this.#request({ snapshot: stage(id, first, end) });
  }

  #switch(write: Current["write"]): Omit<PersistRequest, "write"> {
    if (this.#current !== null) this.#former.push(this.#current.write.snapshot);
    this.#current = { write };
    this.#staged = null;
    return this.#request({ snapshot: write });
  }

  #request(parts: Partial<PersistRequest>): Omit<PersistRequest, "write"> {
    return {
      hardState: null,
      entries: [],
      commitIndex: this.#commitIndex,
      snapshot: null,
      ...parts,
    };
  }

  #newNonce(): number {
    this.#nonce += 1;
    return this.#nonce;
  }
}
