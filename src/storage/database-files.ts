import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readIfThere } from "./durable-file.ts";
import { badPartOfLog, badPartOfTable } from "./level-files.ts";
import { tablesInUse } from "./level-manifest.ts";

export interface BadFile {
  /** Below the database. */
  readonly file: string;
  readonly text: string;
}

/**
 * Those files of a LevelDB that are not as they were written. A table that it does not consist of is
 * none: a process that was killed has left it unfinished, and LevelDB removes it.
 */
export async function badFilesOf(database: string): Promise<BadFile[]> {
  const bad: BadFile[] = [];
  const inUse = await tablesOf(database);
  for (const file of await readdir(database)) {
    const check = checkOf(file);
    if (check === null) continue;
    const table = /^(\d+)\.(?:ldb|sst)$/.exec(file)?.[1];
    if (table !== undefined && inUse?.has(Number(table)) === false) continue;
    const content = await readIfThere(join(database, file));
    const text = content === null ? null : check(content);
    if (text !== null) bad.push({ file, text });
  }
  return bad;
}

/** Null where it cannot be told: then all of them are looked at. */
async function tablesOf(database: string): Promise<ReadonlySet<number> | null> {
  const current = (await readIfThere(join(database, "CURRENT")))?.toString("latin1").trim() ?? "";
  if (!/^MANIFEST-\d+$/.test(current)) return null;
  const manifest = await readIfThere(join(database, current));
  return manifest === null || badPartOfLog(manifest) !== null ? null : tablesInUse(manifest);
}

/** Null where there is nothing to hold it against. */
function checkOf(file: string): ((content: Buffer) => string | null) | null {
  const isTable = /\.(?:ldb|sst)$/.test(file);
  const isLog = /^MANIFEST-\d+$|\.log$/.test(file);
  if (!isTable && !isLog) return null;
  return (content) => {
    const bad = isTable ? badPartOfTable(content) : badPartOfLog(content);
    return bad === null ? null : `${bad.text} (from byte ${bad.offset} of ${content.length} on)`;
  };
}
