import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { readHistory, writeHistory } from "../../jepsen-lite/chaos/history-file.ts";
import type { RunResult } from "../../jepsen-lite/chaos/run.ts";
import { mutants } from "../mutants/all.ts";
import { Copy } from "../mutants/copy.ts";
import { temporaryDirectory } from "../storage/fixture.ts";
import { commitSeed } from "../tooling/commit-seed.ts";

const TOP = fileURLToPath(new URL("../..", import.meta.url));
const MAIN = join(TOP, "dist", "jepsen-lite", "chaos", "main.js");
const MS_MAX = 180_000;
/** Of each of two runs: 200,000 operations are judged with every change. */
const SLICE_OPERATIONS = 100_000;
const SLICE_SECONDS = 240;
/** The longest that a run goes on for its operations, its rest, and three judgements of it. */
const SLICE_MS_MAX = (2 * SLICE_SECONDS + 180) * 1_000;

interface Ran {
  readonly code: number | null;
  readonly output: string;
}

function jepsen(...args: readonly string[]): { readonly ran: Promise<Ran>; kill(): void } {
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
  return { ran, kill: () => void child.kill("SIGINT") };
}

async function resultIn(directory: string): Promise<RunResult> {
  return JSON.parse(await readFile(join(directory, "result.json"), "utf8"));
}

/** Of each node that there was; 0 where it has said nothing yet. */
async function pidsIn(directory: string, nodes: number): Promise<number[]> {
  const names = Array.from({ length: nodes }, (_, i) => `n${i + 1}.log`);
  const logs = await Promise.all(names.map((name) => readFile(join(directory, name), "utf8")));
  return logs.flatMap((log) => {
    const pids = [...log.matchAll(/"pid":(\d+)/g)].map(([, pid]) => Number(pid));
    return pids.length > 0 ? [...new Set(pids)] : [0];
  });
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe("real nodes and clients, disturbed", () => {
  test.for([3, 5])(
    "keep every promise, and the verdict is in the file alone: %i nodes",
    { timeout: SLICE_MS_MAX },
    async (nodes) => {
      const out = await temporaryDirectory();
      const seed = String(commitSeed() + nodes);
      const args = ["--nodes", String(nodes), "--seed", seed, "--out", out];
      args.push("--seconds", String(SLICE_SECONDS), "--operations", String(SLICE_OPERATIONS));
      const { code, output } = await jepsen("run", ...args).ran;
      expect(code, output).toBe(0);
      const { operations, faults, elections, seconds } = await resultIn(out);
      expect(operations).toBeGreaterThan(SLICE_OPERATIONS);
      console.log(
        `seed ${seed}: ${operations} operations in ${Math.round(seconds)} s, ${elections} elections, ${JSON.stringify(faults)}`,
      );
      const pids = await pidsIn(out, nodes);
      expect(pids.filter(isRunning)).toEqual([]);
      expect((await jepsen("recheck", out).ran).code).toBe(0);
      // What linearizable reads show is taken out of it.
      const history = (await readHistory(join(out, "history.jsonl"))).map((event) =>
        event.type === "ok" && event.view !== undefined ? { ...event, view: [] } : event,
      );
      await writeHistory(join(out, "history.jsonl"), history);
      const again = await jepsen("recheck", out).ran;
      expect(again.code, again.output).toBe(1);
    },
  );

  test(
    "that serve linearizable reads from their own copy are found out",
    async () => {
      const name = "linearizable-served-locally";
      const copy = await Copy.make(TOP, mutants.find((mutant) => mutant.name === name) ?? null);
      onTestFinished(() => copy.remove());
      await copy.build();
      const out = await temporaryDirectory();
      const args = ["--seconds", "15", "--seed", "11", "--out", out, "--bin", copy.bin];
      const { code, output } = await jepsen("run", ...args).ran;
      expect(code, output).toBe(1);
      expect((await resultIn(out)).why.join("\n")).toMatch(/\((?:lost-writes|serializable)\)/);
    },
    MS_MAX,
  );

  test(
    "are gone behind Ctrl-C",
    async () => {
      const out = await temporaryDirectory();
      const { ran, kill } = jepsen("run", "--seconds", "60", "--seed", "1", "--out", out);
      const started = async (): Promise<boolean> =>
        pidsIn(out, 3).then(
          (pids) => pids.every((pid) => pid > 0),
          () => false,
        );
      while (!(await started())) await new Promise((resolve) => setTimeout(resolve, 50));
      const pids = await pidsIn(out, 3);
      expect(pids.every(isRunning)).toBe(true);
      kill();
      expect((await ran).code).toBe(3);
      expect(pids.filter(isRunning)).toEqual([]);
    },
    MS_MAX,
  );
});
