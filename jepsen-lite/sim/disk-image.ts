import { isDeepStrictEqual } from "node:util";
import type {
  Entry,
  HardState,
  LogEnd,
  LogIndex,
  PersistRequest,
  Snapshot,
  SnapshotId,
} from "../../src/raft/types.ts";
import type { Opened } from "../../src/storage/memory-storage.ts";
import type { LoadedLog } from "../../src/storage/storage.ts";

interface StoredEntry {
  readonly entry: Entry;
  /** What was known to be committed when it was written. */
  readonly commitIndex: LogIndex;
}

/** What a disk has to hold, as plain values: made of requests alone, and of nothing that was read. */
export class DiskImage {
  #hardState: HardState = { term: 0, vote: null };
  #snapshot: Snapshot | null = null;
  #logStart: LoadedLog["logStart"] = { index: 0, term: 0 };
  /** Those that were cut stay, for whoever asks what was once here. */
  #entries = new Map<LogIndex, StoredEntry>();
  /** Of logs that were set aside, what no leader has had replaced since. */
  #aside = new Map<LogIndex, Entry>();
  #lostEnd: LogEnd | null = null;
  #lastIndex: LogIndex = 0;
  #commitIndex: LogIndex = 0;

  get hardState(): HardState {
    return this.#hardState;
  }

  get lastIndex(): LogIndex {
    return this.#lastIndex;
  }

  entry(index: LogIndex): Entry | undefined {
    return this.#entries.get(index)?.entry;
  }

  /** Which it holds, or set aside and votes as if it held it. */
  vouchedEntry(index: LogIndex): Entry | undefined {
    return this.entry(index) ?? this.#aside.get(index);
  }

  /** Of what was set aside, the furthest by the rule for votes; null unless something was. */
  get lostEnd(): LogEnd | null {
    return this.#lostEnd;
  }

  /** A copy without log and snapshot, which stands for them all the same. */
  setAside(): DiskImage {
    const copy = new DiskImage();
    copy.#hardState = this.#hardState;
    copy.#aside = new Map(this.#aside);
    for (const [index, { entry }] of this.#entries) {
      copy.#aside.set(index, entry);
    }
    copy.#lostEnd = this.#furthest();
    return copy;
  }

  returned(): void {
    this.#aside.clear();
    this.#lostEnd = null;
  }

  #furthest(): LogEnd {
    const index = this.#lastIndex;
    const { term } = this.entry(index) ?? this.#logStart;
    const lost = this.#lostEnd ?? { index: 0, term: 0 };
    const isCovered = term > lost.term || (term === lost.term && index >= lost.index);
    return isCovered ? { index, term } : lost;
  }

  /** With the request carried out. */
  lastIndexAfter({ entries, snapshot }: PersistRequest): LogIndex {
    const isInstalled = snapshot?.type === "switch" && snapshot.chain !== null;
    if (isInstalled && !this.#isCurrent(snapshot.snapshot)) return snapshot.snapshot.index;
    return entries.at(-1)?.index ?? this.#lastIndex;
  }

  /** A copy, on which the request was carried out. */
  with(request: Partial<PersistRequest>): DiskImage {
    const copy = new DiskImage();
    copy.#hardState = this.#hardState;
    copy.#snapshot = this.#snapshot;
    copy.#logStart = this.#logStart;
    copy.#entries = new Map(this.#entries);
    copy.#aside = new Map(this.#aside);
    copy.#lostEnd = this.#lostEnd;
    copy.#lastIndex = this.#lastIndex;
    copy.#commitIndex = this.#commitIndex;
    copy.apply(request);
    return copy;
  }

  apply({ hardState, entries = [], commitIndex = 0, snapshot }: Partial<PersistRequest>): void {
    this.#hardState = hardState ?? this.#hardState;
    const first = entries[0];
    if (first !== undefined) {
      for (let index = first.index; index <= this.#lastIndex; index += 1) {
        this.#entries.delete(index);
      }
      this.#commitIndex = Math.max(this.#commitIndex, commitIndex);
      for (const entry of entries) {
        this.#replaceAside(entry);
        this.#entries.set(entry.index, { entry, commitIndex: this.#commitIndex });
      }
      this.#lastIndex = first.index + entries.length - 1;
    }
    if (snapshot?.type === "switch") this.#switch(snapshot.snapshot, snapshot.chain !== null);
    if (snapshot?.type === "cut" && snapshot.index > this.#logStart.index) {
      const term = this.entry(snapshot.index)?.term ?? this.#snapshot?.term ?? 0;
      this.#logStart = { index: snapshot.index, term };
    }
  }

  /** Null where a start has found exactly this. */
  differsFrom(read: Pick<Opened, "loaded" | "lostEnd">): string | null {
    const { loaded, lostEnd } = read;
    const found = loaded.entries;
    const entries = Array.from({ length: this.#lastIndex - this.#logStart.index }, (_, at) =>
      this.#entries.get(this.#logStart.index + 1 + at),
    );
    const known = entries.map((stored) => stored?.commitIndex ?? 0);
    const differing = entries.findIndex((stored, at) => !isSame(stored?.entry, found[at]));
    const pairs: Readonly<Record<string, readonly [unknown, unknown]>> = {
      hardState: [this.#hardState, loaded.hardState],
      snapshot: [this.#snapshot, loaded.snapshot],
      logStart: [this.#logStart, loaded.logStart],
      lostEnd: [this.#lostEnd, lostEnd],
      length: [entries.length, found.length],
      commitIndex: [Math.max(this.#snapshot?.index ?? 0, ...known), loaded.commitIndex],
    };
    for (const [what, [own, theirs]] of Object.entries(pairs)) {
      if (!isDeepStrictEqual(own, theirs)) {
        return `${what} ${JSON.stringify(theirs)} instead of ${JSON.stringify(own)}`;
      }
    }
    return differing === -1 ? null : `another entry ${this.#logStart.index + 1 + differing}`;
  }

  /** As it would be with that log in place: what does not fit goes, and all behind it. */
  #replaceAside({ index, term }: Entry): void {
    const lost = this.#aside.get(index);
    if (lost === undefined || lost.term === term) return;
    for (const behind of [...this.#aside.keys()]) {
      if (behind >= index) this.#aside.delete(behind);
    }
  }

  #switch(snapshot: Snapshot, isInstalled: boolean): void {
    const { index, term } = snapshot;
    if (this.#isCurrent(snapshot)) return;
    this.#snapshot = snapshot;
    this.#commitIndex = Math.max(this.#commitIndex, index);
    if (isInstalled) {
      this.#entries.clear();
      this.#lastIndex = index;
      this.#logStart = { index, term };
    }
  }

  #isCurrent({ index, nonce }: SnapshotId): boolean {
    return this.#snapshot?.index === index && this.#snapshot.nonce === nonce;
  }
}

function isSame(own: Entry | undefined, found: Entry | undefined): boolean {
  return (
    own !== undefined &&
    found !== undefined &&
    own.index === found.index &&
    own.term === found.term &&
    own.kind === found.kind &&
    Buffer.compare(own.data, found.data) === 0
  );
}
