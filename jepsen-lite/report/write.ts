import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { FILES, readRun } from "../chaos/run-directory.ts";
import type { History } from "../history.ts";
import type { Inlined } from "./page.tsx";
import { reportOf } from "./report.tsx";
import { STYLE } from "./style.ts";

/**
 * Makes the page of a run from its directory alone.
 *
 * @param history Where it has been read already.
 */
export async function writeReport(directory: string, history?: History): Promise<void> {
  const files = await readRun(directory, history);
  await writeFile(join(directory, FILES.report), reportOf(files, await inlined()));
}

export async function inlined(): Promise<Inlined> {
  const source = await readFile(new URL("./browser.js", import.meta.url), "utf8");
  // What the compiler adds points at a file that is not beside the page.
  const script = source.replace(/^\/\/# sourceMappingURL=.*$/m, "");
  const hash = createHash("sha256").update(script).digest("base64");
  return { style: STYLE, script, scriptHash: `sha256-${hash}` };
}
