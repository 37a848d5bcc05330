import { totalmem } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import { defineCommand, flag, type Invocation } from "./command.ts";
import type { Context } from "./context.ts";
import { runChild } from "./exec-child.ts";
import { durationIn, integerIn } from "./flags.ts";
import { setExamples } from "./help.ts";

/** Beside the built command; it is a program of its own, which nothing here is linked to. */
const HARNESS = join("..", "dist", "jepsen-lite", "chaos", "main.js");
/** Of the machine's memory: the judges hold the whole history of a run. */
const HEAP_SHARE = 0.6;
const NODES_MAX = 9;
const DURATION_MS_MAX = 24 * 3_600_000;
const SEED_MAX = 2 ** 32 - 1;

const RUN = {
  line: "rollcall chaos run --nodes 5 --duration 60s --seed 8",
  doc: "five nodes, disturbed by everything that there is",
};
const LIST = { line: "rollcall chaos list", doc: "what there is to be disturbed by" };
const REPLAY = {
  line: "rollcall chaos replay /tmp/run --times 5",
  doc: "the same plan, five times, or until a promise is broken",
};
const RECHECK = {
  line: "rollcall chaos recheck /tmp/run",
  doc: "judge once more what was recorded",
};
const EXPORT = {
  line: "rollcall chaos export porcupine /tmp/run",
  doc: "write what was recorded for another judge",
};

const OUT = flag<string>({
  flags: "--out <dir>",
  doc: "Where all of the run is kept; default: a new directory of the system's temporary ones",
  env: "ROLLCALL_CHAOS_OUT",
});
const BIN = flag<string>({
  flags: "--bin <file>",
  doc: "Accuse another build than this one, by its bin/rollcall.js",
  env: "ROLLCALL_CHAOS_BIN",
});
const DIRECTORY = ["<dir>", "Of the run"] as const;

interface RunFlags {
  readonly nodes?: number;
  readonly duration?: number;
  readonly operations?: number;
  readonly seed?: number;
  readonly only?: string;
  readonly out?: string;
  readonly bin?: string;
}

interface ReplayFlags {
  readonly times?: number;
  readonly out?: string;
  readonly bin?: string;
}

export function defineChaos(command: Command, invocation: Invocation): void {
  command.helpCommand(false);
  setExamples(command, [RUN, LIST, REPLAY, RECHECK, EXPORT]);
  defineRun(command.command("run"), invocation);
  defineList(command.command("list"), invocation);
  defineReplay(command.command("replay"), invocation);
  defineRecheck(command.command("recheck"), invocation);
  defineExport(command.command("export"), invocation);
}

function defineRun(command: Command, invocation: Invocation): void {
  command.description(
    "Start a cluster on this machine, disturb it and its clients, and judge what they were told.",
  );
  defineCommand<RunFlags>(command, invocation, {
    examples: [
      RUN,
      {
        line: "rollcall chaos run network --out /tmp/run",
        doc: "only what nodes say to each other",
      },
      { line: "rollcall chaos run --only kill,partition", doc: "these two" },
    ],
    args: [["[scenario]", "One of 'rollcall chaos list'; default: mixed"]],
    flags: [
      flag<number>({
        flags: "--nodes <count>",
        doc: "How many",
        env: "ROLLCALL_CHAOS_NODES",
        fallback: 3,
        parse: integerIn(1, NODES_MAX),
      }),
      flag<number>({
        flags: "--duration <time>",
        doc: "How long it is disturbed",
        env: "ROLLCALL_CHAOS_DURATION",
        fallback: 60_000,
        fallbackText: "60s",
        parse: durationIn(1_000, DURATION_MS_MAX),
      }),
      flag<number>({
        flags: "--operations <count>",
        doc: "Go on until there were so many, for twice the duration at the most",
        env: "ROLLCALL_CHAOS_OPERATIONS",
        parse: integerIn(1, Number.MAX_SAFE_INTEGER),
      }),
      flag<number>({
        flags: "--seed <number>",
        doc: "What draws the plan; default: another one each time, which is printed",
        env: "ROLLCALL_CHAOS_SEED",
        parse: integerIn(1, SEED_MAX),
      }),
      flag<string>({
        flags: "--only <names>",
        doc: "Instead of a scenario: what disturbs it, with commas between",
        env: "ROLLCALL_CHAOS_ONLY",
      }),
      OUT,
      BIN,
    ],
    work: async (context, [scenario], { duration = 0, ...flags }) =>
      await harness(context, "run", scenario === undefined ? [] : [scenario], {
        seconds: Math.ceil(duration / 1_000),
        ...inWorld(context, flags),
      }),
  });
}

function defineList(command: Command, invocation: Invocation): void {
  command.description("Say what there is to disturb a run, and under which names.");
  defineCommand(command, invocation, {
    examples: [LIST, { line: `${LIST.line} -o json`, doc: "for programs" }],
    work: async (context) =>
      await harness(context, "list", context.output.isForPeople ? [] : ["--json"], {}),
  });
}

function defineReplay(command: Command, invocation: Invocation): void {
  command.description(
    "Do once more what was done in a run: the same plan; processes have times of their own.",
  );
  defineCommand<ReplayFlags>(command, invocation, {
    examples: [REPLAY],
    args: [DIRECTORY],
    flags: [
      flag<number>({
        flags: "--times <count>",
        doc: "So often, or until a promise is broken",
        env: "ROLLCALL_CHAOS_TIMES",
        fallback: 1,
        parse: integerIn(1, Number.MAX_SAFE_INTEGER),
      }),
      OUT,
      BIN,
    ],
    work: async (context, [directory = ""], flags) =>
      await harness(context, "replay", [at(context, directory)], { ...inWorld(context, flags) }),
  });
}

function defineRecheck(command: Command, invocation: Invocation): void {
  command.description("Judge the history of a run once more, by its file alone.");
  defineCommand(command, invocation, {
    examples: [RECHECK],
    args: [DIRECTORY],
    work: async (context, [directory = ""]) =>
      await harness(context, "recheck", [at(context, directory)], {}),
  });
}

function defineExport(command: Command, invocation: Invocation): void {
  command.description("Write the history of a run for other judges, into a directory beside it.");
  defineCommand(command, invocation, {
    examples: [EXPORT, { line: "rollcall chaos export elle /tmp/run", doc: "for Elle" }],
    args: [["<format>", "porcupine or elle"], DIRECTORY],
    work: async (context, [format = "", directory = ""]) =>
      await harness(context, "export", [format, at(context, directory)], {}),
  });
}

/** Paths as whoever typed them means them. */
function inWorld<F extends { readonly out?: string; readonly bin?: string }>(
  context: Context,
  flags: F,
): F {
  const { out, bin } = flags;
  return {
    ...flags,
    ...(out !== undefined && { out: at(context, out) }),
    ...(bin !== undefined && { bin: at(context, bin) }),
  };
}

function at({ world }: Context, path: string): string {
  return resolve(world.cwd, path);
}

/** Ends with its exit code: 0 valid, 1 invalid, 2 unknown or a misuse, 3 a failure of its own. */
async function harness(
  { world }: Context,
  verb: string,
  args: readonly string[],
  flags: Readonly<Record<string, string | number>>,
): Promise<number> {
  const path = resolve(dirname(world.binPath), HARNESS);
  const heap = `--max-old-space-size=${Math.floor((HEAP_SHARE * totalmem()) / 2 ** 20)}`;
  const given = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return await runChild(world, [process.execPath, heap, path, verb, ...args, ...given]);
}
