import { rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { command } from "./command.ts";

const FILLER = "filler";

/** What is free on the file system of this directory, and its size, for whoever is not root. */
export async function spaceOf(
  directory: string,
): Promise<{ readonly freeBytes: number; readonly totalBytes: number }> {
  const { bavail, blocks, bsize } = await statfs(directory);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}

/** A file in it takes all but so much, whatever was there before; 0: not a block is left, for nobody. */
export async function fill(directory: string, leftBytes: number): Promise<void> {
  const filler = join(directory, FILLER);
  await empty(directory);
  if (leftBytes > 0) {
    const { freeBytes } = await spaceOf(directory);
    if (freeBytes > leftBytes) await command("fallocate", "-l", `${freeBytes - leftBytes}`, filler);
    return;
  }
  const { bfree, bsize } = await statfs(directory);
  // What cannot be had at once is had piece by piece.
  for (let piece = bfree * bsize; piece >= bsize; piece = Math.floor(piece / 2)) {
    const size = await stat(filler).then(
      (found) => found.size,
      () => 0,
    );
    await command("fallocate", "-o", `${size}`, "-l", `${piece}`, filler).catch(() => {});
  }
}

export async function empty(directory: string): Promise<void> {
  await rm(join(directory, FILLER), { force: true });
}
