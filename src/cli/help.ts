import type { Argument, Command, Help, Option } from "commander";

export interface Example {
  readonly line: string;
  readonly doc: string;
}

const examples = new WeakMap<Command, readonly Example[]>();

export function setExamples(command: Command, list: readonly Example[]): void {
  examples.set(command, list);
}

/** What it does, how it looks, how it is used, and only then every flag. */
export function formatHelp(command: Command, helper: Help): string {
  const sections = [
    [command.description()],
    [`Usage: ${helper.commandUsage(command)}`],
    exampleLines(examples.get(command) ?? []),
    items("Commands:", helper.visibleCommands(command), (sub) => [
      helper.subcommandTerm(sub),
      helper.subcommandDescription(sub),
    ]),
    items("Arguments:", helper.visibleArguments(command), (argument: Argument) => [
      helper.argumentTerm(argument),
      helper.argumentDescription(argument),
    ]),
    options(command.parent === null ? "Global options:" : "Options:", helper, [
      ...helper.visibleOptions(command),
    ]),
    options("Global options:", helper, [...helper.visibleGlobalOptions(command)]),
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n")}\n`;
}

function exampleLines(list: readonly Example[]): string[] {
  if (list.length === 0) {
    return [];
  }
  const width = Math.max(...list.map(({ line }) => line.length));
  const fits = width <= 52;
  return [
    "Examples:",
    ...list.map(({ line, doc }) =>
      fits ? `  ${line.padEnd(width)}   # ${doc}` : `  # ${doc}\n  ${line}`,
    ),
  ];
}

function options(heading: string, helper: Help, list: readonly Option[]): string[] {
  return items(heading, list, (option) => [
    helper.optionTerm(option),
    helper.optionDescription(option),
  ]);
}

function items<T>(
  heading: string,
  list: readonly T[],
  describe: (item: T) => readonly [string, string],
): string[] {
  if (list.length === 0) {
    return [];
  }
  const described = list.map(describe);
  const width = Math.min(32, Math.max(...described.map(([term]) => term.length)));
  const lines = described.map(([term, doc]) =>
    term.length > width
      ? `  ${term}\n  ${" ".repeat(width)}  ${doc}`
      : `  ${term.padEnd(width)}  ${doc}`.trimEnd(),
  );
  return [heading, ...lines];
}
