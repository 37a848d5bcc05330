import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import type { HardState } from "../raft/types.ts";
import { must } from "../util/assert.ts";
import { padToBlock } from "./block.ts";
import { isThere, overwrite, readIfThere, syncDirectory, writeSynced } from "./durable-file.ts";
import { DIRECTORY_FILES } from "./layout.ts";
import { damagedDirectoryAdvice } from "./recovery-advice.ts";
import { StorageError } from "./storage.ts";
import { decodeVote, encodeVote, firstVote, newerVote, type VoteRecord } from "./vote-record.ts";

/**
 * Term and vote, in two files that are overwritten in place, one after the other.
 *
 * Why this survives a crash. `write` overwrites and syncs A, then B, and vouches only after both.
 * - Cut while A is written: A is old, new or torn, B holds the state before. Nothing vouched for
 *   the new one yet, so either is right.
 * - Cut while B is written: A holds the new state, synced. It is the newer one, and wins.
 * - Rot later in one of them: both held the same, the other has it.
 * Only one is ever being written, each is a file of a whole block, so a torn write cannot reach
 * both. Writing in place needs no rename and thus no sync of the directory, which an election
 * would wait for.
 *
 * Why `open` writes both again. n1 grants a vote in term 5, is killed after A was written but
 * before it was synced, and starts: A is read from the page cache. Were it taken as it is, n1 would
 * repeat the vote without another write, and lose it in a power cut. What was read is therefore
 * synced before it is used, which also repairs a torn copy.
 */
export class VoteFile {
  readonly #copies: readonly [FileHandle, FileHandle];
  #record: VoteRecord;
  /** The file that could not be read at the start and was written again from the other one. */
  readonly repaired: string | null;

  private constructor(
    copies: readonly [FileHandle, FileHandle],
    record: VoteRecord,
    repaired: string | null,
  ) {
    this.#copies = copies;
    this.#record = record;
    this.repaired = repaired;
  }

  get hardState(): HardState {
    return { term: this.#record.term, vote: this.#record.vote };
  }

  /** The names still want a sync of the directory. */
  static async create(directory: string, incarnation: string): Promise<void> {
    const content = encodeVote(firstVote(incarnation));
    for (const name of NAMES) await writeSynced(join(directory, name), content);
  }

  /** Rejects with StorageError DAMAGED when neither copy can be read. */
  static async open(directory: string, incarnation: string): Promise<VoteFile> {
    const [pathA, pathB] = [join(directory, NAMES[0]), join(directory, NAMES[1])];
    const a = decodeVote(await readIfThere(pathA), incarnation);
    const b = decodeVote(await readIfThere(pathB), incarnation);
    const record = newerVote(a, b);
    if (record === null) {
      throw new StorageError(
        "DAMAGED",
        `neither ${pathA} nor ${pathB} can be read: term and vote of this node are lost`,
        damagedDirectoryAdvice(directory, "The node could vote twice in one term."),
      );
    }
    const copies: FileHandle[] = [];
    try {
      for (const path of [pathA, pathB]) copies.push(await openForUpdate(directory, path));
      const repaired = a === null ? NAMES[0] : b === null ? NAMES[1] : null;
      const file = new VoteFile([must(copies[0]), must(copies[1])], record, repaired);
      // First the copy that is not the one to keep, so that there is always a good one.
      await file.#writeBoth(record === a ? [1, 0] : [0, 1]);
      return file;
    } catch (error) {
      for (const copy of copies) await copy.close();
      throw error;
    }
  }

  /** Resolves when both copies are on disk. One at a time. */
  async write(hardState: HardState): Promise<void> {
    const { term, vote } = hardState;
    this.#record = { ...this.#record, term, vote, write: this.#record.write + 1 };
    await this.#writeBoth([0, 1]);
  }

  async close(): Promise<void> {
    for (const copy of this.#copies) await copy.close();
  }

  async #writeBoth(order: readonly (0 | 1)[]): Promise<void> {
    const content = encodeVote(this.#record);
    for (const which of order) {
      await overwrite(this.#copies[which], content, 0);
      await this.#copies[which].datasync();
    }
  }
}

const NAMES = [DIRECTORY_FILES.voteA, DIRECTORY_FILES.voteB] as const;

async function openForUpdate(directory: string, path: string): Promise<FileHandle> {
  // A copy that somebody deleted is made again from the other one.
  if (!(await isThere(path))) {
    await writeSynced(path, padToBlock(new Uint8Array()));
    await syncDirectory(directory);
  }
  return open(path, "r+");
}
