import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { History } from "../history.ts";
import { elle } from "./elle.ts";
import { porcupine } from "./porcupine.ts";

export const FORMATS = ["porcupine", "elle"] as const;
export type Format = (typeof FORMATS)[number];

export function isFormat(text: string): text is Format {
  return FORMATS.some((format) => format === text);
}

/** Writes a history for others to judge into `directory`, which is made. Gives the files. */
export async function writeExport(
  format: Format,
  history: History,
  directory: string,
): Promise<string[]> {
  await mkdir(directory, { recursive: true });
  const paths: string[] = [];
  for (const [name, lines] of Object.entries(filesOf(format, history))) {
    const path = join(directory, name);
    await writeFile(path, lines.map((line) => `${line}\n`).join(""));
    paths.push(path);
  }
  return paths;
}

function filesOf(format: Format, history: History): Readonly<Record<string, readonly string[]>> {
  if (format === "porcupine") {
    const lines = [...porcupine(history)].map((operation) => JSON.stringify(operation));
    return { "porcupine.jsonl": lines };
  }
  const { history: all, strict, serializable } = elle(history);
  return {
    "history.edn": all,
    "strict-serializable.edn": strict,
    "serializable.edn": serializable,
  };
}
