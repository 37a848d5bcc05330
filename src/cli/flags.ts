import { type Command, InvalidArgumentError, Option } from "commander";
import { parseDurationMs } from "./duration.ts";
import { usageFailure } from "./failure.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface Flag<T> {
  /** As commander takes it, e.g. `-n, --namespace <name>`; without a value it is a switch. */
  readonly flags: string;
  readonly doc: string;
  /** Null where the environment cannot give it. */
  readonly env: string | null;
  readonly fallback?: T;
  /** What `--help` says of the fallback, where it is not the fallback itself. */
  readonly fallbackText?: string;
  /** Throws an `InvalidArgumentError`. A flag that may be given again gets what it gave before. */
  readonly parse?: (text: string, previous: T | undefined) => T;
  /** Default: `parse`. */
  readonly parseEnv?: (text: string) => T;
  readonly group?: string;
}

const TRUTHY = new Set(["1", "true", "yes"]);
const FALSY = new Set(["0", "false", "no"]);

/** Flag over environment over default; the environment is the world's, not the process's. */
export function addFlag<T>(command: Command, env: Environment, flag: Flag<T>): void {
  const suffix = flag.env === null ? "" : ` (env: ${flag.env})`;
  const option = new Option(flag.flags, `${flag.doc}${suffix}`);
  if (flag.parse !== undefined) {
    option.argParser(flag.parse);
  }
  if (flag.fallback !== undefined) {
    option.default(flag.fallback, flag.fallbackText);
  }
  if (flag.group !== undefined) {
    option.helpGroup(flag.group);
  }
  command.addOption(option);
  const text = flag.env === null ? undefined : env[flag.env];
  if (text !== undefined && text !== "") {
    command.setOptionValueWithSource(option.attributeName(), fromEnv(option, flag, text), "env");
  }
}

function fromEnv<T>(option: Option, flag: Flag<T>, text: string): unknown {
  try {
    return option.isBoolean() ? switchOf(text) : parsedText(flag, text);
  } catch (error) {
    if (error instanceof InvalidArgumentError) {
      throw usageFailure(`${flag.env}='${text}' is not valid: ${error.message}`);
    }
    throw error;
  }
}

function parsedText<T>(flag: Flag<T>, text: string): unknown {
  if (flag.parseEnv !== undefined) {
    return flag.parseEnv(text);
  }
  return flag.parse === undefined ? text : flag.parse(text, undefined);
}

function switchOf(text: string): boolean {
  const word = text.toLowerCase();
  if (!TRUTHY.has(word) && !FALSY.has(word)) {
    throw new InvalidArgumentError("It is 1 or 0.");
  }
  return TRUTHY.has(word);
}

export function integerIn(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`It is an integer from ${min} to ${max}.`);
    }
    return value;
  };
}

export function durationIn(minMs: number, maxMs: number): (text: string) => number {
  return (text) => {
    const durationMs = parseDurationMs(text);
    if (durationMs === null) {
      throw new InvalidArgumentError("It is a time with its unit, such as 500ms, 5s or 2m.");
    }
    if (durationMs < minMs || durationMs > maxMs) {
      throw new InvalidArgumentError(`It is from ${minMs}ms to ${maxMs}ms.`);
    }
    return durationMs;
  };
}

export function oneOf<T extends string>(choices: readonly T[]): (text: string) => T {
  return (text) => {
    const found = choices.find((choice) => choice === text);
    if (found === undefined) {
      throw new InvalidArgumentError(
        `It is ${choices.slice(0, -1).join(", ")} or ${choices.at(-1)}.`,
      );
    }
    return found;
  };
}

export type Pairs = Readonly<Record<string, string>>;

/** `key=value`, given once for each pair; the last one of a key counts. */
export function pair(text: string, previous: Pairs | undefined): Pairs {
  const equals = text.indexOf("=");
  if (equals < 1) {
    throw new InvalidArgumentError("It is KEY=VALUE.");
  }
  return { ...previous, ...Object.fromEntries([[text.slice(0, equals), text.slice(equals + 1)]]) };
}

/** The environment has one text for all pairs. */
export function commaPairs(text: string): Pairs {
  return text
    .split(",")
    .filter((part) => part !== "")
    .reduce<Pairs>((pairs, part) => pair(part.trim(), pairs), {});
}
