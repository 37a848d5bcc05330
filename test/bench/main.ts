/**
 * `npm run bench`: three Rollcall nodes and, beside them in the same run, the bare pipeline as the
 * floor. Both are kept running on data of their own, and one load generator turns from one to the
 * other in slices, so that what the machine does besides falls on both alike.
 *
 *   npm run bench -- [--quick] [--only REGEXP] [--pairs N] [--profile] [--pipeline-only]
 *
 * Logs, profiles and the figures of every slice are in `bench-results/`.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Children, messageOf } from "./children.ts";
import { type Cluster, startPipeline, startRollcall } from "./clusters.ts";
import { type Line, machineOf, type Pair, tableOf } from "./report.ts";
import { type Row, rows } from "./rows.ts";
import { SETTLE_MS_MAX, type SliceFigures, type SliceOrder, type SliceOutcome } from "./slice.ts";

/** No round begins after this; a run of all rows with five pairs takes about three minutes. */
const ROUNDS_MS_MAX = 225_000;
/** Something hangs: everything is killed. */
const RUN_MS_MAX = 285_000;
/** Slices that may fail, say in an election, before the run is given up. */
const FAILURES_MAX = 3;
const PAUSE_MS = 100;
/** After a failure: a leader is elected, and sessions that nobody closed end, at no slice's cost. */
const RECOVERY_MS = 5_000;
const TIMES = { warmUpMs: 500, durationMs: 2_000 };
const TIMES_QUICK = { warmUpMs: 300, durationMs: 1_000 };

type Slice = (cluster: Cluster, row: Row, place: Line["place"]) => Promise<SliceFigures>;

interface Run {
  readonly slice: Slice;
  readonly rollcall: Cluster | null;
  readonly pipeline: Cluster;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function startGenerator(children: Children, times: typeof TIMES): Slice {
  const generator = children.fork(new URL("./load.js", import.meta.url));
  return async (cluster, { work, inFlight, connections }, place) => {
    const target = await cluster.at(place);
    const order: SliceOrder = { target, work, inFlight, connections, ...times };
    const timeoutMs = times.warmUpMs + times.durationMs + 2 * SETTLE_MS_MAX;
    const answer = messageOf<SliceOutcome>(generator, "ok", timeoutMs);
    generator.send(order);
    const outcome = await answer;
    await sleep(PAUSE_MS);
    if (!outcome.ok) throw new Error(outcome.error);
    return outcome.figures;
  };
}

/** Rollcall at each place, then the floor once: every place is paired with that same slice. */
async function roundOf(row: Row, { slice, rollcall, pipeline }: Run): Promise<Pair[]> {
  const ours: (SliceFigures | null)[] = [];
  for (const place of row.places) {
    ours.push(rollcall === null ? null : await slice(rollcall, row, place));
  }
  const floor = row.hasFloor ? await slice(pipeline, row, "leader") : null;
  return ours.map((figures) => ({ rollcall: figures, floor }));
}

/** Rounds of every row, one after the other, until each row has its pairs: a failed one is made up for. */
async function measure(picked: readonly Row[], pairs: number, run: Run): Promise<Line[]> {
  const tables = picked.map((row) => ({
    row,
    lines: row.places.map((place) => ({ row, place, pairs: [] as Pair[] })),
  }));
  const lines = tables.flatMap((table) => table.lines);
  const untilMs = performance.now() + ROUNDS_MS_MAX;
  let failures = 0;
  while (lines.some((line) => line.pairs.length < pairs)) {
    for (const table of tables) {
      const done = table.lines[0]?.pairs.length ?? pairs;
      if (done >= pairs) continue;
      if (performance.now() > untilMs) {
        say("out of time: some rows have fewer pairs than asked for");
        return lines;
      }
      const title = `${table.row.name}, ${done + 1} of ${pairs}`;
      try {
        const results = await roundOf(table.row, run);
        for (const [i, pair] of results.entries()) table.lines[i]!.pairs.push(pair);
        say(`${title}: ${results.map(briefly).join(", ")}`);
      } catch (error) {
        say(`${title}: does not count: ${String(error)}`);
        if (++failures > FAILURES_MAX) throw error;
        await sleep(RECOVERY_MS);
      }
    }
  }
  return lines;
}

function briefly({ rollcall, floor }: Pair): string {
  const rate = (figures: SliceFigures | null): string =>
    figures === null ? "–" : `${Math.round(figures.opsPerSecond)}/s`;
  return `${rate(rollcall)} to ${rate(floor)}`;
}

/** Warm code on both sides before the first slice that counts. */
async function warmUp({ slice, rollcall, pipeline }: Run): Promise<void> {
  const row = rows.find(({ name }) => name === "register-256")!;
  for (const cluster of [rollcall, pipeline]) {
    if (cluster === null) continue;
    await slice(cluster, row, "leader").catch((error) => say(`warm-up: ${String(error)}`));
  }
}

function optionsOf() {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string", default: "" },
      pairs: { type: "string" },
      profile: { type: "boolean", default: false },
      "pipeline-only": { type: "boolean", default: false },
    },
  });
  const { quick: isQuick, profile: isProfiled, "pipeline-only": isPipelineOnly } = values;
  const only = new RegExp(values.only);
  const picked = rows
    .filter((row) => only.test(row.name) && (row.isQuick || !isQuick))
    .filter((row) => row.hasFloor || !isPipelineOnly)
    .map((row): Row => (isPipelineOnly ? { ...row, places: ["leader"] } : row));
  if (picked.length === 0) throw new Error("--only leaves no row");
  const pairs = Number(values.pairs ?? (isQuick ? 2 : 5));
  if (!Number.isInteger(pairs) || pairs < 1) throw new Error("--pairs is a positive integer");
  return { isQuick, isProfiled, isPipelineOnly, picked, pairs };
}

async function main(): Promise<void> {
  const { isQuick, isProfiled, isPipelineOnly, picked, pairs } = optionsOf();
  const results = fileURLToPath(new URL("../../../bench-results", import.meta.url));
  mkdirSync(results, { recursive: true });
  const data = mkdtempSync(join(results, "data-"));
  const children = new Children();
  process.on("exit", () => rmSync(data, { recursive: true, force: true, maxRetries: 5 }));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));
  setTimeout(() => {
    say("the run hangs; it is given up");
    process.exit(1);
  }, RUN_MS_MAX).unref();

  const machine = machineOf(data);
  say(machine);
  const pipeline = await startPipeline(children, join(data, "pipeline"));
  const rollcall = isPipelineOnly
    ? null
    : await startRollcall(children, { directory: join(data, "rollcall"), results, isProfiled });
  const slice = startGenerator(children, isQuick ? TIMES_QUICK : TIMES);
  const run: Run = { slice, rollcall, pipeline };
  await warmUp(run);
  const lines = await measure(picked, pairs, run);
  await children.stopAll();
  writeFileSync(join(results, "slices.json"), JSON.stringify({ machine, lines }, null, 2));
  console.log(`${machine}\n\n${tableOf(lines.filter((line) => line.pairs.length > 0))}`);
  if (isProfiled) console.log(`\nCPU profiles: ${results}/n{1,2,3}.cpuprofile`);
}

await main();
process.exit(0);
