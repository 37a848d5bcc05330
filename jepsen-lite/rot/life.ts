import { MARK_SYNC_MS } from "../../src/limits.ts";
import { confOf } from "../../src/raft/conf-state.ts";
import type {
  Entry,
  HardState,
  LogEnd,
  MemberId,
  PersistRequest,
  Snapshot,
} from "../../src/raft/types.ts";
import { type DataDirectory, openDirectory } from "../../src/storage/directory.ts";
import { encodeEntry, LOG_START, type LogPosition } from "../../src/storage/layout.ts";
import type { Membership, Storage } from "../../src/storage/storage.ts";
import { confCodec } from "../../src/wire/conf-codec.ts";
import type { Prng } from "../prng.ts";
import { contentOfChunks, type ToldSnapshot } from "./outcome.ts";

/** What is drawn before a life, so that two lives of one seed have the same shape. */
export interface LifePlace {
  readonly path: string;
  readonly name: string;
  readonly membership: Membership;
  readonly incarnation: string;
  /** Of every entry and chunk, in bytes. */
  readonly bytesMax: number;
}

/**
 * A member as its disk sees it: what a real one asks of its storage, drawn, and the memory of it.
 * The log that it has by the end is `entries`, from the first on, whatever it has cut of it.
 */
export class Life {
  readonly entries: Entry[] = [];
  readonly snapshots: ToldSnapshot[] = [];
  /** Entries in whose place others came. */
  readonly former: Entry[] = [];
  hardState: HardState = { term: 0, vote: null };
  readonly #place: LifePlace;
  readonly #prng: Prng;
  readonly #members: readonly MemberId[];
  #positions: LogPosition[] = [LOG_START];
  /** Of its own log, which may lack the last of `entries`. */
  #lastIndex = 0;
  #commitIndex = 0;
  #logStart = 0;
  #current: Snapshot | null = null;
  #directory: DataDirectory | null = null;
  #storage: Storage | null = null;
  #write = 0;
  #markTimers: (() => void)[] = [];

  constructor(place: LifePlace, prng: Prng) {
    this.#place = place;
    this.#prng = prng;
    this.#members = place.membership.members.map(({ incarnation }) => incarnation);
  }

  get path(): string {
    return this.#place.path;
  }

  get end(): LogEnd {
    const { index, term } = this.#positionAt(this.#lastIndex);
    return { index, term };
  }

  get lostEnd(): LogEnd | null {
    return this.#directory?.returning?.lostEnd ?? null;
  }

