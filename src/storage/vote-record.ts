import type { HardState } from "../raft/types.ts";
import { padToBlock } from "./block.ts";
import { fieldOf, integerField, seal, unseal } from "./sealed.ts";

/** Term and vote as one copy holds them. */
export interface VoteRecord extends HardState {
  /** Counts the writes of this directory, over all starts. */
  readonly write: number;
  readonly incarnation: string;
}

/** The vote of a directory in which nobody has voted. */
export function firstVote(incarnation: string): VoteRecord {
  return { term: 0, vote: null, write: 0, incarnation };
}

export function encodeVote(record: VoteRecord): Buffer {
  const { term, vote, write, incarnation } = record;
  return padToBlock(seal("vote", { term, vote, write, incarnation }));
}

/** Null for a copy that is torn, flipped, missing, or of another directory. */
export function decodeVote(bytes: Uint8Array | null, incarnation: string): VoteRecord | null {
  if (bytes === null) return null;
  const record = unseal("vote", bytes);
  const term = integerField(record, "term");
  const write = integerField(record, "write");
  const vote = fieldOf(record, "vote");
  if (term === null || write === null) return null;
  if (vote !== null && typeof vote !== "string") return null;
  if (fieldOf(record, "incarnation") !== incarnation) return null;
  return { term, vote, write, incarnation };
}

/** The newer of the readable ones: one good copy is enough. Null when there is none. */
export function newerVote(a: VoteRecord | null, b: VoteRecord | null): VoteRecord | null {
  if (a === null || b === null) return a ?? b;
  if (a.term !== b.term) return a.term > b.term ? a : b;
  return a.write >= b.write ? a : b;
}
