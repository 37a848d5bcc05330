import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { createInterface } from "node:readline";

const VALUES_AT_ONCE = 10_000;

/** A value a line; in pieces, since a long run is more than one string can hold. */
export async function writeJsonLines(path: string, values: readonly unknown[]): Promise<void> {
  const file = await open(path, "w");
  try {
    for (let at = 0; at < values.length; at += VALUES_AT_ONCE) {
      const lines = values.slice(at, at + VALUES_AT_ONCE).map(lineOf);
      await file.write(lines.join(""));
    }
  } finally {
    await file.close();
  }
}

export function lineOf(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

/**
 * `take`: what becomes of each value. Empty lines are none. A last line that was torn by the end of its writer is left out.
 *
 * @throws SyntaxError where any other line is no JSON; what opening and reading the file throws.
 */
export async function readJsonLines<T>(
  path: string,
  take: (value: T) => T = (value) => value,
): Promise<T[]> {
  const values: T[] = [];
  let torn: SyntaxError | null = null;
  for await (const line of createInterface({ input: createReadStream(path, "utf8") })) {
    if (line === "") continue;
    if (torn !== null) throw torn;
    try {
      values.push(take(JSON.parse(line) as T));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      torn = error;
    }
  }
  return values;
}
