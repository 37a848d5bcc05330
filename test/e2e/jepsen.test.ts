import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readHistory, writeHistory } from "../../jepsen-lite/chaos/history-file.ts";
import { NEMESES } from "../../jepsen-lite/chaos/plan.ts";
import {
  type Disturbance,
  FILES,
  type RunResult,
  readRun,
} from "../../jepsen-lite/chaos/run-directory.ts";
import type { Event } from "../../jepsen-lite/history.ts";
import { until } from "../../jepsen-lite/real/wait.ts";
import { Subject } from "../checker/corruptions.ts";
import { killsOf, ofClients, tableOf } from "../checker/kills.ts";
import { realHistory } from "../checker/real-history.ts";
import { mutants } from "../mutants/all.ts";
import { temporaryDirectory } from "../storage/fixture.ts";
import { commitSeed } from "../tooling/commit-seed.ts";
import { builtWith, jepsen, resultIn } from "./jepsen-run.ts";
import { runningFor } from "./left-behind.ts";

const MS_MAX = 180_000;
const START_MS_MAX = 30_000;
/** Within which a node is asked again. */
const SAMPLE_MS_MAX = 2_000;
/** Of each of two runs: 200,000 operations are judged with every change. */
const SLICE_OPERATIONS = 100_000;
const SLICE_SECONDS = 140;
/** The longest that a run goes on for its operations, its rest, and three judgements of it. */
const SLICE_MS_MAX = (2 * SLICE_SECONDS + 180) * 1_000;
/** Events that are corrupted, over and over. */
const BEGINNING = 6_000;
/** What every run has, whatever its seed draws. */
const KINDS = [
  ...["register ok", "deregister ok", "update ok", "compare ok", "compare CONFLICT", "bye ok"],
  ...["lasting register ok", "asked by once", "asked by library consumers", "asked by pages"],
  ...["watches exact answered", "watches past answered", "watches lineage answered"],
  ...["watches soon", "watches never", "asked by contenders"],
];

/** The page names the run, every fault in words, and comes to the same. */
async function expectPage(directory: string, outcome: RunResult["outcome"]): Promise<void> {
  const read = (name: string) => readFile(join(directory, name), "utf8");
  const page = await read(FILES.report);
  const { seed } = await resultIn(directory);
  expect(page).toContain(`<title>Run of seed ${seed}: ${outcome}</title>`);
  const faults = JSON.parse(await read(FILES.faults)) as Disturbance[];
  for (const { nemesis, what } of faults) expect(page).toContain(`title="${nemesis}: ${what} (`);
}

/** Corrupted in every way in which it can be. */
function expectFoundOut(history: readonly Event[], seed: number): void {
  const subject = new Subject(history);
  const kills = ofClients.map((kind) => killsOf(kind, subject, { seed, places: 1 }));
  console.log(tableOf(kills));
  expect(kills.filter(({ missed }) => missed.length > 0)).toEqual([]);
  expect(kills.filter(({ made }) => made > 0).length).toBeGreaterThan(ofClients.length / 2);
}

/** What is sampled, drawn and done has the clock of the history. */
async function expectOneClock(directory: string, history: readonly Event[]): Promise<void> {
  const { views, faults, schedule } = await readRun(directory, history);
  const leading = views.flatMap((sample) =>
    sample.state === "up" && sample.role === "leader" ? sample : [],
  );
  const term = Math.max(...leading.map((sample) => sample.term));
  const first = leading.find((sample) => sample.term === term);
  const elected = history.findLast((event) => event.type === "leader");
  expect(first?.node).toBe(elected?.node);
  // It is asked a little before it answers.
  expect(first?.atMs).toBeGreaterThan((elected?.atMs ?? 0) - SAMPLE_MS_MAX);
  for (const { fromMs, nemesis } of faults) {
    const window = schedule.findLast(({ atMs }) => atMs <= fromMs);
    expect(window?.strikes.map((strike) => strike.nemesis)).toContain(nemesis);
  }
}

/**
 * One run, whose verdict is in the file alone, with which its beginning is corrupted. The nemeses that
 * it has met, and those that this machine lacks something for.
 */
