import { mkdir, mkdtemp, readdir, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Judgement } from "../checker/verdict.ts";
import { commandLine, EXIT_USAGE, Misuse } from "../command-line.ts";
import { FORMATS, isFormat } from "../export/write.ts";
import { linesOf, probed } from "../faults/capabilities.ts";
import { ableWith } from "./able.ts";
import { entered, freezerPath } from "./inside.ts";
import { exported, judgedAgain } from "./judged-again.ts";
import { nemesesOf, type Orders, readOrders } from "./orders.ts";
import { NEMESES } from "./plan.ts";
import { run } from "./run.ts";
import { FILES, type RunResult } from "./run-directory.ts";
import { DEFAULT_SCENARIO, SCENARIOS, scenarioOf } from "./scenarios.ts";

const BIN = fileURLToPath(new URL("../../../bin/rollcall.js", import.meta.url));
/** As little as shows something, and not so much that nobody would wait for it. */
const SECONDS = "60";
const TIMES = "1";

const USAGE = `run [SCENARIO] [--nodes 3] [--seconds ${SECONDS}] [--operations N] [--seed S] [--only NAME,NAME] [--out DIR] [--bin FILE]
    real nodes (of another build with --bin) and clients, disturbed as SCENARIO (${DEFAULT_SCENARIO}) or the
    names say, for so long and until there were N operations; what they say is judged
list [--json]
    the scenarios and what disturbs a run
replay DIR [--times ${TIMES}] [--out DIR] [--bin FILE]
    does once more what was done in a run; N times, or until a promise is broken
recheck DIR
    judges the history of a run once more, and makes its page anew
export FORMAT DIR
    writes the history of a run for other judges into DIR/FORMAT; FORMAT: ${FORMATS.join(", ")}
Ends with 0 where every promise was kept, with 1 where one was not, with 2 where nothing can be said
(too little happened, or it was called wrongly), with 3 where the harness itself has failed, and with
77 where none of the nemeses can be had here. What is missing, and what is skipped for it, is said.`;

const HINT =
  "hint: 'rollcall chaos list' names what there is, 'rollcall chaos --help' how it is called";

const EXITS = { valid: 0, invalid: 1, unknown: 2 } as const;
const EXIT_HARNESS = 3;
/** As for Automake's tests: it could not run here. */
const EXIT_SKIPPED = 77;

/** Ends all that was started, and writes down what there is. */
let ending: () => Promise<void> = async () => {};

const VERBS: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = {
  run: runOne,
  list,
  replay,
  recheck,
  export: exportOne,
};

async function main(): Promise<number> {
  const [name = "", ...args] = process.argv.slice(2);
  const verb = VERBS[name];
  if (verb !== undefined) return await verb(args);
  if (name === "--help") {
    say(USAGE);
    return EXITS.valid;
  }
  throw new Misuse(name === "" ? "what is to be done?" : `'${name}' is none of its words`);
}

async function runOne(args: readonly string[]): Promise<number> {
  const values = commandLine(
    USAGE,
    {
      nodes: { type: "string", default: "3" },
      seconds: { type: "string", default: SECONDS },
      operations: { type: "string", default: "1" },
      seed: { type: "string", default: String(1 + (Date.now() % 1_000_000)) },
      only: { type: "string" },
      out: { type: "string" },
      bin: { type: "string", default: BIN },
    },
    ["nodes", "seconds", "operations", "seed"],
    { args, names: ["SCENARIO?"] },
  );
  const [named = DEFAULT_SCENARIO] = values.given;
  const scenario = scenarioOf(named);
  if (scenario === null) throw new Misuse(`no scenario is called '${named}'`);
  const nemeses = values.only?.split(",") ?? scenario.nemeses.map(({ name }) => name);
  const orders = {
    nodes: Number(values.nodes),
    seconds: Number(values.seconds),
    operations: Number(values.operations),
    seed: Number(values.seed),
    nemeses,
  };
  nemesesOf(nemeses);
  return (await inside()) ?? exitOf(await carriedOut(orders, values.out, values.bin));
}

async function list(args: readonly string[]): Promise<number> {
  const values = commandLine(USAGE, { json: { type: "boolean", default: false } }, [], { args });
  const scenarios = SCENARIOS.map(({ name, doc, nemeses }) => ({
    ...{ name, doc },
    nemeses: nemeses.map((nemesis) => nemesis.name),
  }));
  const nemeses = NEMESES.map(({ name, on, doc }) => ({ name, on, doc }));
  if (values.json) {
    say(JSON.stringify({ scenarios, nemeses }, null, 2));
    return EXITS.valid;
  }
  const width = Math.max(...[...scenarios, ...nemeses].map(({ name }) => name.length));
  say("Scenarios:");
  for (const { name, doc } of scenarios) say(`  ${name.padEnd(width)}  ${doc}`);
  say("\nWhat disturbs a run:");
  for (const { name, doc } of nemeses) say(`  ${name.padEnd(width)}  ${doc}`);
  return EXITS.valid;
}

