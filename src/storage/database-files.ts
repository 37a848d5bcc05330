import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readIfThere } from "./durable-file.ts";
import { type BadPart, badOrderOfLog, badPartOfLog, badPartOfTable } from "./level-damage.ts";
import { rangeOfTable } from "./level-files.ts";
import { decodeManifest, type Manifest, type TableInUse } from "./level-manifest.ts";

export interface BadFile {
  /** Below the database. */
  readonly file: string;
  readonly text: string;
}

/**
 * Those files of a LevelDB that are not as they were written, or not of it. It consists of what its
 * MANIFEST names, and `CURRENT` names that; a table that nobody names is of no use, whatever is in it.
 * `onBytes`: how much of it was looked at so far.
 */
export async function badFilesOf(
  database: string,
  onBytes: (bytes: number) => void = () => {},
): Promise<BadFile[]> {
  const current = (await readIfThere(join(database, "CURRENT")))?.toString("latin1") ?? null;
  if (current === null) return [{ file: "CURRENT", text: "it is missing" }];
  const [, file] = /^(MANIFEST-\d+)\n$/.exec(current) ?? [];
  if (file === undefined) return [{ file: "CURRENT", text: "it names no MANIFEST" }];
  const content = await readIfThere(join(database, file));
  if (content === null) return [{ file, text: "it is missing" }];
  const part = badPartOfLog(content);
  if (part !== null) return [{ file, text: textOf(part, content) }];
  const manifest = decodeManifest(content);
  if (manifest === null) return [{ file, text: "it does not say of what the database consists" }];
  let bytes = 0;
  const onFile = (file: Buffer): void => {
    bytes += file.length;
    onBytes(bytes);
  };
  const bad = await badTables(database, manifest, onFile);
  bad.push(...(await badLogs(database, manifest, onFile)));
  const isShort = await hasForgotten(database, manifest);
  return isShort ? [...bad, { file, text: "it does not know of the last tables" }] : bad;
}

/**
 * A table of which the MANIFEST has never heard is one that a killed process has begun; then the log
 * that it is made of is there. Without it the MANIFEST has lost its end, and LevelDB would delete
 * what it does not know of.
 */
async function hasForgotten(database: string, { mentioned, firstLog }: Manifest): Promise<boolean> {
  const files = await readdir(database);
  if (files.includes(nameOf(firstLog, "log"))) return false;
  return files.some((file) => {
    const [, number] = /^(\d+)\.(?:ldb|sst)$/.exec(file) ?? [];
    return number !== undefined && !mentioned.has(Number(number));
  });
}

async function badTables(
  database: string,
  { tables }: Manifest,
  onFile: (content: Buffer) => void,
): Promise<BadFile[]> {
  const bad: BadFile[] = [];
  for (const [number, table] of tables) {
    const file = (await fileOf(database, number)) ?? nameOf(number, "ldb");
    const content = await readIfThere(join(database, file));
    const text = content === null ? "it is missing" : badTable(content, table);
    if (content !== null) onFile(content);
    if (text !== null) bad.push({ file, text });
  }
  return bad;
}

/** LevelDB reads those that an old one has written, too. */
async function fileOf(database: string, number: number): Promise<string | null> {
  const names = [nameOf(number, "ldb"), nameOf(number, "sst")];
  const there = await readdir(database);
  return names.find((name) => there.includes(name)) ?? null;
}

function nameOf(number: number, suffix: string): string {
  return `${String(number).padStart(6, "0")}.${suffix}`;
}

function badTable(content: Buffer, { bytes, first, last }: TableInUse): string | null {
  const part = badPartOfTable(content);
  if (part !== null) return textOf(part, content);
  if (content.length !== bytes)
    return `it has ${content.length} bytes, and was written with ${bytes}`;
  const range = rangeOfTable(content);
  if (range === null) return "its blocks do not lie where its index says";
  const isOwn = range.first.equals(first) && range.last.equals(last);
  return isOwn ? null : "it is another table than the MANIFEST says";
}

async function badLogs(
  database: string,
  manifest: Manifest,
  onFile: (content: Buffer) => void,
): Promise<BadFile[]> {
  const bad: BadFile[] = [];
  for (const file of await readdir(database)) {
    const [, number] = /^(\d+)\.log$/.exec(file) ?? [];
    if (number === undefined || Number(number) < manifest.firstLog) continue;
    const content = await readIfThere(join(database, file));
    if (content === null) continue;
    onFile(content);
    const part = badPartOfLog(content);
    const text = part === null ? badOrderOfLog(content) : textOf(part, content);
    if (text !== null) bad.push({ file, text });
  }
  return bad;
}

function textOf({ text, offset }: BadPart, content: Buffer): string {
  return `${text} (from byte ${offset} of ${content.length} on)`;
}
