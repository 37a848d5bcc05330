import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import type { Disturbance, RunResult } from "../../jepsen-lite/chaos/run-directory.ts";
import { Copy } from "../mutants/copy.ts";
import type { Mutant } from "../mutants/mutant.ts";
import type { Ran } from "./campaign.ts";

const TOP = fileURLToPath(new URL("../..", import.meta.url));
const MAIN = join(TOP, "dist", "jepsen-lite", "chaos", "main.js");

/** `npm run jepsen`, which is told to stop when the test is over. */
export function jepsen(...args: readonly string[]): {
  readonly child: ChildProcess;
  /** So far. */
  readonly said: () => string;
  readonly ran: Promise<Ran>;
} {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGTERM"));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const ran = new Promise<Ran>((resolve) => {
    child.once("close", (code) => resolve({ code, output }));
  });
  return { child, said: () => output, ran };
}

/** The command of a build with this fault; it is gone when the test is over. */
export async function builtWith(mutant: Mutant | undefined): Promise<string> {
  if (mutant === undefined) throw new Error("no such fault");
  const copy = await Copy.make(TOP, mutant);
  onTestFinished(() => copy.remove());
  await copy.build();
  return copy.bin;
}

export async function resultIn(directory: string): Promise<RunResult> {
  return JSON.parse(await readFile(join(directory, "result.json"), "utf8"));
}

export async function disturbancesIn(directory: string): Promise<readonly Disturbance[]> {
  return JSON.parse(await readFile(join(directory, "faults.json"), "utf8"));
}
