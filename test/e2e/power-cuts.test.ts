import { cp, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, type TestContext, test } from "vitest";
import { until } from "../../jepsen-lite/real/wait.ts";
import { mutated } from "../mutants/mutant.ts";
import { commitSeed } from "../tooling/commit-seed.ts";
import { Campaign, skipped, TOP, total } from "./campaign.ts";
import { within } from "./wait.ts";

const CUTS = 12;
const MS_MAX = 240_000;
const campaign = new Campaign("power-cuts", MS_MAX);

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
    const { code, output } = await campaign.start(wrong).ran;
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
    const ran = await campaign.run(context, ["--cuts", String(CUTS), "--seed", seed]);
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

/** A text that stands once in a built file, and what takes its place. */
interface Fault {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

const storage = (file: string, find: string, replace: string): Fault => {
  return { file: join("dist", "src", "storage", file), find, replace };
};

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
    const { directory } = campaign;
    for (const name of ["bin", "dist", "package.json"]) {
      await cp(join(TOP, name), join(directory, name), { recursive: true });
    }
    await symlink(join(TOP, "node_modules"), join(directory, "node_modules"));
    for (const fault of faults) {
      const path = join(directory, fault.file);
      const mutant = { ...fault, name: "a broken node", imitates: "", tests: "" };
      await writeFile(path, mutated(await readFile(path, "utf8"), mutant));
    }
    const bin = join(directory, "bin", "rollcall.js");
    const ran = await campaign.run(context, ["--cuts", "8", "--only", "single", "--bin", bin]);
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
    const { directory } = campaign;
    const { child, ran } = campaign.start(["--cuts", "100", "--only", "all"]);
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
