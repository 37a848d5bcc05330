import type { SnapshotId } from "../raft/types.ts";
import { must } from "../util/assert.ts";
import { bufferOf, type LogPosition } from "./layout.ts";
import {
  CHUNK_HEAD_BYTES,
  chunkKey,
  decodeChunk,
  decodePointer,
  type Pointer,
} from "./snapshot-layout.ts";
import type { SealedChunk } from "./snapshot-source.ts";

interface Known {
  readonly pointer: Pointer;
  /** Those that are whole, as they are stored. */
  readonly chunks: Map<number, Buffer>;
}

/** A snapshot of which chunks are missing. */
interface Closest {
  readonly index: number;
  /** The first one that is missing. */
  readonly lacks: number;
  /** How many are there, and how many there are to be. */
  readonly have: number;
  readonly chunks: number;
}

/** Of the own one: nobody else has that name. */
const OWN = "";

/**
 * Snapshots that could take the place of one that is damaged, put together from what is left of it
 * and from what peers have.
 *
 * A member takes its snapshots by itself, so two of one index have other chunks; only one that was
 * sent to several members is the same at each of them, and then a chunk that n2 has lost is had from
 * n3. Any other one has to be had as a whole, from one member.
 *
 * Whose it is does not matter, as long as it was taken at an entry that the log to be repaired has
 * (`LogRepair.has`): what is before that entry is the same for everybody who has it.
 */
export class SnapshotRepair {
  /** By whose current one it is. */
  readonly #pointers = new Map<string, Pointer>();
  readonly #known = new Map<string, Known>();
  readonly #refused = new Set<string>();

  /** `own`: the current one, of which chunks are missing; null where none is. */
  constructor(own: Pointer | null, chunks: ReadonlyMap<number, Buffer>) {
    if (own !== null) this.#know(OWN, own, chunks);
  }

  /** The one that lacks the fewest chunks, of those that fit or of the own one; null where none lacks any. */
  closest(hasEntry: (position: LogPosition) => boolean): Closest | null {
    const own = this.#pointers.get(OWN);
    const fitting = this.candidates(hasEntry);
    const all = own === undefined || fitting.includes(own) ? fitting : [...fitting, own];
    const torn = all.flatMap((pointer) => {
      const { index, chunks } = pointer.snapshot;
      const lacks = this.missingFrom(pointer);
      const have = must(this.#known.get(nameOf(pointer.snapshot))).chunks.size;
      return lacks === null ? [] : [{ index, lacks, have, chunks }];
    });
    const missing = ({ chunks, have }: Closest): number => chunks - have;
    return torn.sort((a, b) => missing(a) - missing(b))[0] ?? null;
  }

  find(id: SnapshotId): Pointer | null {
    return this.#known.get(nameOf(id))?.pointer ?? null;
  }

  /** How many chunks are there of all that are known. For whoever wants to know whether there are more. */
  get chunkCount(): number {
    return [...this.#known.values()].reduce((sum, { chunks }) => sum + chunks.size, 0);
  }

  /** The record of the current snapshot of a peer; it takes the place of what that had before. */
  offerPointer(peer: string, bytes: Uint8Array): void {
    const pointer = decodePointer(bytes);
    if (pointer !== null) this.#know(peer, pointer, new Map());
  }

  /** What is not a whole chunk of it is not taken. */
  offerChunks(pointer: Pointer, offered: Iterable<SealedChunk>): void {
    const { chunks } = must(this.#known.get(nameOf(pointer.snapshot)));
    for (const { chunk, value } of offered) {
      if (chunk >= pointer.snapshot.chunks || chunks.has(chunk)) continue;
      const copy = Buffer.from(value);
      if (decodeChunk(chunkKey(pointer.snapshot, chunk), copy) !== null) chunks.set(chunk, copy);
    }
  }

  /** Those that were taken at an entry of the log, the latest first. */
  candidates(hasEntry: (position: LogPosition) => boolean): readonly Pointer[] {
    const pointers = [...this.#known.values()].map(({ pointer }) => pointer);
    return pointers
      .filter((pointer) => !this.#refused.has(nameOf(pointer.snapshot)))
      .filter((pointer) => hasEntry(positionOf(pointer)))
      .sort((a, b) => b.snapshot.index - a.snapshot.index);
  }

  /** The first chunk from `from` on that is missing, or null. */
  missingFrom(pointer: Pointer, from = 0): number | null {
    const { chunks } = must(this.#known.get(nameOf(pointer.snapshot)));
    for (let chunk = from; chunk < pointer.snapshot.chunks; chunk += 1) {
      if (!chunks.has(chunk)) return chunk;
    }
    return null;
  }

  /** Of one that is whole: it has as many bytes as its record says. */
  hasItsSize(pointer: Pointer): boolean {
    let bytes = 0;
    for (const { value } of this.chunksOf(pointer)) bytes += value.length - CHUNK_HEAD_BYTES;
    return bytes === pointer.snapshot.bytes;
  }

  /** What is there of it, by rising number. */
  *chunksOf({ snapshot }: Pointer): Generator<SealedChunk> {
    const chunks = this.#known.get(nameOf(snapshot))?.chunks ?? new Map<number, Buffer>();
    for (const chunk of [...chunks.keys()].sort((a, b) => a - b)) {
      yield { chunk, value: must(chunks.get(chunk)) };
    }
  }

  /** It is not what it should be, although every chunk of it is. */
  refuse({ snapshot }: Pointer): void {
    this.#refused.add(nameOf(snapshot));
  }

  #know(whose: string, pointer: Pointer, chunks: ReadonlyMap<number, Buffer>): void {
    this.#pointers.set(whose, pointer);
    const name = nameOf(pointer.snapshot);
    if (!this.#known.has(name)) this.#known.set(name, { pointer, chunks: new Map(chunks) });
    const current = new Set([...this.#pointers.values()].map(({ snapshot }) => nameOf(snapshot)));
    for (const former of this.#known.keys()) if (!current.has(former)) this.#known.delete(former);
  }
}

/** Where its snapshot was taken. */
export function positionOf({ snapshot: { index, term }, chain }: Pointer): LogPosition {
  return { index, term, chain };
}

/** The data of it, as whoever makes a state of it reads it. */
export function dataOf({ snapshot }: Pointer, { chunk, value }: SealedChunk): Uint8Array {
  return must(decodeChunk(chunkKey(snapshot, chunk), bufferOf(value)));
}

export function nameOf({ index, nonce }: SnapshotId): string {
  return `${index}/${nonce}`;
}
