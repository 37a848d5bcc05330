import { join } from "node:path";
import type { LogEnd, LogIndex, SnapshotId } from "../raft/types.ts";
import { assert } from "../util/assert.ts";
import { confCodec } from "../wire/conf-codec.ts";
import { CutShort } from "./cut-short.ts";
import { damaged, LogDamaged } from "./damage.ts";
import { isThere } from "./durable-file.ts";
import { databaseOf, type Generation, markOf } from "./generation.ts";
import type { KeyValueOperation, KeyValueStore } from "./key-value-store.ts";
import {
  decodeFormat,
  encodeEntry,
  FORMAT_KEY,
  indexOfKey,
  LOG_START,
  type LogPosition,
} from "./layout.ts";
import { salvageLevel } from "./level-salvage.ts";
import { readLog } from "./level-storage.ts";
import { isFurther, LogRepair } from "./log-repair.ts";
import { withinBytes } from "./log-source.ts";
import { MarkFile } from "./mark-file.ts";
import { makeGeneration, removeGenerations, storeGeneration } from "./next-generation.ts";
import { membersBy } from "./returning.ts";
import {
  chunkKey,
  chunkOfKey,
  decodeChunk,
  decodePointer,
  encodePointer,
  POINTER_KEY,
  type Pointer,
} from "./snapshot-layout.ts";
import { nameOf, positionOf, SnapshotRepair } from "./snapshot-repair.ts";
import type { RepairSource, SealedChunk } from "./snapshot-source.ts";
import type { Identity, Membership, Returning } from "./storage.ts";
import { VoteFile } from "./vote-file.ts";

export interface SalvagePlace {
  readonly path: string;
  readonly identity: Identity;
  readonly birth: Membership;
  readonly generation: Generation;
}

interface Found {
  readonly values: readonly Uint8Array[];
  /** Of the latest snapshot that is there as a whole. */
  readonly pointer: Pointer | null;
  /** The current one and what is left of it, where that is not whole. */
  readonly torn: Torn | null;
}

interface Torn {
  readonly pointer: Pointer;
  /** As it is stored. */
  readonly record: Buffer;
  readonly chunks: ReadonlyMap<number, Buffer>;
}

/** As they stand on the disk; nobody votes meanwhile. */
type Votes = Pick<VoteFile, "hardState" | "writes">;

const NEVER = new AbortController().signal;
const BATCH_BYTES = 1024 * 1024;

/**
 * What is left of a log that is not what was written, read without LevelDB; a peer that repairs its
 * own may have of it. It is made whole from what peers offer (`repair`), and then `rebuild` makes the
 * next generation of the directory of it, or it is given up for the state of a peer (`setAside`).
 * The file `generation` is the switch, as for every other one: until then nothing is changed, and
 * the former database is kept, for people.
 */
export class Salvage implements RepairSource {
  readonly #place: SalvagePlace;
  readonly #found: Found;
  readonly #mark: LogPosition;
  readonly #votes: Votes;
  readonly repair: LogRepair;
  readonly snapshots: SnapshotRepair;
  /** One of `snapshots`, which is in the place of what was found. */
  #adopted: Pointer | null = null;

  private constructor(place: SalvagePlace, found: Found, mark: LogPosition, votes: Votes) {
    this.#place = place;
    this.#found = found;
    this.#mark = mark;
    this.#votes = votes;
    const { pointer, values } = found;
    const snapshot = pointer === null ? null : positionOf(pointer);
    this.repair = new LogRepair(pointer?.logStart ?? LOG_START, mark, values, snapshot);
    this.snapshots = new SnapshotRepair(
      found.torn?.pointer ?? null,
      found.torn?.chunks ?? new Map(),
    );
  }

  /**
   * @throws StorageError DAMAGED where nobody can say how far the log reached, or how it voted; the
   *   reason of `signal` where that cut it short.
   */
  static async read(place: SalvagePlace, signal: AbortSignal = NEVER): Promise<Salvage> {
    const { path, identity, generation } = place;
    const markPath = join(path, markOf(generation.number));
    const mark = await MarkFile.read(markPath, identity.incarnation);
    if (mark === null) throw new LogDamaged(path, { what: "markUnreadable" });
    const votes = await VoteFile.open(path, identity.incarnation, mark);
    await votes.close();
    const found = await find(place, mark.position, signal);
    return new Salvage(place, found, mark.position, votes);
  }

  /** Of the last configuration that can be read of it, this member among them. */
  get members(): Returning["members"] {
    const { birth, generation } = this.#place;
    const last = this.repair.lastConf;
    const conf = last === null ? null : confCodec.decode(last.entry.data);
    const { pointer, torn } = this.#found;
    const { snapshot = null } = pointer ?? torn?.pointer ?? {};
    return membersBy(conf ?? snapshot?.conf ?? null, generation, birth);
  }

