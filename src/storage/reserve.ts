import { open, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory } from "./durable-file.ts";
import { DIRECTORY_FILES } from "./layout.ts";
import type { DirectoryRandom } from "./making.ts";

/**
 * A file that holds room on the disk for what has to be written when there is none left. Of random
 * bytes: a file system may keep zeros as nothing, and the same twice as once.
 */
export class Reserve {
  readonly #directory: string;
  readonly #path: string;
  #bytes: number;

  private constructor(directory: string, path: string, bytes: number) {
    this.#directory = directory;
    this.#path = path;
    this.#bytes = bytes;
  }

  /** As the node before has left it; whatever a crash left of it holds as much room as it has. */
  static async in(directory: string): Promise<Reserve> {
    const path = join(directory, DIRECTORY_FILES.reserve);
    // What keeps it from being read keeps the directory from being opened, which says more.
    const found = await stat(path).catch(() => null);
    return new Reserve(directory, path, found?.size ?? 0);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Resolves when the file holds so many bytes more, on the disk. */
  async grow(count: number, random: DirectoryRandom): Promise<void> {
    const file = await open(this.#path, "a");
    try {
      await file.appendFile(random.bytes(count));
      await file.sync();
    } finally {
      // However far it came.
      this.#bytes = (await file.stat()).size;
      await file.close();
    }
    await syncDirectory(this.#directory);
  }

  /** Resolves when the room is free. */
  async giveBack(): Promise<void> {
    await rm(this.#path, { force: true });
    this.#bytes = 0;
    await syncDirectory(this.#directory);
  }
}