async function expectValid(nodes: number): Promise<readonly string[]> {
  const out = await temporaryDirectory();
  const seed = String(commitSeed() + nodes);
  const args = ["--nodes", String(nodes), "--seed", seed, "--out", out];
  args.push("--seconds", String(SLICE_SECONDS), "--operations", String(SLICE_OPERATIONS));
  const { code, output } = await jepsen("run", ...args).ran;
  expect(code, output).toBe(0);
  const { operations, referee, ...result } = await resultIn(out);
  const { counts, faults, faultsInVain, elections, seconds } = result;
  expect(operations).toBeGreaterThan(SLICE_OPERATIONS);
  expect(referee.acts).toBeGreaterThan(operations);
  expect(referee.unknown).toEqual([]);
  console.log(
    `seed ${seed}: ${operations} operations in ${Math.round(seconds)} s, ${elections} elections, ${JSON.stringify(faults)}, in vain ${JSON.stringify(faultsInVain)}`,
  );
  for (const kind of KINDS) expect(counts[kind] ?? 0, kind).toBeGreaterThan(0);
  await expectPage(out, "valid");
  await expectOneClock(out, await readHistory(join(out, FILES.history)));
  const { schedule } = await readRun(out, []);
  const drawn = schedule.flatMap(({ strikes }) => strikes.map(({ nemesis }) => nemesis));
  expect(await runningFor(out)).toEqual([]);
  expect((await jepsen("recheck", out).ran).code).toBe(0);
  const history = await readHistory(join(out, FILES.history));
  expectFoundOut(history.slice(0, BEGINNING), Number(seed));
  // What linearizable reads show is taken out of it.
  const blind = history.map((event) =>
    event.type === "ok" && event.view !== undefined ? { ...event, view: [] } : event,
  );
  await writeHistory(join(out, FILES.history), blind);
  const again = await jepsen("recheck", out).ran;
  expect(again.code, again.output).toBe(1);
  await expectPage(out, "invalid");
  return [...drawn, ...Object.keys(result.machine.skipped)];
}

describe("real nodes and clients, disturbed", () => {
  test("keep every promise, three and five of them, and have met every nemesis by then", {
    timeout: 2 * SLICE_MS_MAX,
  }, async () => {
    const drawn = new Set([...(await expectValid(3)), ...(await expectValid(5))]);
    expect(NEMESES.map(({ name }) => name).filter((name) => !drawn.has(name))).toEqual([]);
  });

  test(
    "that serve linearizable reads from their own copy are found out",
    async () => {
      const name = "linearizable-served-locally";
      const bin = await builtWith(mutants.find((mutant) => mutant.name === name));
      const out = await temporaryDirectory();
      // A follower that is cut off goes on serving what it has.
      const args = ["--only", "partition", "--seconds", "20", "--seed", "11"];
      args.push("--out", out, "--bin", bin);
      const { code, output } = await jepsen("run", ...args).ran;
      expect(code, output).toBe(1);
      expect((await resultIn(out)).why.join("\n")).toMatch(/\((?:lost-writes|serializable)\)/);
      await expectPage(out, "invalid");
    },
    MS_MAX,
  );

  test(
    "are judged once more, and their history is written for other judges",
    async () => {
      const out = await temporaryDirectory();
      await writeHistory(join(out, FILES.history), realHistory());
      const judged = await jepsen("recheck", out).ran;
      expect(judged.code, judged.output).toBe(0);
      expect(judged.output).toMatch(/^referee: .*"unknown":\[\]/m);
      const { code, output } = await jepsen("export", "elle", out).ran;
      expect(code, output).toBe(0);
      expect(output).toContain(join(out, "elle", "strict-serializable.edn"));
      const written = await readFile(join(out, "elle", "history.edn"), "utf8");
      expect(written).toMatch(/^\{:index 0, :type :invoke, /);
      const wrong = await jepsen("export", "knossos", out).ran;
      expect(wrong.code).toBe(2);
      expect(wrong.output).toContain("'knossos' is none of porcupine, elle");
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
      // What it came to by then can be looked at.
      const { code, output } = await jepsen("recheck", out).ran;
      expect(code, output).toBe(2);
      expect(await readFile(join(out, FILES.report), "utf8")).toContain("Run of seed 1, cut off");
    },
    MS_MAX,
  );
});
