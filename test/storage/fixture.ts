import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { confOf } from "../../src/raft/conf-state.ts";
import type {
  Entry,
  HardState,
  PersistRequest,
  Snapshot,
  SnapshotId,
  SnapshotWrite,
} from "../../src/raft/types.ts";
import { type DataDirectory, openDirectory } from "../../src/storage/directory.ts";
import type { LogPosition } from "../../src/storage/layout.ts";
import { decodeMark, encodeMark, laterMark } from "../../src/storage/mark-record.ts";
import type { MemoryDisk } from "../../src/storage/memory-storage.ts";
import type { Membership } from "../../src/storage/storage.ts";

export const random = { bytes: (count: number): Uint8Array => randomBytes(count) };

export async function temporaryDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "rollcall-storage-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

export function birthOf(directory: DataDirectory): Membership {
  const { name, incarnation } = directory.identity;
  return { clusterId: "c".repeat(32), epoch: 1, members: [{ name, incarnation }], joinedIndex: 0 };
}

/** A directory of node n1 that is born. */
export async function openBorn(path: string): Promise<DataDirectory> {
  const directory = await openDirectory(path, "n1", random);
  if (directory.birth === null) await directory.bear(birthOf(directory));
  return directory;
}

/** A closed directory of n1 that is born and has carried out one write. */
export async function usedDirectory(parts: Parameters<typeof request>[1]): Promise<string> {
  const path = join(await temporaryDirectory(), "n1");
  const directory = await openBorn(path);
  const { storage } = await directory.open();
  await storage.persist(request(1, parts));
  await directory.close();
  return path;
}

export function entry(index: number, term: number, text = `entry ${index} of ${term}`): Entry {
  return { index, term, kind: "commands", data: new TextEncoder().encode(text) };
}

export function entriesBetween(first: number, last: number, term: number): Entry[] {
  return Array.from({ length: last - first + 1 }, (_, at) => entry(first + at, term));
}

export function request(write: number, parts: Partial<PersistRequest>): PersistRequest {
  return { hardState: null, entries: [], commitIndex: 0, snapshot: null, ...parts, write };
}

export function hardState(term: number, vote: string | null = null): HardState {
  return { term, vote };
}

/** Above the number of steps of any write. */
export const STEPS_MAX = 9;

/** The mark that a start would read. */
export function markOf({ files, incarnation }: MemoryDisk): LogPosition {
  const [a, b] = files.mark.map((slot) => decodeMark(slot, incarnation));
  const mark = laterMark(a ?? null, b ?? null);
  if (mark === null) throw new Error("no slot of the mark can be read");
  return mark.position;
}

export function setMark({ files, incarnation }: MemoryDisk, position: LogPosition): void {
  files.mark.fill(encodeMark({ position, votes: 0, write: 0, incarnation }));
}

const CHUNKS = 5;

/** Of five chunks, as `chunkOf` makes them. */
export function snapshotAt(index: number, term: number, nonce: number): Snapshot {
  const id = { index, nonce };
  const bytes = chunksOf(id, 0, CHUNKS).reduce((sum, chunk) => sum + chunk.length, 0);
  const conf = confOf(["a", "b"].map((id) => ({ id, name: `n${id}`, address: "" })));
  return { ...id, term, conf, chunks: CHUNKS, bytes, digest: "0123456789abcdef" };
}

/** Every chunk of every snapshot has other bytes, and another length than the one before. */
export function chunkOf({ index, nonce }: SnapshotId, chunk: number): Uint8Array {
  return new TextEncoder().encode(`${index}/${nonce}: ${"x".repeat(chunk + 1)}`);
}

export function chunksOf(id: SnapshotId, first: number, end: number): Uint8Array[] {
  return Array.from({ length: end - first }, (_, at) => chunkOf(id, first + at));
}

export function stage({ index, nonce }: SnapshotId, first = 0, end = CHUNKS): SnapshotWrite {
  const id = { index, nonce };
  return { type: "stage", id, first, chunks: chunksOf(id, first, end) };
}

export function switchTo(snapshot: Snapshot, chain: string | null = null): SnapshotWrite {
  return { type: "switch", snapshot, chain };
}
