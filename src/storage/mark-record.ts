import { padToBlock } from "./block.ts";
import type { LogPosition } from "./layout.ts";
import { fieldOf, integerField, seal, textField, unseal } from "./sealed.ts";

/** The mark as one slot of the file holds it. */
export interface MarkRecord {
  readonly position: LogPosition;
  /** Of the vote: as many writes of it were on disk by then (`VoteRecord`). */
  readonly votes: number;
  /** Counts the writes of this directory, over all starts. */
  readonly write: number;
  readonly incarnation: string;
}

export function encodeMark(record: MarkRecord): Buffer {
  const { position, votes, write, incarnation } = record;
  return padToBlock(seal("mark", { ...position, votes, write, incarnation }));
}

/** Null for a slot that is torn, flipped, missing, or of another directory. */
export function decodeMark(bytes: Uint8Array | null, incarnation: string): MarkRecord | null {
  if (bytes === null) return null;
  const record = unseal("mark", bytes);
  const index = integerField(record, "index");
  const term = integerField(record, "term");
  const chain = textField(record, "chain");
  const write = integerField(record, "write");
  if (index === null || term === null || chain === null || write === null) return null;
  if (fieldOf(record, "incarnation") !== incarnation) return null;
  // The first marks that were ever written do not have it.
  const votes = integerField(record, "votes") ?? 0;
  return { position: { index, term, chain }, votes, write, incarnation };
}

/** The later of the readable ones. */
export function laterMark(a: MarkRecord | null, b: MarkRecord | null): MarkRecord | null {
  if (a === null || b === null) return a ?? b;
  return a.write >= b.write ? a : b;
}
