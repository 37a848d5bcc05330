import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";

/** Every file and folder below, with its content, its size, and when it was written. */
export async function fingerprint(path: string): Promise<readonly string[]> {
  const names = (await readdir(path, { recursive: true })).sort();
  return Promise.all(
    names.map(async (name) => {
      const found = await stat(join(path, name));
      const content = found.isFile() ? await readFile(join(path, name)) : "";
      const sum = createHash("sha256").update(content).digest("hex");
      return `${name} ${found.ino} ${found.mode} ${found.size} ${found.mtimeMs} ${sum}`;
    }),
  );
}
