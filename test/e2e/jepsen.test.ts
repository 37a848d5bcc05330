import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import type { RunResult } from "../../jepsen-lite/chaos/run.ts";
import type { Event } from "../../jepsen-lite/history.ts";
import { mutants } from "../mutants/all.ts";
import { Copy } from "../mutants/copy.ts";
import { temporaryDirectory } from "../storage/fixture.ts";
import { commitSeed } from "../tooling/commit-seed.ts";

const TOP = fileURLToPath(new URL("../..", import.meta.url));
const MAIN = join(TOP, "dist", "jepsen-lite", "chaos", "main.js");
const MS_MAX = 180_000;

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

async function pidsIn(directory: string): Promise<number[]> {
  const logs = await Promise.all(
    ["n1", "n2", "n3"].map((name) => readFile(join(directory, `${name}.log`), "utf8")),
  );
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
  test(
    "keep every promise, and the verdict is in the file alone",
    async () => {
      const out = await temporaryDirectory();
      const seed = String(commitSeed());
      const args = ["--seconds", "40", "--seed", seed, "--out", out];
      const { code, output } = await jepsen(...args).ran;
      // With 2 too little happened in so short a time to say anything, which it prints.
      expect([0, 2], output).toContain(code);
      const { operations, faults, elections, outcome, why } = await resultIn(out);
      expect(operations).toBeGreaterThan(2_000);
      expect(Object.keys(faults).length).toBeGreaterThan(0);
      console.log(
        `seed ${seed}: ${outcome} ${why.join("; ")}, ${operations} operations, ${elections} elections, ${JSON.stringify(faults)}`,
      );
      const pids = await pidsIn(out);
      expect(pids.filter(isRunning)).toEqual([]);
      // The file alone says nothing of elections.
      expect([0, code]).toContain((await jepsen("--recheck", out).ran).code);
      // What a linearizable read shows is taken out of it.
      const path = join(out, "history.jsonl");
      const events = (await readFile(path, "utf8"))
        .trim()
        .split("\n")
        .map((line): Event => {
          const event = JSON.parse(line) as Event;
          return event.type === "ok" && event.view !== undefined ? { ...event, view: [] } : event;
        });
      await writeFile(path, events.map((event) => JSON.stringify(event)).join("\n"));
      const again = await jepsen("--recheck", out).ran;
      expect(again.code, again.output).toBe(1);
    },
    MS_MAX,
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
      const { code, output } = await jepsen(...args).ran;
      expect(code, output).toBe(1);
      expect((await resultIn(out)).why.join("\n")).toMatch(/\((?:lost-writes|serializable)\)/);
    },
    MS_MAX,
  );

  test(
    "are gone behind Ctrl-C",
    async () => {
      const out = await temporaryDirectory();
      const { ran, kill } = jepsen("--seconds", "60", "--seed", "1", "--out", out);
      const started = async (): Promise<boolean> =>
        pidsIn(out).then(
          (pids) => pids.every((pid) => pid > 0),
          () => false,
        );
      while (!(await started())) await new Promise((resolve) => setTimeout(resolve, 50));
      const pids = await pidsIn(out);
      expect(pids.every(isRunning)).toBe(true);
      kill();
      expect((await ran).code).toBe(3);
      expect(pids.filter(isRunning)).toEqual([]);
    },
    MS_MAX,
  );
});