  async start(): Promise<void> {
    const { path, name, membership, incarnation } = this.#place;
    const random = { bytes: () => Buffer.from(incarnation, "hex") };
    this.#directory = await openDirectory(path, name, random);
    if (this.#directory.birth === null) await this.#directory.bear(membership);
    const timers = {
      after: (delayMs: number, run: () => void) => {
        if (delayMs === MARK_SYNC_MS) this.#markTimers.push(run);
        return { cancel: () => {} };
      },
    };
    const { storage } = await this.#directory.open({ timers });
    this.#storage = storage;
    this.#write = 0;
  }

  async stop(): Promise<void> {
    await this.#directory?.close();
    this.#markTimers = [];
  }

  /** What is written in the background, begun. */
  raiseMark(): void {
    for (const run of this.#markTimers.splice(0)) run();
  }

  async newTerm(): Promise<void> {
    const vote = this.#prng.pick([null, ...this.#members]);
    const term = this.hardState.term + this.#prng.between(1, 3);
    await this.#persist({ hardState: { term, vote } });
    if (vote === null && this.#prng.chance(300)) {
      await this.#persist({ hardState: { term, vote: this.#prng.pick(this.#members) } });
    }
  }

  async append(count: number): Promise<void> {
    this.former.push(...this.entries.splice(this.#lastIndex));
    this.#positions.length = this.#lastIndex + 1;
    const first = this.#lastIndex + 1;
    for (let index = first; index < first + count; index += 1) this.#make(index);
    await this.#appendFrom(first);
  }

  /** Entries that another leader has not, in its term. */
  async truncate(): Promise<void> {
    const first = this.#commitIndex + 1;
    if (first > this.#lastIndex) return;
    await this.newTerm();
    this.#lastIndex = this.#prng.between(first, this.#lastIndex) - 1;
    await this.append(this.#prng.between(1, 3));
  }

  async takeSnapshot(): Promise<void> {
    const index = this.#commitIndex;
    if (index <= (this.#current?.index ?? 0)) return;
    const former = this.#current;
    const { snapshot, chunks } = this.#drawSnapshot(index);
    await this.#stage(snapshot, chunks, 0, 1);
    if (this.#prng.chance(500)) await this.append(1);
    if (chunks.length > 1) await this.#stage(snapshot, chunks, 1, chunks.length);
    await this.#persist({ snapshot: { type: "switch", snapshot, chain: null } });
    this.#isCurrent(snapshot, chunks);
    if (former !== null && this.#prng.chance(700)) {
      await this.#persist({ snapshot: { type: "drop", id: former } });
    }
  }

  async cut(): Promise<void> {
    const limit = this.#current?.index ?? 0;
    if (limit <= this.#logStart) return;
    this.#logStart = this.#prng.between(this.#logStart + 1, limit);
    await this.#persist({ snapshot: { type: "cut", index: this.#logStart } });
  }

  /** Others have gone on meanwhile, and have cut their logs. */
  async install(): Promise<void> {
    const count = this.#prng.between(1, 20);
    for (let added = 0; added < count; added += 1) this.#make(this.entries.length + 1);
    const index = this.entries.length;
    const { snapshot, chunks } = this.#drawSnapshot(index);
    await this.#stage(snapshot, chunks, 0, chunks.length);
    const { chain } = this.#positionAt(index);
    await this.#persist({ snapshot: { type: "switch", snapshot, chain } });
    this.#isCurrent(snapshot, chunks);
    this.#lastIndex = index;
    this.#commitIndex = index;
    this.#logStart = index;
  }

  /** A state that went wrong: the log of the others takes the place of its own. */
  async setAside(): Promise<void> {
    await this.#directory?.setAside("for the campaign");
    await this.stop();
    await this.start();
    const { entries } = this;
    this.#lastIndex = 0;
    this.#commitIndex = 0;
    this.#logStart = 0;
    this.#current = null;
    if (entries.length > 0) await this.#appendFrom(1);
  }

  async returned(): Promise<void> {
    if (this.#directory?.returning != null) await this.#directory.returned();
  }

  /** Those of another member, as a leader sends them. */
  async follow(entries: readonly Entry[], hardState: HardState): Promise<void> {
    await this.#persist({ hardState });
    for (const entry of entries) this.#keep(entry);
    if (entries.length > 0) await this.#appendFrom(1);
  }

  #make(index: number): void {
    const { term } = this.hardState;
    const isConf = this.#prng.chance(50);
    const members = this.#place.membership.members.map(({ name, incarnation: id }) => {
      return { id, name, address: `${name}.test:${7400 + this.#prng.below(9)}` };
    });
    const data = isConf ? confCodec.encode(confOf(members)) : this.#bytes();
    this.#keep({ index, term, kind: isConf ? "conf" : "commands", data });
  }

  #keep(entry: Entry): void {
    this.entries.push(entry);
    const { position } = encodeEntry(entry, this.#positionAt(entry.index - 1).chain, 0);
    this.#positions.push(position);
  }

  #bytes(): Uint8Array {
    const digits = 2 * this.#prng.between(1, this.#place.bytesMax);
    return Buffer.from(this.#prng.hex(digits), "hex");
  }

  async #appendFrom(first: number): Promise<void> {
    for (let at = first; at <= this.entries.length; ) {
      const count = this.#prng.between(1, 20);
      const entries = this.entries.slice(at - 1, at - 1 + count);
      at += entries.length;
      this.#lastIndex = at - 1;
      if (this.#prng.chance(700)) {
        this.#commitIndex = this.#prng.between(this.#commitIndex, this.#lastIndex);
      }
      await this.#persist({ entries, commitIndex: this.#commitIndex });
    }
  }

  #drawSnapshot(index: number): { snapshot: Snapshot; chunks: readonly Uint8Array[] } {
    const chunks = Array.from({ length: this.#prng.between(1, 4) }, () => this.#bytes());
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    const members = this.#place.membership.members.map(({ name, incarnation: id }) => {
      return { id, name, address: "" };
    });
    const snapshot = {
      index,
      term: this.#positionAt(index).term,
      nonce: this.#prng.below(2 ** 48),
      conf: confOf(members),
      chunks: chunks.length,
      bytes,
      digest: this.#prng.hex(16),
    };
    return { snapshot, chunks };
  }

  async #stage(
    { index, nonce }: Snapshot,
    chunks: readonly Uint8Array[],
    first: number,
    end: number,
  ): Promise<void> {
    const id = { index, nonce };
    await this.#persist({
      snapshot: { type: "stage", id, first, chunks: chunks.slice(first, end) },
    });
  }

  #isCurrent(snapshot: Snapshot, chunks: readonly Uint8Array[]): void {
    const { index, nonce, term } = snapshot;
    this.#current = snapshot;
    this.snapshots.push({ index, nonce, term, content: contentOfChunks(chunks) });
  }

  async #persist(parts: Partial<PersistRequest>): Promise<void> {
    this.#write += 1;
    if (parts.hardState != null) this.hardState = parts.hardState;
    const nothing = { hardState: null, entries: [], commitIndex: 0, snapshot: null };
    await this.#storage?.persist({ ...nothing, ...parts, write: this.#write });
  }

  #positionAt(index: number): LogPosition {
    const position = this.#positions[index];
    if (position === undefined) throw new Error(`there is no entry ${index}`);
    return position;
  }
}
