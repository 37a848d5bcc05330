import type { ConfMember } from "../raft/types.ts";
import { DIRECTORY_FILES } from "./layout.ts";
import { fieldOf, integerField, seal, textField, unseal } from "./sealed.ts";
import type { Returning } from "./storage.ts";

/**
 * Which of the databases in a directory is in use. The first is `db` with `mark`; a member whose
 * state went wrong begins the next one, `db.1` with `mark.1`, and leaves the former as it was.
 */
export interface Generation {
  readonly number: number;
  /** Until the member has again what it had, and a majority agrees on it. */
  readonly returning: Returning | null;
}

export const FIRST_GENERATION: Generation = { number: 0, returning: null };

export function databaseOf(number: number): string {
  return suffixed(DIRECTORY_FILES.database, number);
}

export function markOf(number: number): string {
  return suffixed(DIRECTORY_FILES.mark, number);
}

function suffixed(name: string, number: number): string {
  return number === 0 ? name : `${name}.${number}`;
}

/** The number of the generation to which a file or folder of that name belongs, or null. */
export function generationOfFile(file: string): number | null {
  const { database, mark } = DIRECTORY_FILES;
  if (file === database || file === mark) return 0;
  const [, name, digits] = /^(.+)\.([1-9]\d*)$/.exec(file) ?? [];
  return name === database || name === mark ? Number(digits) : null;
}

export function encodeGeneration({ number, returning }: Generation, incarnation: string): Buffer {
  return seal(DIRECTORY_FILES.generation, { incarnation, number, returning });
}

/** Null for whatever is not as written. */
export function decodeGeneration(
  bytes: Uint8Array,
): { readonly generation: Generation; readonly incarnation: string } | null {
  const record = unseal(DIRECTORY_FILES.generation, bytes);
  const incarnation = textField(record, "incarnation");
  const number = integerField(record, "number");
  if (incarnation === null || number === null) return null;
  const stored = fieldOf(record, "returning");
  const returning = stored === null ? null : returningOf(stored);
  if (returning === undefined) return null;
  return { generation: { number, returning }, incarnation };
}

function returningOf(record: unknown): Returning | undefined {
  const lostEnd = fieldOf(record, "lostEnd");
  const index = integerField(lostEnd, "index");
  const term = integerField(lostEnd, "term");
  const members = fieldOf(record, "members");
  if (index === null || term === null || !Array.isArray(members)) return undefined;
  const read: ConfMember[] = [];
  for (const member of members as readonly unknown[]) {
    const id = textField(member, "id");
    const name = textField(member, "name");
    const address = textField(member, "address");
    if (id === null || name === null || address === null) return undefined;
    read.push({ id, name, address });
  }
  return { lostEnd: { index, term }, members: read };
}
