import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, type TestContext, test } from "vitest";
import { until } from "../../jepsen-lite/real/wait.ts";
import { commitSeed } from "../tooling/commit-seed.ts";
import { brokenCopy, type Fault, storageFault as storage } from "./broken-copy.ts";
import { within } from "./wait.ts";

const TOP = fileURLToPath(new URL("../..", import.meta.url));
const MAIN = join(TOP, "dist", "jepsen-lite", "power-cuts", "main.js");
const CUTS = 12;
const MS_MAX = 240_000;
const EXIT_SKIPPED = 77;

let directory: string;
let running: ChildProcess[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "rollcall-power-test-"));
  running = [];
});

afterEach(async () => {
  for (const child of running) killGroup(child);
  await rm(directory, { recursive: true, force: true });
});

/** With all that it has started, whatever has become of itself. */
function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // Nobody is left.
  }
}

interface Ran {
  readonly code: number | null;
  readonly output: string;
}

/** The command; all that it makes is in the directory of the test. */
function start(args: readonly string[]): {
  readonly child: ChildProcess;
  readonly ran: Promise<Ran>;
} {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...process.env, TMPDIR: directory },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  running.push(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const ran = new Promise<Ran>((resolve) => {
    child.once("close", (code) => resolve({ code, output }));
  });
  return { child, ran: within(MS_MAX, "the power cuts", ran) };
}

/** Where no power can be cut, the command says in one line what is missing, and the test as well. */
function skipped(context: TestContext, line: string): never {
  console.info(line);
  return context.skip(line);
}

async function powerCuts(context: TestContext, args: readonly string[]): Promise<Ran> {
  const ran = await start(args).ran;
  return ran.code === EXIT_SKIPPED ? skipped(context, ran.output.trim()) : ran;
}

/** The row of the table that counts all scenarios, by the heads of its columns. */
function total({ output }: Ran): Record<string, number> {
  const cells = output
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .map((line) => line.split("|").map((cell) => cell.trim()));
  const [heads = [], last = []] = [cells[0], cells.at(-1)];
  return Object.fromEntries(heads.map((head, i) => [head, Number(last[i])]).slice(2, -1));
}

/** What the table counts of promises that were broken. */
const KEPT = {
  lost: 0,
  "refused, but there": 0,
  "terms with two leaders": 0,
  "votes taken back": 0,
  "refused starts": 0,
  "ended by itself": 0,
  diverged: 0,
  stuck: 0,
};

test("a campaign of no cuts is refused: it would find nothing", async () => {
  for (const wrong of [["--cuts", "x"], ["--cuts", "0"], ["--only", "nobody"], ["--often"]]) {
    const { code, output } = await start(wrong).ran;
    expect([code, output]).toEqual([
      2,
      expect.stringContaining("npm run power-cuts -- [--cuts N]"),
    ]);
  }
});

test(
  "power cuts lose nothing acknowledged, and no vote is taken back",
  async (context) => {
    const seed = String(commitSeed());
    const ran = await powerCuts(context, ["--cuts", String(CUTS), "--seed", seed]);
    console.info(ran.output);
    const counted = total(ran);
    expect(counted, ran.output).toMatchObject(KEPT);
    // A run in which nothing happened shows nothing.
    expect(counted["cuts"]).toBeGreaterThanOrEqual(CUTS);
    expect(counted["acknowledged"]).toBeGreaterThan(CUTS);
    expect(counted["elections"]).toBeGreaterThan(7);
    expect(ran.code).toBe(0);
  },
  MS_MAX,
);

// The record that says whose database it is stays synced: a start refuses one without.
const entriesUnsynced = [
  storage(
    "level-store.js",
    "(only.value), { sync: true }",
    "(only.value), { sync: only.key[0] === 0x6d }",
  ),
  storage(
    "level-store.js",
    "(operation.key) }), { sync: true }",
    "(operation.key) }), { sync: false }",
  ),
];
const noMark = [
  storage("durable-file.js", "await overwrite(", 'step.file === "mark" || await overwrite('),
];
const votesUnsynced = [storage("vote-copies.js", 'yield { type: "sync", file };', "")];

describe("the same, with a node that is broken", () => {
  // More than one cut: before each, the kernel may have written just what the node has not synced.
  async function broken(
    context: TestContext,
    faults: readonly Fault[],
  ): Promise<Record<string, number>> {
    await brokenCopy(directory, faults);
    const bin = join(directory, "bin", "rollcall.js");
    const ran = await powerCuts(context, ["--cuts", "8", "--only", "single", "--bin", bin]);
    expect(ran.code, ran.output).toBe(1);
    return total(ran);
  }

  test(
    "that does not sync entries, and has no mark, loses what it has acknowledged",
    async (context) => {
      const { lost } = await broken(context, [...entriesUnsynced, ...noMark]);
      expect(lost).toBeGreaterThan(0);
    },
    MS_MAX,
  );

  test(
    "that does not sync entries refuses to start with a log that ends before its mark",
    async (context) => {
      const counted = await broken(context, entriesUnsynced);
      // What it has written since the mark it loses, where nothing from before is missing.
      expect((counted["refused starts"] ?? 0) + (counted["lost"] ?? 0)).toBeGreaterThan(0);
    },
    MS_MAX,
  );

  test(
    "that does not sync votes has taken one back",
    async (context) => {
      const counted = await broken(context, votesUnsynced);
      expect(counted).toMatchObject({ ...KEPT, "votes taken back": 1 });
    },
    MS_MAX,
  );
});

test(
  "killed in the middle of it, the command leaves no process, mount or loop device",
  async (context) => {
    const { child, ran } = start(["--cuts", "100", "--only", "all"]);
    const attached = async (): Promise<boolean> => {
      const devices = await readdir("/sys/block");
      const files = devices.map((name) => join("/sys/block", name, "loop", "backing_file"));
      const backing = await Promise.all(
        files.map((file) => readFile(file, "utf8").catch(() => "")),
      );
      return backing.some((file) => file.startsWith(directory));
    };
    const line = new Promise<string>((resolve) => {
      child.stdout?.once("data", (text: string) => resolve(text.trim()));
    });
    const first = await within(MS_MAX, "the first line", line);
    if (first.startsWith("skipped")) skipped(context, first);
    expect(await attached()).toBe(true);
    child.kill("SIGKILL");
    // It ends with the last of its processes, which hold its output open.
    await ran;
    await until(20_000, "the loop devices to go", async () => ((await attached()) ? null : true));
    expect(await readFile("/proc/mounts", "utf8")).not.toContain(directory);
  },
  MS_MAX,
);
