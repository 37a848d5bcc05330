import type { Command } from "commander";
import { type Context, createContext } from "./context.ts";
import { addFlag, type Flag } from "./flags.ts";
import { type Example, setExamples } from "./help.ts";
import type { Output } from "./output.ts";
import type { World } from "./world.ts";

/** One run of the program: what it was given, and what came of it. */
export class Invocation {
  readonly world: World;
  readonly exec: readonly string[] | null;
  /** Of the command that runs; null before its flags are understood. */
  output: Output | null = null;
  command: string | null = null;
  exitCode = 0;

  constructor(world: World, exec: readonly string[] | null) {
    this.world = world;
    this.exec = exec;
  }
}

/** What a command does with its arguments and flags; it returns an exit code. */
export type Work<F> = (context: Context, args: readonly string[], flags: F) => Promise<number>;

export interface CommandParts<F> {
  readonly examples: readonly Example[];
  /** As commander takes them: `<app>`, `[addr]`. */
  readonly args?: readonly (readonly [name: string, doc: string])[];
  readonly flags?: readonly Flag<never>[];
  readonly work: Work<F>;
}

/** Fills in a command that stands in the program with its name and sentence alone. */
export function defineCommand<F>(
  command: Command,
  invocation: Invocation,
  parts: CommandParts<F>,
): void {
  setExamples(command, parts.examples);
  for (const [name, doc] of parts.args ?? []) {
    command.argument(name, doc);
  }
  for (const flag of parts.flags ?? []) {
    addFlag(command, invocation.world.env, flag);
  }
  command.action(async () => {
    const { world, exec } = invocation;
    const context = createContext(world, exec, command.optsWithGlobals());
    invocation.output = context.output;
    invocation.exitCode = await parts.work(context, command.processedArgs, command.opts() as F);
  });
}

/** Keeps the type of its values to itself, so that flags of all types fit in one list. */
export function flag<T>(parts: Flag<T>): Flag<never> {
  return parts as unknown as Flag<never>;
}
