import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Entry, HardState, PersistRequest } from "../../src/raft/types.ts";
import { type DataDirectory, openDirectory } from "../../src/storage/directory.ts";
import type { BirthRecord } from "../../src/storage/storage.ts";

export const random = { bytes: (count: number): Uint8Array => randomBytes(count) };

export async function temporaryDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "rollcall-storage-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

export function birthOf(directory: DataDirectory): BirthRecord {
  const { name, incarnation } = directory.identity;
  return { clusterId: "c".repeat(32), epoch: 1, members: [{ name, incarnation }] };
}

/** A directory of node n1 that is born. */
export async function openBorn(path: string): Promise<DataDirectory> {
  const directory = await openDirectory(path, "n1", random);
  if (directory.birth === null) await directory.bear(birthOf(directory));
  return directory;
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
