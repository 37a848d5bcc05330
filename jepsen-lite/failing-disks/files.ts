import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Machine } from "../real/machines.ts";

/** Of the data directory. Those of LevelDB have numbers in their names: it is the last one here. */
export type DataFile = "identity" | "birth" | "vote-a" | "vote-b" | "mark" | DatabaseFile;
type DatabaseFile = "CURRENT" | "manifest" | "log" | "table";

const NAMES: Readonly<Record<DatabaseFile, RegExp>> = {
  CURRENT: /^CURRENT$/,
  manifest: /^MANIFEST-/,
  log: /\.log$/,
  table: /\.ldb$/,
};

/** Null where there is none. */
export async function pathOf(
  { node }: Pick<Machine, "node">,
  file: DataFile,
): Promise<string | null> {
  const name = NAMES[file as DatabaseFile];
  if (name === undefined) return join(node.dataDir, file);
  const database = join(node.dataDir, "db");
  const last = (await readdir(database))
    .filter((entry) => name.test(entry))
    .sort()
    .at(-1);
  return last === undefined ? null : join(database, last);
}
