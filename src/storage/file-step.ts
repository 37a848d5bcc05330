import type { DIRECTORY_FILES } from "./layout.ts";

/** A file of whole blocks that are overwritten in place. */
export type BlockFile = (typeof DIRECTORY_FILES)["voteA" | "voteB" | "mark"];

/** What is done to such a file. A write without the sync behind it is in memory only. */
export type FileStep =
  | {
      readonly type: "write";
      readonly file: BlockFile;
      /** Counted from 0. */
      readonly block: number;
      /** Of `BLOCK_BYTES`. */
      readonly content: Buffer;
    }
  | { readonly type: "sync"; readonly file: BlockFile };

/**
 * In order, and each only when the one before has succeeded: whoever carries them out asks for the
 * next one then. So the order is the same on files and in a memory that stands for them.
 */
export type FileSteps = Generator<FileStep, void, void>;
