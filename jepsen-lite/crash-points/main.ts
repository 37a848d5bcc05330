import { rmSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commandLine, EXIT_USAGE } from "../command-line.ts";
import { missing } from "../faults/capabilities.ts";
import { type Plan, type Result, runCampaign } from "./campaign.ts";
import { Directories } from "./directories.ts";
import { FAULTS, type Fault } from "./held-back.ts";
import { nodeOperations } from "./node-operations.ts";
import { Nodes } from "./nodes.ts";
import { operations } from "./operations.ts";
import { kindOf, type Point, textOf } from "./points.ts";
import { table } from "./table.ts";

const EXIT_VIOLATION = 1;
/** As for Automake's tests: it could not run here. */
const EXIT_SKIPPED = 77;
/** A directory is crashed and judged in the tenth of the time that a node under load takes. */
const DIRECTORY_WEIGHT = 4;
const TYPES: Readonly<Record<string, Point["type"]>> = { steps: "step", calls: "syscall" };
const NAMES = [...operations, ...nodeOperations].map(({ name }) => name);

const USAGE = `npm run crash-points -- [--points N] [--seed S] [--only NAME,NAME] [--at WHERE]
    [--fault NAME] [--list]
    kills a process at N points (500), drawn from S (1) and spread over the operations
    (${NAMES.join(", ")}),
    each time starts again on what is left and looks at all of it;
    prints a line an operation and a table at the end.
    --at steps, or calls: only of these; or one point, as it is called where something was found.
    --list prints where each operation can be crashed, and crashes nothing.
    --fault breaks the disk on purpose, so that something has to be found
    (${Object.keys(FAULTS).join(", ")})
Ends with 1 where something was lost, silently wrong or called damaged, and with 2 where it was called
wrongly. Without strace it says so in a line, and goes on with the points that need none; where none
are left, it ends with 77.`;

const OPTIONS = {
  points: { type: "string" },
  seed: { type: "string", default: "1" },
  only: { type: "string" },
  at: { type: "string" },
  fault: { type: "string" },
  list: { type: "boolean", default: false },
} as const;

async function main(): Promise<void> {
  const values = commandLine(USAGE, OPTIONS, ["points", "seed"]);
  const names = values.only?.split(",") ?? NAMES;
  if (!names.every((name) => NAMES.includes(name))) {
    refuse(`not all of ${names.join()} are operations`);
  }
  const { fault = null, at = null } = values;
  if (fault !== null && !Object.hasOwn(FAULTS, fault)) refuse(`${fault} is no fault`);
  const types = await typesOf(at);
  if (types.length === 0) {
    process.exitCode = EXIT_SKIPPED;
    return;
  }
  const isOne = at !== null && !Object.hasOwn(TYPES, at);
  const plans = plansOf(fault as Fault | null).filter(({ name }) => names.includes(name));
  const directory = await mkdtemp(join(tmpdir(), "rollcall-crash-points-"));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => {
      rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
      process.exit(1);
    });
  }
  let isKept = false;
  try {
    if (values.list) {
      await list(plans, directory, Number(values.seed), types);
      return;
    }
    const results = await runCampaign(plans, {
      seed: Number(values.seed),
      points: Number(values.points ?? (isOne ? "1" : "500")),
      directory,
      types,
      isMeant: (point) => !isOne || textOf(point) === at,
      onResult: (result) => say(lineOf(result)),
    });
    if (results.every(({ known }) => known === 0)) {
      process.stderr.write(`there is no point ${at}\n\n${USAGE}\n`);
      process.exitCode = EXIT_USAGE;
      return;
    }
    for (const { violations } of results) for (const violation of violations) say(violation);
    isKept = results.some(({ violations }) => violations.length > 0);
    say(`seed ${values.seed}\n\n${table(results)}`);
    if (!isKept) return;
    process.exitCode = EXIT_VIOLATION;
    say(`\nwhat was left of them is in ${directory}`);
  } finally {
    if (!isKept) await rm(directory, { recursive: true, force: true });
  }
}

/** Of the points that are asked for, those that can be had here. */
async function typesOf(at: string | null): Promise<readonly Point["type"][]> {
  const only = TYPES[at ?? ""];
  const asked = only === undefined ? Object.values(TYPES) : [only];
  if (!asked.includes("syscall")) return asked;
  const reason = await missing("kills");
  if (reason === null) return asked;
  say(`skipped: the points at system calls need ${reason}`);
  return asked.filter((type) => type !== "syscall");
}

function plansOf(fault: Fault | null): readonly Plan[] {
  const onDirectories = operations.map((operation): Plan => {
    const { name } = operation;
    return {
      name,
      weight: DIRECTORY_WEIGHT,
      prepare: (directory, seed) => Directories.prepare(directory, operation, seed, fault),
    };
  });
  const onNodes = nodeOperations.map((operation): Plan => {
    const { name } = operation;
    const prepare = async (directory: string, seed: number) =>
      new Nodes(directory, operation, seed);
    return { name, weight: 1, prepare };
  });
  return [...onDirectories, ...onNodes];
}

/** A line a kind of point: the operation, the kind, how many of it there are. */
async function list(
  plans: readonly Plan[],
  directory: string,
  seed: number,
  types: readonly Point["type"][],
): Promise<void> {
  for (const plan of plans) {
    const place = join(directory, plan.name);
    await mkdir(place);
    const site = await plan.prepare(place, seed);
    const kinds: string[] = [];
    for (const type of types) kinds.push(...(await site.points(type)).map(kindOf));
    for (const kind of new Set(kinds)) {
      say(`${plan.name}: ${kind}: ${kinds.filter((each) => each === kind).length}`);
    }
    await site.close();
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