  async readDownFrom(to: LogIndex, bytesMax: number): Promise<readonly Uint8Array[]> {
    return withinBytes(this.repair.valuesDownFrom(to), bytesMax);
  }

  /** All that is left of this one is told as it is. */
  async readFormerDownFrom(): Promise<readonly Uint8Array[]> {
    return [];
  }

  /** Of one that is damaged. One that is whole is handed out once the node serves. */
  async readPointer(): Promise<Uint8Array | null> {
    return this.#found.torn?.record ?? null;
  }

  async readChunksFrom(
    id: SnapshotId,
    first: number,
    bytesMax: number,
  ): Promise<readonly SealedChunk[]> {
    const known = this.snapshots.find(id);
    if (known === null) return [];
    const chunks = [...this.snapshots.chunksOf(known)].filter(({ chunk }) => chunk >= first);
    let bytes = 0;
    return chunks.filter(({ value }, at) => {
      bytes += value.length;
      return at === 0 || bytes <= bytesMax;
    });
  }

  /** A snapshot of which every chunk is there now takes the place of what was found. */
  adopt(pointer: Pointer): void {
    assert(this.snapshots.missingFrom(pointer) === null, "a snapshot is adopted when it is whole");
    assert(this.snapshots.hasItsSize(pointer), "a snapshot has as many bytes as its record says");
    this.repair.adopt(positionOf(pointer));
    this.#adopted = pointer;
  }

  /**
   * Writes the whole log, with term and vote as they are, into the next generation, and verifies it
   * as a start does before it is the one in use. Resolves with false where `signal` cut it short, and
   * then nothing was changed.
   *
   * @throws LogDamaged when it is not whole after all, StorageError DISK.
   */
  async rebuild(signal: AbortSignal = NEVER): Promise<boolean> {
    assert(this.repair.state.type === "whole", "a log is rebuilt when it is whole");
    const { path, identity, generation } = this.#place;
    return this.#begin(signal, generation.returning, async (store, number) => {
      await this.#copySnapshot(store);
      await this.#copyEntries(store);
      const marked = { position: this.repair.end, votes: this.#votes.writes };
      await MarkFile.create(join(path, markOf(number)), identity.incarnation, marked);
      const verdict = await readLog(store, this.#votes.hardState, this.repair.end);
      if (verdict.type === "damaged") throw new LogDamaged(path, verdict.damage);
    });
  }

  /**
   * The next generation is without it: this member takes the state of a peer (`returning.ts`).
   * Resolves with false where `signal` cut it short.
   */
  async setAside(signal: AbortSignal = NEVER): Promise<boolean> {
    const returning = { lostEnd: this.#lostEnd, members: this.members };
    return this.#begin(signal, returning, async () => {});
  }

  async #begin(
    signal: AbortSignal,
    returning: Returning | null,
    fill: (store: KeyValueStore, number: number) => Promise<void>,
  ): Promise<boolean> {
    const { path, identity, generation: former } = this.#place;
    const number = former.number + 1;
    // What is made from here on is not in use, also where it is cut off: the file says what is.
    await storeGeneration(path, former, identity.incarnation);
    await removeGenerations(path, (other) => other > former.number);
    const store = await makeGeneration(path, identity.incarnation, number, this.#votes.writes);
    try {
      await fill(new CutShort(store, signal), number).finally(() => store.close());
      signal.throwIfAborted();
    } catch (error) {
      await removeGenerations(path, (other) => other === number).catch(() => {});
      if (signal.aborted) return false;
      throw error;
    }
    await storeGeneration(path, { number, returning }, identity.incarnation);
    // Until then what was in use before may have what somebody lacks, and nothing took its place.
    await removeGenerations(path, (other) => other < former.number);
    return true;
  }

  /** Further than all that this member may have vouched for, as far as its disk still tells. */
  get #lostEnd(): LogEnd {
    const before = this.#place.generation.returning?.lostEnd;
    const ends = [this.repair.furthest, this.#mark, ...(before ? [{ ...before, chain: "" }] : [])];
    const { index, term } = ends.reduce((one, other) => (isFurther(other, one) ? other : one));
    return { index, term };
  }

  async #copySnapshot(store: KeyValueStore): Promise<void> {
    const pointer = this.#adopted ?? this.#found.pointer;
    if (pointer === null) return;
    const batch = new Batch(store);
    if (this.#adopted === null) await this.#copyFoundChunks(pointer, batch);
    for (const { chunk, value } of this.snapshots.chunksOf(pointer)) {
      await batch.put(chunkKey(pointer.snapshot, chunk), value);
    }
    await batch.flush();
    await store.batch([encodePointer({ ...pointer, logStart: this.repair.start })]);
  }

  async #copyFoundChunks({ snapshot }: Pointer, batch: Batch): Promise<void> {
    for await (const { key, value } of writesOf(this.#place)) {
      if (value === null || !isChunkOf(snapshot, key)) continue;
      if (decodeChunk(key, value) !== null) await batch.put(key, value);
    }
  }

  async #copyEntries(store: KeyValueStore): Promise<void> {
    const batch = new Batch(store);
    for (const { entry, previous } of this.repair.entries()) {
      // What was known to be committed when a peer wrote it says nothing of this log.
      const { key, value } = encodeEntry(entry, previous, 0);
      await batch.put(key, value);
    }
    await batch.flush();
  }
}

