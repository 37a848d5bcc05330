import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, type TestContext, test } from "vitest";
import { until } from "../../jepsen-lite/real/wait.ts";
import { readPage, rowsOf } from "../docs/page.ts";
import { commitSeed } from "../tooling/commit-seed.ts";
import { eachWithCampaign, skipped, total } from "./campaign.ts";

const MS_MAX = 240_000;
const STEPS = 26;
const CALLS = 26;
const AT_NODES = 8;
const ON_DIRECTORIES = [
  ...["make", "start", "vote", "append", "rotate", "truncate", "take", "cut", "install", "sweep"],
  ...["aside", "return", "heal", "leave"],
];

const each = eachWithCampaign("crash-points", MS_MAX);

/** What the table counts of promises that were broken. */
const KEPT = {
  lost: 0,
  silent: 0,
  "votes taken back": 0,
  "called damaged": 0,
  "takes no write": 0,
  "ended by itself": 0,
  diverged: 0,
  "two leaders": 0,
};

test("a campaign of nothing is refused: it would find nothing", async () => {
  const wrongs = [
    ["--points", "x"],
    ["--points", "0"],
    ["--only", "nothing"],
    ["--fault", "no"],
  ];
  for (const wrong of wrongs) {
    const { code, output } = await each.campaign.start(wrong).ran;
    expect([code, output]).toEqual([
      2,
      expect.stringContaining("npm run crash-points -- [--points N]"),
    ]);
  }
});

test(
  "there is a point before and behind every step that docs/storage.md has of an operation",
  async () => {
    const page = readPage("docs/storage.md");
    const names = ["start", "vote", "append", "truncate", "take", "cut", "install", "sweep"];
    const only = ["make", ...names, "aside", "return", "heal", "leave"].join();
    const { code, output } = await each.campaign.start(["--list", "--at", "steps", "--only", only])
      .ran;
    expect(code, output).toBe(0);
    const listed = new Set(output.split("\n").map((line) => line.replace(/: \d+$/, "")));
    const told = names.flatMap((name) =>
      rowsOf(page, `steps ${name}`).map(([step = ""]) => [name, step.replace(/, later$/, "")]),
    );
    // These stand in words there.
    for (const step of ["make creating", "batch put m/format", "sync db", "make vote-a"]) {
      told.push(["make", step]);
    }
    told.push(["make", "rename identity"], ["make", "remove creating"], ["make", "rename birth"]);
    for (const step of ["rename diverged", "make mark.1", "rename generation", "remove diverged"]) {
      told.push(["aside", step]);
    }
    for (const step of ["make mark.1", "batch put s", "batch put p", "rename generation"]) {
      told.push(["heal", step]);
    }
    told.push(["return", "rename generation"], ["leave", "rename removed"]);
    expect(told.length).toBeGreaterThan(40);
    const missing = told.flatMap(([name, step]) =>
      ["before", "after"].map((side) => `${name}: ${side} ${step}`),
    );
    expect(missing.filter((line) => !listed.has(line))).toEqual([]);
  },
  MS_MAX,
);

describe("a process that is killed loses nothing, and leaves nothing that is called damaged,", () => {
  async function kept(context: TestContext, points: number, args: readonly string[]) {
    const seed = String(commitSeed());
    const ran = await each.campaign.run(context, [
      "--points",
      String(points),
      "--seed",
      seed,
      ...args,
    ]);
    console.info(ran.output);
    expect(ran.code, ran.output).toBe(0);
    const counted = total(ran);
    expect(counted, ran.output).toMatchObject(KEPT);
    return counted;
  }

  test(
    "at steps of the storage",
    async (context) => {
      const at = ["--at", "steps", "--only", ON_DIRECTORIES.join()];
      expect(await kept(context, STEPS, at)).toMatchObject({ "at steps": STEPS });
    },
    MS_MAX,
  );

  test(
    "at system calls of the storage",
    async (context) => {
      const at = ["--at", "calls", "--only", ON_DIRECTORIES.join()];
      // A run may come to its end before: LevelDB has a thread of its own.
      const counted = await kept(context, CALLS, at);
      expect(counted["at calls"]).toBeGreaterThan(CALLS / 2);
    },
    MS_MAX,
  );

  test(
    "of real nodes under load",
    async (context) => {
      const seed = commitSeed();
      const alone = ["node-birth", "node-boot", "node-load"][seed % 3];
      const ofThree = ["node-vote", "node-truncate", "node-install", "node-return"];
      const only = ["--only", `${alone},${ofThree[Math.floor(seed / 3) % ofThree.length]}`];
      const counted = await kept(context, AT_NODES, [
        "--at",
        seed % 2 === 0 ? "steps" : "calls",
        ...only,
      ]);
      const crashes = (counted["at steps"] ?? 0) + (counted["at calls"] ?? 0);
      expect(crashes).toBeGreaterThan(AT_NODES / 2);
    },
    MS_MAX,
  );
});

describe("the same finds a storage", () => {
  async function found(
    fault: string,
    operation: string,
    points = 8,
  ): Promise<Record<string, number>> {
    const where = ["--points", String(points), "--at", "steps", "--only", operation];
    const ran = await each.campaign.start([...where, "--fault", fault]).ran;
    expect(ran.code, ran.output).toBe(1);
    return total(ran);
  }

  test("that reports entries before they are written", async () => {
    const counted = await found("early-report", "append");
    expect((counted["lost"] ?? 0) + (counted["silent"] ?? 0)).toBeGreaterThan(0);
  });

  test("that tells of a vote before it is written", async () => {
    // Elsewhere the term is found to be behind an entry, or within a step nothing was told yet.
    expect((await found("early-vote", "vote", 20))["votes taken back"]).toBeGreaterThan(0);
  });

  test("whose mark is ahead of a truncated log", async () => {
    expect((await found("mark-ahead", "truncate"))["called damaged"]).toBeGreaterThan(0);
  });

  test("that switches to a snapshot before its chunks are there", async () => {
    const counted = await found("switch-before-chunks", "take");
    expect(counted["called damaged"]).toBeGreaterThan(0);
  });
});

test(
  "killed in the middle of it, the command leaves no process",
  async (context) => {
    if (process.platform !== "linux") skipped(context, "skipped: it looks into /proc");
    const { child, ran } = each.campaign.start(["--only", "node-load", "--at", "steps"]);
    /** Whose command line names something in the directory of the test. */
    const running = async (): Promise<number> => {
      const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
      const lines = await Promise.all(
        pids.map((pid) => readFile(join("/proc", pid, "cmdline"), "utf8").catch(() => "")),
      );
      return lines.filter((line) => line.includes(each.directory)).length;
    };
    await until(60_000, "a node", async () => ((await running()) > 0 ? true : null));
    child.kill("SIGKILL");
    await ran;
    await until(20_000, "its nodes to end", async () => ((await running()) === 0 ? true : null));
  },
  MS_MAX,
);
