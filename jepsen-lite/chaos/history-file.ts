import { readFile, writeFile } from "node:fs/promises";
import type { Event, History } from "../history.ts";

/** An event a line. */
export async function writeHistory(path: string, history: History): Promise<void> {
  await writeFile(path, history.map((event) => `${JSON.stringify(event)}\n`).join(""));
}

export async function readHistory(path: string): Promise<History> {
  const lines = (await readFile(path, "utf8")).split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as Event);
}