async function* writesOf({ path, generation }: SalvagePlace): ReturnType<typeof salvageLevel> {
  const database = join(path, databaseOf(generation.number));
  if (await isThere(database)) yield* salvageLevel(database);
}

async function find(place: SalvagePlace, mark: LogPosition, signal: AbortSignal): Promise<Found> {
  const entries: { readonly sequence: bigint; readonly value: Uint8Array }[] = [];
  const pointers: { readonly sequence: bigint; readonly value: Buffer }[] = [];
  const chunks = new Map<string, Set<number>>();
  for await (const { key, value, sequence, file } of writesOf(place)) {
    signal.throwIfAborted();
    if (value === null) continue;
    if (key.equals(FORMAT_KEY)) checkFormat(place, file, value);
    if (key.equals(POINTER_KEY)) pointers.push({ sequence, value: Buffer.from(value) });
    if (indexOfKey(key) !== null) entries.push({ sequence, value: Uint8Array.from(value) });
    const chunk = chunkOfKey(key);
    if (chunk !== null && decodeChunk(key, value) !== null) {
      const name = nameOf(chunk.id);
      chunks.set(name, (chunks.get(name) ?? new Set()).add(chunk.chunk));
    }
  }
  entries.sort((a, b) => (a.sequence < b.sequence ? -1 : 1));
  const values = entries.map(({ value }) => value);
  pointers.sort((a, b) => (a.sequence < b.sequence ? 1 : -1));
  const known = pointers.flatMap(({ value: record }) => {
    const pointer = decodePointer(record);
    return pointer === null ? [] : [{ pointer, record }];
  });
  const isWhole = ({ snapshot }: Pointer): boolean => {
    const found = chunks.get(nameOf(snapshot)) ?? new Set();
    return Array.from({ length: snapshot.chunks }, (_, at) => at).every((at) => found.has(at));
  };
  const [current] = known;
  const isTorn = current !== undefined && !isWhole(current.pointer);
  const torn = isTorn
    ? { ...current, chunks: await chunksOf(place, current.pointer, signal) }
    : null;
  // The latest whose snapshot is there: what an older one says is as true as it was. A log that begins
  // behind the mark is tied to nothing that is known: it may be another cluster's, or was just being
  // installed, and then nothing of it was vouched for.
  const whole = known.find(
    ({ pointer }) => pointer.logStart.index <= mark.index && isWhole(pointer),
  );
  return { values, pointer: whole?.pointer ?? null, torn };
}

async function chunksOf(
  place: SalvagePlace,
  { snapshot }: Pointer,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, Buffer>> {
  const chunks = new Map<number, Buffer>();
  for await (const { key, value } of writesOf(place)) {
    signal.throwIfAborted();
    const chunk = chunkOfKey(key);
    if (value === null || chunk === null || !isChunkOf(snapshot, key)) continue;
    if (decodeChunk(key, value) !== null) chunks.set(chunk.chunk, Buffer.from(value));
  }
  return chunks;
}

/** What is in a file of another directory proves itself as well, and is not what this one has had. */
function checkFormat(
  { path, identity, generation }: SalvagePlace,
  file: string,
  value: Buffer,
): void {
  const format = decodeFormat(value);
  if (format === null || format.incarnation === identity.incarnation) return;
  const place = join(path, databaseOf(generation.number), file);
  const whose = `belongs to the data directory with incarnation ${format.incarnation}`;
  throw damaged(path, `${place} ${whose}`);
}

function isChunkOf(id: SnapshotId, key: Uint8Array): boolean {
  const chunk = chunkOfKey(key);
  return chunk !== null && nameOf(chunk.id) === nameOf(id);
}

class Batch {
  readonly #store: KeyValueStore;
  #operations: KeyValueOperation[] = [];
  #bytes = 0;

  constructor(store: KeyValueStore) {
    this.#store = store;
  }

  async put(key: Uint8Array, value: Uint8Array): Promise<void> {
    this.#operations.push({ type: "put", key, value });
    this.#bytes += value.length;
    if (this.#bytes >= BATCH_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#operations.length === 0) return;
    await this.#store.batch(this.#operations);
    this.#operations = [];
    this.#bytes = 0;
  }
}
