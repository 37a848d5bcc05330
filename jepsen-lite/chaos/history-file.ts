import type { Event, History } from "../history.ts";
import { readJsonLines, writeJsonLines } from "./json-lines.ts";

/** An event a line. */
export async function writeHistory(path: string, history: History): Promise<void> {
  await writeJsonLines(path, history);
}

export async function readHistory(path: string): Promise<History> {
  return await readJsonLines<Event>(path);
}
