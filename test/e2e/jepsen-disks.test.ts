import { readFile } from "node:fs/promises";
import { describe, expect, type TestContext, test } from "vitest";
import { until } from "../../jepsen-lite/real/wait.ts";
import { temporaryDirectory } from "../storage/fixture.ts";
import { commitSeed } from "../tooling/commit-seed.ts";
import { brokenNode, faultOf, skipped } from "./campaign.ts";
import { disturbancesIn, jepsen, resultIn } from "./jepsen-run.ts";
import { loopsOf, runningFor } from "./left-behind.ts";
import { entriesUnsynced, noMark } from "./unsynced.ts";

const MS_MAX = 180_000;
const START_MS_MAX = 60_000;
const GONE_MS_MAX = 20_000;
const EXIT_SKIPPED = 77;
const DISKS = ["power", "frozen", "slow-disk", "disk-full", "disk-error", "read-only", "rot"];
const CLOCKS = ["wall-jump", "wall-strobe"];

const byTheWallClock = faultOf(
  "env",
  "node-env.js",
  "monotonicMs: () => Math.floor(performance.now())",
  "monotonicMs: () => Date.now()",
);

/** Skips the test where the machine lacks what one of these needs, with what the run has said. */
function skipWithout(context: TestContext, names: readonly string[], output: string): void {
  const lines = output.split("\n").filter((line) => line.startsWith("skipped: "));
  const line = lines.find((said) => names.some((name) => said.startsWith(`skipped: ${name} `)));
  if (line !== undefined) skipped(context, line);
}

describe("real nodes on disks and clocks of their own", () => {
  test(
    "keep every promise when these fail and jump",
    async (context) => {
      const out = await temporaryDirectory();
      const seed = String(commitSeed());
      const names = [...DISKS, "descriptors", ...CLOCKS];
      const args = ["--seconds", "35", "--seed", seed, "--only", names.join(), "--out", out];
      const { code, output } = await jepsen("run", ...args).ran;
      skipWithout(context, names, output);
      // With 2 too little happened in so short a time to say anything, which it prints.
      expect([0, 2], output).toContain(code);
      const { outcome, why, faults, operations, machine } = await resultIn(out);
      console.info(
        `seed ${seed}: ${outcome} ${why.join("; ")}, ${operations} operations, ${JSON.stringify(faults)}`,
      );
      expect(Object.keys(faults).length).toBeGreaterThan(0);
      expect(new Set(Object.values(machine.epochsSeconds)).size).toBe(3);
      const disturbances = await disturbancesIn(out);
      for (const { nemesis, what, evidence } of disturbances) {
        console.info(
          `${nemesis}: ${what}: ${evidence?.count ?? "no"} ${evidence?.unit ?? "effect"}`,
        );
      }
      expect(disturbances.some(({ evidence }) => evidence !== null)).toBe(true);
      expect([await runningFor(out), await loopsOf(out)]).toEqual([[], []]);
      expect(await readFile("/proc/mounts", "utf8")).not.toContain(out);
    },
    MS_MAX,
  );

  test(
    "that acknowledge what is only in the page cache are found by power cuts, and not by kills",
    async (context) => {
      const bin = await brokenNode(await temporaryDirectory(), [...entriesUnsynced, ...noMark]);
      const run = async (only: string) => {
        const out = await temporaryDirectory();
        const args = ["--seconds", "20", "--seed", "58", "--only", only, "--bin", bin];
        const { code, output } = await jepsen("run", ...args, "--out", out).ran;
        if (code === EXIT_SKIPPED) skipWithout(context, [only], output);
        return { code, output, why: (await resultIn(out)).why.join("\n") };
      };
      const cut = await run("power");
      console.info(`power cuts: ${cut.why.split("\n")[0]}`);
      expect(cut.code, cut.output).toBe(1);
      expect(cut.why).toMatch(/\((?:lost-writes|serializable)\)|refused: /);
      const killed = await run("kill");
      expect([0, 2], killed.output).toContain(killed.code);
    },
    MS_MAX,
  );

  test(
    "that count their leases by the wall clock are found when it jumps",
    async (context) => {
      const bin = await brokenNode(await temporaryDirectory(), [byTheWallClock]);
      const out = await temporaryDirectory();
      const args = ["--seconds", "20", "--seed", "21", "--only", "wall-jump", "--bin", bin];
      const { code, output } = await jepsen("run", ...args, "--out", out).ran;
      if (code === EXIT_SKIPPED) skipWithout(context, ["wall-jump"], output);
      expect(code, output).toBe(1);
      expect((await resultIn(out)).why.join("\n")).toMatch(/\((?:leases|serializable)\)|lives on/);
    },
    MS_MAX,
  );

  test.for(["SIGINT", "SIGKILL"] as const)(
    "leave no process, mount or loop device behind %s, while a disk stands still",
    { timeout: MS_MAX },
    async (signal, context) => {
      const out = await temporaryDirectory();
      const args = ["--seconds", "60", "--seed", "1", "--only", "frozen", "--out", out];
      const { child, ran, said } = jepsen("run", ...args);
      await until(START_MS_MAX, "a disk to stand still", async () => {
        return /^(?:frozen|skipped): /m.test(said()) ? true : null;
      });
      if (said().includes("skipped: ")) skipWithout(context, ["frozen"], (await ran).output);
      expect((await loopsOf(out)).length).toBe(3);
      child.kill(signal);
      expect((await ran).code).toBe(signal === "SIGINT" ? 3 : null);
      await until(GONE_MS_MAX, "all that it had to be gone", async () => {
        const left = [...(await runningFor(out)), ...(await loopsOf(out))];
        return left.length === 0 ? true : null;
      });
      expect(await readFile("/proc/mounts", "utf8")).not.toContain(out);
    },
  );
});
