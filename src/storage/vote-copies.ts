import type { HardState } from "../raft/types.ts";
import type { BlockFile, FileSteps } from "./file-step.ts";
import { DIRECTORY_FILES } from "./layout.ts";
import { decodeVote, encodeVote, newerVote, type VoteRecord } from "./vote-record.ts";

export const VOTE_FILES = [DIRECTORY_FILES.voteA, DIRECTORY_FILES.voteB] as const;

/**
 * Term and vote, in two files that are overwritten in place, one after the other. Pure: says what
 * is to be done to the files, and in which order.
 *
 * Why this survives a crash. `write` overwrites and syncs A, then B, and vouches only after both.
 * - Cut while A is written: A is old, new or torn, B holds the state before. Nothing vouched for
 *   the new one yet, so either is right.
 * - Cut while B is written: A holds the new state, synced. It is the newer one, and wins.
 * - Rot later in one of them: both held the same, the other has it.
 * - Both from an earlier moment, each whole: the mark knows of a later write (`isVoteBehind`).
 * Only one is ever being written, each is a file of a whole block, so a torn write cannot reach
 * both. Writing in place needs no rename and thus no sync of the directory, which an election
 * would wait for.
 *
 * Why a start syncs one and writes the other again. n1 grants a vote in term 5, is killed after A
 * was written but before it was synced, and starts: A is read from the page cache. Were it taken as
 * it is, n1 would repeat the vote without another write, and lose it in a power cut. What was read
 * is therefore synced before it is used. It is so before B is written, too: otherwise a power cut
 * then tears both.
 */
export class VoteCopies {
  #record: VoteRecord;
  /** The copy that was read. */
  readonly #kept: BlockFile;
  /** The copy that could not be read, and is written again from the one that was. */
  readonly repaired: BlockFile | null;

  private constructor(record: VoteRecord, kept: BlockFile, repaired: BlockFile | null) {
    this.#record = record;
    this.#kept = kept;
    this.repaired = repaired;
  }

  /** Of the contents of both files. Null when neither can be read. */
  static read(
    contentA: Uint8Array | null,
    contentB: Uint8Array | null,
    incarnation: string,
  ): VoteCopies | null {
    const [a, b] = [decodeVote(contentA, incarnation), decodeVote(contentB, incarnation)];
    const record = newerVote(a, b);
    if (record === null) return null;
    const [fileA, fileB] = VOTE_FILES;
    const repaired = a === null ? fileA : b === null ? fileB : null;
    return new VoteCopies(record, record === a ? fileA : fileB, repaired);
  }

  /** Of this directory, over all starts. */
  get writes(): number {
    return this.#record.write;
  }

  get hardState(): HardState {
    return { term: this.#record.term, vote: this.#record.vote };
  }

  /** At a start. */
  *rewrite(): FileSteps {
    const [fileA, fileB] = VOTE_FILES;
    yield { type: "sync", file: this.#kept };
    yield* this.#writeEach([this.#kept === fileA ? fileB : fileA]);
  }

  *write({ term, vote }: HardState): FileSteps {
    this.#record = { ...this.#record, term, vote, write: this.#record.write + 1 };
    yield* this.#writeEach(VOTE_FILES);
  }

  *#writeEach(files: readonly BlockFile[]): FileSteps {
    const content = encodeVote(this.#record);
    for (const file of files) {
      yield { type: "write", file, block: 0, content };
      yield { type: "sync", file };
    }
  }
}

/**
 * Whether both copies are older than what was on disk once: this member may have voted since, and
 * would vote a second time in the same term.
 */
export function isVoteBehind(
  { writes }: Pick<VoteCopies, "writes">,
  mark: { readonly votes: number } | null,
): boolean {
  return mark !== null && writes < mark.votes;
}