async function replay(args: readonly string[]): Promise<number> {
  const { times, out, bin, given } = commandLine(
    USAGE,
    {
      times: { type: "string", default: TIMES },
      out: { type: "string" },
      bin: { type: "string", default: BIN },
    },
    ["times"],
    { args, names: ["DIR"] },
  );
  const orders = await readOrders(given[0] ?? "");
  const code = await inside();
  if (code !== null) return code;
  let last: RunResult | null = null;
  for (let at = 1; at <= Number(times); at += 1) {
    const directory = out === undefined || times === "1" ? out : join(out, String(at));
    last = await carriedOut(orders, directory, bin);
    if (last?.outcome === "invalid") break;
  }
  return exitOf(last);
}

/** The exit code of what was done inside; null where this is inside, or has to do as it is. */
async function inside(): Promise<number | null> {
  const code = await entered();
  if (code === "isInside") return null;
  return code ?? EXIT_HARNESS;
}

function exitOf(result: RunResult | null): number {
  return result === null ? EXIT_SKIPPED : EXITS[result.outcome];
}

/** Null where none of the nemeses can be had here. */

async function carriedOut(
  { nemeses, ...numbers }: Orders,
  out: string | undefined,
  bin: string,
): Promise<RunResult | null> {
  await stat(bin);
  const capabilities = await probed();
  for (const line of linesOf(capabilities)) say(line);
  const { able, skipped } = ableWith(nemesesOf(nemeses), capabilities);
  for (const [name, reason] of skipped) say(`skipped: ${name} needs ${reason}`);
  if (able.length === 0) return null;
  if (out !== undefined) await mkdir(out, { recursive: true });
  if (out !== undefined && (await readdir(out)).length > 0) {
    throw new Misuse(`${out} is not empty: a run has a directory of its own`);
  }
  const directory = resolve(out ?? (await mkdtemp(join(tmpdir(), "rollcall-chaos-"))));
  const result = await run({
    ...numbers,
    ...{ bin, nemeses: able, directory, onProgress: say, onMade: closeOnSignal },
    ...{ capabilities, skipped, freezerPath: freezerPath() },
  });
  const { outcome, why, counts, faults, faultsInVain, looked, bounds, referee, ...rest } = result;
  const { broken: _, doubts: __, machine: ___, ...sums } = rest;
  say(JSON.stringify(sums));
  say(`counts: ${JSON.stringify(counts)}`);
  say(`faults: ${JSON.stringify(faults)}; in vain: ${JSON.stringify(faultsInVain)}`);
  sayLooked({ looked, bounds, referee });
  for (const line of why) say(line);
  say(`${outcome}; all of it is in ${directory}, ${FILES.report} first`);
  return result;
}

/** Nothing of it is left running behind Ctrl-C. */
function closeOnSignal(close: () => Promise<void>): void {
  ending = close;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.removeAllListeners(signal);
    process.once(signal, () => {
      say(`${signal}: the nodes are ended`);
      void close().finally(() => process.exit(EXIT_HARNESS));
    });
  }
}

async function recheck(args: readonly string[]): Promise<number> {
  const { given } = commandLine(USAGE, {}, [], { args, names: ["DIR"] });
  const [directory = ""] = given;
  const { outcome, why, ...judgement } = await judgedAgain(directory);
  sayLooked(judgement);
  for (const line of why) say(line);
  say(outcome);
  return EXITS[outcome];
}

async function exportOne(args: readonly string[]): Promise<number> {
  const { given } = commandLine(USAGE, {}, [], { args, names: ["FORMAT", "DIR"] });
  const [format = "", directory = ""] = given;
  if (!isFormat(format)) throw new Misuse(`'${format}' is none of ${FORMATS.join(", ")}`);
  for (const path of await exported(directory, format)) say(path);
  return EXITS.valid;
}

function sayLooked({
  looked,
  bounds,
  referee,
}: Pick<Judgement, "looked" | "bounds" | "referee">): void {
  say(`looked at: ${JSON.stringify(looked)}`);
  for (const bound of bounds) say(`allowed before late: ${JSON.stringify(bound)}`);
  say(`referee: ${JSON.stringify(referee)}`);
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

// Whatever was not foreseen is the harness's own failure, and no verdict.
for (const event of ["uncaughtException", "unhandledRejection"] as const) {
  process.on(event, (error: unknown) => {
    process.stderr.write(`${event}: ${stackOf(error)}\n`);
    void ending().finally(() => process.exit(EXIT_HARNESS));
  });
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    const isMisuse = error instanceof Misuse;
    const text = isMisuse ? `${error.message}\n${HINT}` : stackOf(error);
    process.stderr.write(`${text}\n`);
    process.exit(isMisuse ? EXIT_USAGE : EXIT_HARNESS);
  },
);
