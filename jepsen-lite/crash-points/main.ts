import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commandLine, EXIT_USAGE } from "../command-line.ts";
import { missingForStrace } from "../faults/strace.ts";
import { type Plan, type Result, runCampaign } from "./campaign.ts";
import { Directories } from "./directories.ts";
import { FAULTS, type Fault } from "./held-back.ts";
import { nodeOperations } from "./node-operations.ts";
import { Nodes } from "./nodes.ts";
import { operations } from "./operations.ts";
import { kindOf } from "./points.ts";
import { table } from "./table.ts";

const EXIT_VIOLATION = 1;
/** A directory is crashed and judged in the tenth of the time that a node under load takes. */
const DIRECTORY_WEIGHT = 4;
const NAMES = [...operations, ...nodeOperations].map(({ name }) => name);

const USAGE = `npm run crash-points -- [--points N] [--seed S] [--only NAME,NAME]
    [--fault NAME] [--list]
    kills a process at N points (500), drawn from S (1) and spread over the operations
    (${NAMES.join(", ")}),
    each time starts again on what is left and looks at all of it;
    prints a line an operation and a table at the end.
    --list prints where each operation can be crashed, and crashes nothing.
    --fault breaks the disk on purpose, so that something has to be found
    (${Object.keys(FAULTS).join(", ")})
Ends with 1 where something was lost, silently wrong or called damaged, and with 2 where it was called
wrongly. Without strace it says so in a line, and goes on with the points that need none.`;

const OPTIONS = {
  points: { type: "string", default: "500" },
  seed: { type: "string", default: "1" },
  only: { type: "string" },
  fault: { type: "string" },
  list: { type: "boolean", default: false },
} as const;

async function main(): Promise<void> {
  const values = commandLine(USAGE, OPTIONS, ["points", "seed"]);
  const names = values.only?.split(",") ?? NAMES;
  if (!names.every((name) => NAMES.includes(name)))
    refuse(`not all of ${names.join()} are operations`);
  const { fault = null } = values;
  if (fault !== null && !(fault in FAULTS)) refuse(`${fault} is no fault`);
  const missing = await missingForStrace();
  if (missing !== null) say(`skipped: the points at system calls need ${missing}`);
  const all = plansOf(fault as Fault | null, missing === null);
  const plans = all.filter(({ name }) => names.includes(name));
  const directory = await mkdtemp(join(tmpdir(), "rollcall-crash-points-"));
  try {
    if (values.list) {
      await list(plans, directory, Number(values.seed));
      return;
    }
    const results = await runCampaign(
      plans.filter(({ name }) => names.includes(name)),
      {
        seed: Number(values.seed),
        points: Number(values.points),
        directory,
        onResult: (result) => say(lineOf(result)),
      },
    );
    for (const { violations } of results) for (const violation of violations) say(violation);
    say(`seed ${values.seed}\n\n${table(results)}`);
    if (results.some(({ violations }) => violations.length > 0)) process.exitCode = EXIT_VIOLATION;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function plansOf(fault: Fault | null, hasStrace: boolean): readonly Plan[] {
  const onDirectories = operations.map((operation): Plan => {
    return {
      name: operation.name,
      weight: DIRECTORY_WEIGHT,
      prepare: (directory, seed) =>
        Directories.prepare(directory, operation, seed, fault, hasStrace),
    };
  });
  const onNodes = nodeOperations.map((operation): Plan => {
    return {
      name: operation.name,
      weight: 1,
      prepare: (directory, seed) => Nodes.prepare(directory, operation, seed, hasStrace),
    };
  });
  return [...onDirectories, ...onNodes];
}

/** A line a kind of point: the operation, the kind, how many of it there are. */
async function list(plans: readonly Plan[], directory: string, seed: number): Promise<void> {
  for (const plan of plans) {
    const site = await plan.prepare(directory, seed);
    const kinds = (await site.points()).map(kindOf);
    for (const kind of new Set(kinds)) {
      say(`${plan.name}: ${kind}: ${kinds.filter((each) => each === kind).length}`);
    }
    await site.remove();
  }
}

function lineOf({ name, known, steps, syscalls, missed, violations, seconds }: Result): string {
  const crashes = `${steps} crashes at steps, ${syscalls} at calls, of ${known} points`;
  const missing = missed === 0 ? "" : `, ${missed} not reached`;
  return `${name}: ${crashes}${missing}, ${violations.length} violations, ${seconds.toFixed(0)} s`;
}

function refuse(why: string): never {
  process.stderr.write(`${why}\n\n${USAGE}\n`);
  process.exit(EXIT_USAGE);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

await main();
