import { type ParseArgsConfig, parseArgs } from "node:util";

type Options = NonNullable<ParseArgsConfig["options"]>;
type Values<O extends Options> = ReturnType<typeof parseArgs<{ options: O }>>["values"];

export const EXIT_USAGE = 2;

/**
 * What a command of the harness was called with. `--help` prints `usage` and ends the process with 0;
 * an option that is not there, or one of `numbers` that is no whole number of 1 or more, ends it with
 * 2, the reason and `usage`. Without that a `--cuts x` would cut nothing, and find nothing.
 */
export function commandLine<const O extends Options>(
  usage: string,
  options: O,
  numbers: readonly (keyof O & string)[],
): Values<O> {
  if (process.argv.slice(2).includes("--help")) {
    process.stdout.write(`${usage}\n`);
    process.exit(0);
  }
  try {
    const { values } = parseArgs({ options });
    for (const name of numbers) {
      const text = (values as Record<string, unknown>)[name];
      if (typeof text === "string" && !/^[1-9][0-9]*$/.test(text)) {
        throw new Error(`--${name} is a whole number of 1 or more, not ${text}`);
      }
    }
    return values;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${usage}\n`);
    process.exit(EXIT_USAGE);
  }
}
