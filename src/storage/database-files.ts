import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readIfThere } from "./durable-file.ts";
import { badPartOfLog, badPartOfTable } from "./level-files.ts";

export interface BadFile {
  /** Below the database. */
  readonly file: string;
  readonly text: string;
}

/** Those files of a LevelDB that are not as they were written. */
export async function badFilesOf(database: string): Promise<BadFile[]> {
  const bad: BadFile[] = [];
  for (const file of await readdir(database)) {
    const check = checkOf(file);
    if (check === null) continue;
    const content = await readIfThere(join(database, file));
    const text = content === null ? null : check(content);
    if (text !== null) bad.push({ file, text });
  }
  return bad;
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
