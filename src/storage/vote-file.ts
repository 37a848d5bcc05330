import { open } from "node:fs/promises";
import { join } from "node:path";
import type { HardState } from "../raft/types.ts";
import { must } from "../util/assert.ts";
import { padToBlock } from "./block.ts";
import {
  carryOut,
  isThere,
  type OpenFile,
  readIfThere,
  syncDirectory,
  writeSynced,
} from "./durable-file.ts";
import type { FileSteps } from "./file-step.ts";
import { damagedDirectoryAdvice } from "./recovery-advice.ts";
import { StorageError } from "./storage.ts";
import { isVoteBehind, VOTE_FILES, VoteCopies } from "./vote-copies.ts";
import { encodeVote, firstVote } from "./vote-record.ts";

/** The files of term and vote; `VoteCopies` says what is written to them, and why in that order. */
export class VoteFile {
  readonly #copies: VoteCopies;
  readonly #files: readonly OpenFile[];

  private constructor(copies: VoteCopies, files: readonly OpenFile[]) {
    this.#copies = copies;
    this.#files = files;
  }

  get writes(): number {
    return this.#copies.writes;
  }

  get hardState(): HardState {
    return this.#copies.hardState;
  }

  /** The file that could not be read at the start and was written again from the other one. */
  get repaired(): string | null {
    return this.#copies.repaired;
  }

  /** The names still want a sync of the directory. */
  static async create(directory: string, incarnation: string): Promise<void> {
    const content = encodeVote(firstVote(incarnation));
    for (const name of VOTE_FILES) await writeSynced(join(directory, name), content);
  }

  /**
   * `mark`: of the same directory, where it can be read.
   *
   * @throws StorageError DAMAGED when neither copy can be read, or both are older than the mark knows.
   */
  static async open(
    directory: string,
    incarnation: string,
    mark: { readonly votes: number } | null,
  ): Promise<VoteFile> {
    const [pathA, pathB] = [join(directory, VOTE_FILES[0]), join(directory, VOTE_FILES[1])];
    const copies = VoteCopies.read(await readIfThere(pathA), await readIfThere(pathB), incarnation);
    if (copies === null) {
      throw lost(directory, `neither ${pathA} nor ${pathB} can be read`);
    }
    if (isVoteBehind(copies, mark)) {
      throw lost(
        directory,
        `${pathA} and ${pathB} are older than the mark, which knows of a later vote`,
      );
    }
    const files: OpenFile[] = [];
    try {
      for (const path of [pathA, pathB]) files.push(await openForUpdate(directory, path));
      const file = new VoteFile(copies, files);
      await file.#carryOut(copies.rewrite());
      return file;
    } catch (error) {
      for (const { handle } of files) await handle.close();
      throw error;
    }
  }

  /** Resolves when both copies are on disk. One at a time. */
  async write(hardState: HardState): Promise<void> {
    await this.#carryOut(this.#copies.write(hardState));
  }

  async close(): Promise<void> {
    for (const { handle } of this.#files) await handle.close();
  }

  #carryOut(steps: FileSteps): Promise<void> {
    return carryOut(steps, (file) => must(this.#files[file === VOTE_FILES[0] ? 0 : 1]));
  }
}

function lost(directory: string, what: string): StorageError {
  const why = "The node could vote twice in one term.";
  const text = `${what}: term and vote of this node are lost`;
  return new StorageError("DAMAGED", text, damagedDirectoryAdvice(directory, why));
}

async function openForUpdate(directory: string, path: string): Promise<OpenFile> {
  // A copy that somebody deleted is made again from the other one.
  if (!(await isThere(path))) {
    await writeSynced(path, padToBlock(new Uint8Array()));
    await syncDirectory(directory);
  }
  return { path, handle: await open(path, "r+") };
}
