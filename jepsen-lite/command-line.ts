import { type ParseArgsConfig, parseArgs } from "node:util";

type Options = NonNullable<ParseArgsConfig["options"]>;
type Values<O extends Options> = ReturnType<typeof parseArgs<{ options: O }>>["values"];

export const EXIT_USAGE = 2;

/** A command was called wrongly; it says what is wrong, and ends with `EXIT_USAGE`. */
export class Misuse extends Error {}

/** How a command is called besides its options. */
interface Arguments {
  /** Default: all that the process was given. */
  readonly args?: readonly string[];
  /** What stands beside the options, by name, in order; `?` at the end of one that may be left out. */
  readonly names?: readonly string[];
}

/**
 * What a command of the harness was called with. `--help` prints `usage` and ends the process with 0;
 * an option that is not there, or one of `numbers` that is no whole number of 1 or more, or an
 * argument too few or too many, ends it with 2, the reason and `usage`. Without that a `--cuts x`
 * would cut nothing, and find nothing.
 */
export function commandLine<const O extends Options>(
  usage: string,
  options: O,
  numbers: readonly (keyof O & string)[],
  { args = process.argv.slice(2), names = [] }: Arguments = {},
): Values<O> & { readonly given: readonly string[] } {
  if (args.includes("--help")) {
    process.stdout.write(`${usage}\n`);
    process.exit(0);
  }
  try {
    const parsed = parseArgs({ args: [...args], options, allowPositionals: true });
    const { values, positionals: given } = parsed;
    const missing = names.slice(given.length).find((name) => !name.endsWith("?"));
    if (missing !== undefined) throw new Error(`${missing} is missing`);
    if (given.length > names.length) {
      throw new Error(`'${given[names.length]}' is one argument too many`);
    }
    for (const name of numbers) {
      const text = (values as Record<string, unknown>)[name];
      if (typeof text === "string" && !/^[1-9][0-9]*$/.test(text)) {
        throw new Error(`--${name} is a whole number of 1 or more, not ${text}`);
      }
    }
    return { ...(values as Values<O>), given };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${usage}\n`);
    process.exit(EXIT_USAGE);
  }
}
