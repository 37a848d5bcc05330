import type { ConfState, Entry, MemberId, Snapshot, SnapshotId } from "../../src/raft/types.ts";
import type { Prng } from "../prng.ts";
import { endOf, type LogState, NOTHING, type Part, persisted, setAside } from "./log-state.ts";

const CANDIDATES: readonly MemberId[] = ["a1".repeat(8), "b2".repeat(8)];
const ENTRY_BYTES_MAX = 3_000;
const CHUNK_BYTES_MAX = 3_000;
const NONCE_BOUND = 2 ** 48;
const CONF: ConfState = {
  voters: CANDIDATES,
  votersOutgoing: [],
  learners: [],
  members: CANDIDATES.map((id, i) => ({ id, name: `n${i + 1}`, address: "" })),
};

/** What is done to a directory. */
export type Action =
  | { readonly type: "persist"; readonly part: Part }
  /** What is done later is done now: the raised mark, a slice of deletions. */
  | { readonly type: "elapse" }
  | { readonly type: "bear" }
  | { readonly type: "setAside" }
  | { readonly type: "reopen" }
  /** A file of the database is lost, and a start makes the log whole of what is left. */
  | { readonly type: "heal" }
  | { readonly type: "returned" }
  | { readonly type: "leave" };

/** Writes down what Raft may ask of a storage, one thing after the other; contents from `prng`. */
export class Script {
  readonly actions: Action[] = [];
  readonly #prng: Prng;
  #state: LogState = NOTHING;
  #commitIndex = 0;
  #former: SnapshotId | null = null;

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  /** A new term, with a vote or without. */
  term(vote: MemberId | null = null): this {
    const term = this.#state.hardState.term + 1;
    return this.#persist({ hardState: { term, vote } });
  }

  vote(): this {
    const { term } = this.#state.hardState;
    return this.#persist({ hardState: { term, vote: this.#prng.pick(CANDIDATES) } });
  }

  /** Behind the end, all but the last `open` of them committed with it. */
  append(count: number, open = 2, bytesMax = ENTRY_BYTES_MAX): this {
    return this.#write(endOf(this.#state).index, count, open, null, bytesMax);
  }

  /** In a new term, in the place of the last `back`. */
  truncate(back: number, count: number): this {
    const { index } = endOf(this.#state);
    const term = this.#state.hardState.term + 1;
    return this.#write(index - back, count, count, term, ENTRY_BYTES_MAX);
  }

  /** A snapshot of its own, `back` before what is committed. */
  take(back: number): this {
    const index = this.#commitIndex - back;
    const term = this.#state.entries.find((entry) => entry.index === index)?.term ?? 0;
    const { snapshot, chunks } = this.#snapshot(index, term);
    this.#stage(snapshot, chunks, true);
    return this.#persist({ snapshot: { type: "switch", snapshot, chain: null } });
  }

  /** Chunks of one that is never finished. */
  stage(): this {
    const { snapshot, chunks } = this.#snapshot(this.#commitIndex, this.#state.hardState.term);
    return this.#stage(snapshot, chunks, false);
  }

  /** A received one, that much behind what is committed. */
  install(ahead: number): this {
    const term = this.#state.hardState.term + 1;
    this.#persist({ hardState: { term, vote: null } });
    const { snapshot, chunks } = this.#snapshot(this.#commitIndex + ahead, term);
    this.#stage(snapshot, chunks, false);
    this.#commitIndex = snapshot.index;
    const chain = this.#prng.hex(16);
    return this.#persist({ snapshot: { type: "switch", snapshot, chain } });
  }

  /** The log begins `back` before the snapshot. */
  cut(back: number): this {
    const index = (this.#state.snapshot?.index ?? 0) - back;
    return this.#persist({ snapshot: { type: "cut", index } });
  }

  /** The snapshot before the current one. */
  drop(): this {
    if (this.#former === null) throw new Error("nothing to drop");
    const { index, nonce } = this.#former;
    return this.#persist({ snapshot: { type: "drop", id: { index, nonce } } });
  }

  elapse(times = 1): this {
    for (let i = 0; i < times; i += 1) this.actions.push({ type: "elapse" });
    return this;
  }

  also(type: "bear" | "reopen" | "heal" | "returned" | "leave"): this {
    this.actions.push({ type });
    return this;
  }

  setAside(): this {
    this.actions.push({ type: "setAside" }, { type: "reopen" });
    this.#state = setAside(this.#state);
    this.#commitIndex = 0;
    return this;
  }

  #write(behind: number, count: number, open: number, term: number | null, bytesMax: number): this {
    const entries = Array.from({ length: count }, (_, i): Entry => {
      const isNoop = this.#prng.chance(100);
      return {
        index: behind + 1 + i,
        term: term ?? this.#state.hardState.term,
        kind: isNoop ? "noop" : "commands",
        data: isNoop ? new Uint8Array() : this.#bytes(bytesMax),
      };
    });
    this.#commitIndex = Math.max(this.#commitIndex, behind + count - open);
    return this.#persist({
      hardState: term === null ? null : { term, vote: null },
      entries,
    });
  }

  #snapshot(
    index: number,
    term: number,
  ): { readonly snapshot: Snapshot; readonly chunks: readonly Uint8Array[] } {
    const chunks = Array.from({ length: this.#prng.between(3, 6) }, () =>
      this.#bytes(CHUNK_BYTES_MAX),
    );
    const bytes = chunks.reduce((sum, { length }) => sum + length, 0);
    const id = { index, nonce: this.#prng.below(NONCE_BOUND) };
    const digest = this.#prng.hex(16);
    return { snapshot: { ...id, term, conf: CONF, chunks: chunks.length, bytes, digest }, chunks };
  }

  /** Two at first, then the others; together with entries, as a member that goes on does it. */
  #stage({ index, nonce }: Snapshot, chunks: readonly Uint8Array[], isGoingOn: boolean): this {
    const id = { index, nonce };
    this.#persist({ snapshot: { type: "stage", id, first: 0, chunks: chunks.slice(0, 2) } });
    const rest = { type: "stage", id, first: 2, chunks: chunks.slice(2) } as const;
    if (!isGoingOn) return this.#persist({ snapshot: rest });
    const end = endOf(this.#state);
    const { term } = this.#state.hardState;
    const entry: Entry = { index: end.index + 1, term, kind: "commands", data: this.#bytes(100) };
    return this.#persist({ entries: [entry], snapshot: rest });
  }

  #persist(parts: Partial<Part>): this {
    const none = { hardState: null, entries: [], snapshot: null };
    const part = { ...none, commitIndex: this.#commitIndex, ...parts };
    if (part.snapshot?.type === "switch") this.#former = this.#state.snapshot;
    this.#state = persisted(this.#state, part);
    this.actions.push({ type: "persist", part });
    return this;
  }

  #bytes(max: number): Uint8Array {
    return Buffer.alloc(this.#prng.between(1, max), this.#prng.hex(64));
  }
}
