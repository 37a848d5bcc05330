import { readFileSync, writeFileSync } from "node:fs";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { commandLine } from "../command-line.ts";
import { follow, planOf, type RunResult, run } from "./run.ts";
import { shrink } from "./shrink.ts";
import { lineOf, NOTHING, plus, type Tally, tallyOf } from "./tally.ts";
import { parseTranscript, transcriptOf } from "./transcript.ts";

const SEEDS_PER_LINE = 50;

/** Every `step`th seed from `from`, `until` not among them. */
interface Row {
  readonly from: number;
  readonly until: number;
  readonly step: number;
}

interface Report {
  readonly tally: Tally;
  readonly seed: number;
  readonly violation: string | null;
}

const USAGE = `npm run sim -- [--seeds N] [--from S] [--jobs J] [--shrink]
    goes through a row of N seeds (200) from S (1) in J workers (1), up to the first violation
npm run sim -- --seed S [--shrink]
    replays one run and says all of it; with --shrink it takes away what the violation does not
    need, and writes what is left to a file
npm run sim -- --replay FILE
    runs such a file
Ends with 1 at a violation, and prints the command that replays it; with 2 where it was called wrongly.`;

const OPTIONS = {
  seed: { type: "string" },
  seeds: { type: "string", default: "200" },
  from: { type: "string", default: "1" },
  jobs: { type: "string", default: "1" },
  shrink: { type: "boolean", default: false },
  replay: { type: "string" },
} as const;

async function main(): Promise<void> {
  const values = commandLine(USAGE, OPTIONS, ["seed", "seeds", "from", "jobs"]);
  if (values.replay !== undefined) {
    tell(follow(parseTranscript(readFileSync(values.replay, "utf8"))).result);
  } else if (values.seed === undefined) {
    const from = Number(values.from);
    await goThrough(from, Number(values.seeds), Number(values.jobs), values.shrink);
  } else if (values.shrink) {
    shrinkSeed(Number(values.seed));
  } else {
    tell(run(Number(values.seed)));
  }
}

function tell(result: RunResult): void {
  print(JSON.stringify(result, null, 2));
  process.exitCode = result.violation === null ? 0 : 1;
}

async function goThrough(
  from: number,
  seeds: number,
  jobs: number,
  isShrinking: boolean,
): Promise<void> {
  const startedMs = performance.now();
  let tally = NOTHING;
  const broken = await new Promise<Report | null>((resolve, reject) => {
    let running = jobs;
    for (let job = 0; job < jobs; job += 1) {
      const row: Row = { from: from + job, until: from + seeds, step: jobs };
      const worker = new Worker(new URL(import.meta.url), { workerData: row });
      worker.on("message", (report: Report) => {
        tally = plus(tally, report.tally);
        if (report.violation !== null) {
          resolve(report);
        } else if (tally.seeds % SEEDS_PER_LINE === 0) {
          print(lineOf(tally, seeds, (performance.now() - startedMs) / 1000));
        }
      });
      worker.on("error", reject);
      worker.on("exit", () => {
        running -= 1;
        if (running === 0) resolve(null);
      });
    }
  });
  print(lineOf(tally, seeds, (performance.now() - startedMs) / 1000));
  if (broken === null) {
    print(`no violation in ${seeds} seeds from ${from}`);
    return;
  }
  print(`seed ${broken.seed}: ${broken.violation}`);
  print(`replay: npm run sim -- --seed ${broken.seed}`);
  if (isShrinking) {
    shrinkSeed(broken.seed);
  }
  // The other workers are in the middle of their rows.
  process.exit(1);
}

function shrinkSeed(seed: number): void {
  const { result, plan } = follow(planOf(seed));
  if (result.violation === null) {
    print(`seed ${seed} breaks nothing`);
    return;
  }
  process.exitCode = 1;
  const small = shrink(plan, result);
  const file = `seed-${seed}.json`;
  writeFileSync(file, transcriptOf(small.plan, small.result));
  const before = `${plan.faults?.length ?? 0} faults in ${plan.options.safetyMs} ms`;
  const after = `${small.plan.faults?.length ?? 0} in ${small.plan.options.safetyMs} ms`;
  print(`${before} shrunk to ${after} by ${small.runs} runs: ${small.result.violation}`);
  print(`replay: npm run sim -- --replay ${file}`);
}

function work({ from, until, step }: Row): void {
  for (let seed = from; seed < until; seed += step) {
    const result = run(seed);
    const report: Report = { tally: tallyOf(result), seed, violation: result.violation };
    parentPort?.postMessage(report);
    if (result.violation !== null) {
      return;
    }
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

if (isMainThread) {
  await main();
} else {
  work(workerData as Row);
}
