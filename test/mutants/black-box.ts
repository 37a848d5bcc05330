import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RunResult } from "../../jepsen-lite/chaos/run-directory.ts";
import { Copy } from "./copy.ts";
import type { Mutant } from "./mutant.ts";

const HARNESS = join("dist", "jepsen-lite", "chaos", "main.js");

export interface RealRun {
  readonly nodes: number;
  readonly seconds: number;
  readonly seed: number;
}

/** The same for every mutant: the harness knows nothing of what it accuses. */
export const RUNS: readonly RealRun[] = [
  { nodes: 3, seconds: 30, seed: 1 },
  { nodes: 5, seconds: 45, seed: 2 },
  { nodes: 3, seconds: 90, seed: 3 },
];

/** `run` counts from 1; null where every run acquits it. */
export type RealVerdict = { readonly run: number; readonly what: string } | null;

/** A run that can say nothing acquits. Throws where the harness itself has failed. */
export async function judgeInReal(top: string, mutant: Mutant | null): Promise<RealVerdict> {
  const copy = await Copy.make(top, mutant);
  try {
    await copy.build();
    for (const [at, run] of RUNS.entries()) {
      const found = await accused(top, copy.bin, run);
      if (found !== null) return { run: at + 1, what: found };
    }
    return null;
  } finally {
    await copy.remove();
  }
}

async function accused(top: string, bin: string, run: RealRun): Promise<string | null> {
  const out = await mkdtemp(join(tmpdir(), "rollcall-accused-"));
  try {
    const numbers = Object.entries(run).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const argv = [join(top, HARNESS), "run", ...numbers, "--bin", bin, "--out", out];
    const { code, output } = await ended(argv);
    if (code === 0 || code === 2) return null;
    if (code !== 1) throw new Error(`the harness ended with ${code}: ${output.slice(-500)}`);
    const result = JSON.parse(await readFile(join(out, "result.json"), "utf8")) as RunResult;
    return result.why[0] ?? "";
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

function ended(argv: readonly string[]): Promise<{ readonly code: number; output: string }> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      argv,
      { maxBuffer: 1 << 26 },
      (_error, stdout, stderr) => {
        resolve({ code: child.exitCode ?? -1, output: stdout + stderr });
      },
    );
  });
}
