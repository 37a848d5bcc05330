import type { Command } from "commander";
import { CALL_TIMEOUT_MS_DEFAULT, NAMESPACE_DEFAULT } from "../limits.ts";
import { addFlag, durationIn, oneOf } from "./flags.ts";
import { FORMATS, type Format, Output } from "./output.ts";
import { parseServers, SERVER_DEFAULT } from "./servers.ts";
import type { World } from "./world.ts";

/** What every command works with. */
export interface Context {
  readonly world: World;
  readonly output: Output;
  readonly servers: readonly string[];
  readonly namespace: string;
  readonly timeoutMs: number;
  /** What stands after `--exec`; null where that was not given. */
  readonly exec: readonly string[] | null;
}

interface GlobalFlags {
  readonly server: readonly string[];
  readonly namespace: string;
  readonly output: Format;
  readonly timeout: number;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly color: boolean;
}

const TIMEOUT_MS_MAX = 3_600_000;

export function addGlobalFlags(program: Command, env: World["env"]): void {
  addFlag(program, env, {
    flags: "-s, --server <url,...>",
    doc: "Nodes to ask, one or more with commas",
    env: "ROLLCALL_SERVER",
    parse: parseServers,
    fallback: [SERVER_DEFAULT],
    fallbackText: SERVER_DEFAULT,
  });
  addFlag(program, env, {
    flags: "-n, --namespace <name>",
    doc: "Namespace of all that is named",
    env: "ROLLCALL_NAMESPACE",
    fallback: NAMESPACE_DEFAULT,
    fallbackText: NAMESPACE_DEFAULT,
  });
  addFlag(program, env, {
    flags: "-o, --output <format>",
    doc: "table, json or jsonl",
    env: "ROLLCALL_OUTPUT",
    parse: oneOf(FORMATS),
    fallback: "table",
    fallbackText: "table",
  });
  addFlag(program, env, {
    flags: "--timeout <time>",
    doc: "How long an answer may take",
    env: "ROLLCALL_TIMEOUT",
    parse: durationIn(1, TIMEOUT_MS_MAX),
    fallback: CALL_TIMEOUT_MS_DEFAULT,
    fallbackText: `${CALL_TIMEOUT_MS_DEFAULT / 1000}s`,
  });
  addFlag(program, env, { flags: "-q, --quiet", doc: "No notes", env: "ROLLCALL_QUIET" });
  addFlag(program, env, {
    flags: "-v, --verbose",
    doc: "More of what happens, and the causes of errors",
    env: "ROLLCALL_VERBOSE",
  });
  addFlag(program, env, { flags: "--no-color", doc: "No colours (env: NO_COLOR)", env: null });
}

export function createContext(
  world: World,
  exec: readonly string[] | null,
  flags: Partial<GlobalFlags>,
): Context {
  return {
    world,
    exec,
    output: createOutput(world, flags),
    servers: flags.server ?? [SERVER_DEFAULT],
    namespace: flags.namespace ?? NAMESPACE_DEFAULT,
    timeoutMs: flags.timeout ?? CALL_TIMEOUT_MS_DEFAULT,
  };
}

/** Before the flags are parsed, for what is wrong with them, it is read off the arguments. */
export function roughOutput(world: World): Output {
  const format = FORMATS.find((candidate) =>
    world.args.some((arg, at) =>
      arg === "-o" || arg === "--output"
        ? world.args[at + 1] === candidate
        : arg === `-o${candidate}` || arg === `--output=${candidate}`,
    ),
  );
  const fromEnv = FORMATS.find((candidate) => candidate === world.env["ROLLCALL_OUTPUT"]);
  const color = !world.args.includes("--no-color");
  return createOutput(world, { output: format ?? fromEnv ?? "table", color });
}

function createOutput(world: World, flags: Partial<GlobalFlags>): Output {
  const noColor = world.env["NO_COLOR"];
  const isDumb = world.env["TERM"] === "dumb";
  const isWanted = flags.color !== false && (noColor === undefined || noColor === "") && !isDumb;
  return new Output({
    stdout: world.stdout,
    stderr: world.stderr,
    format: flags.output ?? "table",
    isQuiet: flags.quiet ?? false,
    isVerbose: flags.verbose ?? false,
    hasColor: isWanted && world.stdout.isTty && world.stderr.isTty,
  });
}
