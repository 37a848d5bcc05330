import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readHistory, writeHistory } from "../../jepsen-lite/chaos/history-file.ts";
import { until } from "../../jepsen-lite/real/wait.ts";
import { mutants } from "../mutants/all.ts";
import { temporaryDirectory } from "../storage/fixture.ts";
import { commitSeed } from "../tooling/commit-seed.ts";
import { builtWith, jepsen, resultIn } from "./jepsen-run.ts";
import { runningFor } from "./left-behind.ts";

const MS_MAX = 180_000;
const START_MS_MAX = 30_000;
/** Of each of two runs: 200,000 operations are judged with every change. */
const SLICE_OPERATIONS = 100_000;
const SLICE_SECONDS = 240;
/** The longest that a run goes on for its operations, its rest, and three judgements of it. */
const SLICE_MS_MAX = (2 * SLICE_SECONDS + 180) * 1_000;
/** What every run has, whatever its seed draws. */
const KINDS = [
  ...["register ok", "deregister ok", "update ok", "compare ok", "compare CONFLICT", "bye ok"],
  ...["lasting register ok", "asked by once", "asked by library consumers", "asked by pages"],
  ...["watches exact answered", "watches past answered", "watches lineage answered"],
  ...["watches soon", "watches never", "asked by contenders"],
];

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
      const { operations, counts, faults, faultsInVain, elections, seconds } = await resultIn(out);
      expect(operations).toBeGreaterThan(SLICE_OPERATIONS);
      console.log(
        `seed ${seed}: ${operations} operations in ${Math.round(seconds)} s, ${elections} elections, ${JSON.stringify(faults)}, in vain ${JSON.stringify(faultsInVain)}`,
      );
      for (const kind of KINDS) expect(counts[kind] ?? 0, kind).toBeGreaterThan(0);
      expect(await runningFor(out)).toEqual([]);
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
      const bin = await builtWith(mutants.find((mutant) => mutant.name === name));
      const out = await temporaryDirectory();
      const args = ["--seconds", "15", "--seed", "11", "--out", out, "--bin", bin];
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
      const { ran, child } = jepsen("run", "--seconds", "60", "--seed", "1", "--out", out);
      await until(START_MS_MAX, "all to listen", async () => {
        const logs = ["n1", "n2", "n3"].map((name) => readFile(join(out, `${name}.log`), "utf8"));
        const read = await Promise.all(logs).catch(() => []);
        return read.length > 0 && read.every((log) => log.includes("listening")) ? true : null;
      });
      expect((await runningFor(out)).length).toBeGreaterThanOrEqual(3);
      child.kill("SIGINT");
      expect((await ran).code).toBe(3);
      expect(await runningFor(out)).toEqual([]);
    },
    MS_MAX,
  );
});
