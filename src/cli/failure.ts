import { CommanderError } from "commander";
import { RollcallError } from "../client/errors.ts";
import { ERRORS, type ErrorCode } from "../errors.ts";
import { NodeError } from "../server/node-error.ts";
import { CLI_EXIT, exitCodeOfError, exitCodeOfWrite } from "./exit-codes.ts";

/** Beyond those of the registry: what goes wrong before it is asked, or in the command itself. */
export type FailureCode = ErrorCode | "USAGE" | "UNAVAILABLE" | "CONFIGURATION" | "FAILURE";

export interface FailureDetails {
  readonly exitCode: number;
  readonly hint?: string;
  readonly isRetryable?: boolean;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** Why a command ends with something else than 0, in words for people and fields for programs. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly code: FailureCode;
  readonly exitCode: number;
  readonly hint: string;
  readonly isRetryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: FailureCode, message: string, rest: FailureDetails) {
    super(message, rest.cause === undefined ? undefined : { cause: rest.cause });
    this.code = code;
    this.exitCode = rest.exitCode;
    this.hint = rest.hint ?? "";
    this.isRetryable = rest.isRetryable ?? false;
    this.details = rest.details ?? {};
  }
}

export function usageFailure(message: string, hint = ""): Failure {
  return new Failure("USAGE", message, { exitCode: CLI_EXIT.usage, hint });
}

export function configurationFailure(message: string, hint = ""): Failure {
  return new Failure("CONFIGURATION", message, { exitCode: CLI_EXIT.configuration, hint });
}

/** Commands that change nothing, whatever becomes of them. */
const READERS: ReadonlySet<string> = new Set(["get", "watch", "status", "sessions"]);

/** Whatever was thrown. `command` is the command that it came from, for the hint. */
export function toFailure(thrown: unknown, command: string | null): Failure {
  if (thrown instanceof Failure) {
    return thrown;
  }
  if (thrown instanceof RollcallError) {
    return ofRegistry(thrown, command !== null && READERS.has(command));
  }
  if (thrown instanceof NodeError) {
    const { exitCode, hint } = thrown;
    const code = exitCode === CLI_EXIT.configuration ? "CONFIGURATION" : "FAILURE";
    return new Failure(code, thrown.message, { exitCode, hint, cause: thrown.cause });
  }
  if (thrown instanceof CommanderError) {
    return ofCommander(thrown, command);
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new Failure("FAILURE", message, { exitCode: CLI_EXIT.failure, cause: thrown });
}

function ofRegistry(error: RollcallError, isRead: boolean): Failure {
  const { code, definite, field, limit, retryAfterMs } = error;
  const message = error.message.replace(`${code}: `, "");
  const exitCode = isRead ? exitCodeOfError(code) : exitCodeOfWrite(code, definite);
  return new Failure(code, message === "" ? ERRORS[code].doc : message, {
    exitCode,
    hint: isRead ? hintOfRead(code) : hintOfWrite(code, definite, exitCode),
    isRetryable: error.retry !== "no",
    details: {
      definite,
      ...(field !== undefined && { field }),
      ...(limit !== undefined && { limit }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    },
    cause: error.cause,
  });
}

function hintOfRead(code: ErrorCode): string {
  const hint = hintOf(code);
  return isWithoutLeader(code) ? `${hint}; --read stale needs no leader` : hint;
}

function hintOfWrite(code: ErrorCode, isDefinite: boolean, exitCode: number): string {
  if (!isDefinite) {
    return "it may have happened; 'rollcall get' shows whether it did";
  }
  const hint = hintOf(code);
  if (exitCode !== CLI_EXIT.unavailable) {
    return hint;
  }
  return hint === "" ? "nothing was changed" : `nothing was changed; ${hint}`;
}

function isWithoutLeader(code: ErrorCode): boolean {
  return code === "NO_LEADER" || code === "LEADER_LOST" || code === "TIMEOUT";
}

function hintOf(code: ErrorCode): string {
  if (isWithoutLeader(code)) {
    return "'rollcall status' shows which members are up: a majority of them must be";
  }
  switch (code) {
    case "CONFLICT":
      return "'rollcall get' shows what is registered; deregister it first to change its kind";
    case "TAKEN_OVER":
      return "another process registered this address later, and keeps it";
    case "NOT_FOUND":
      return "'rollcall get APP' lists what is registered; mind --namespace and --protocol";
    case "DISK_LOW":
      return "free space on the disks of the nodes; it goes on by itself";
    default:
      return "";
  }
}

/** `error: unknown option '--meat'\n(Did you mean --meta?)` as one line and a hint. */
function ofCommander(error: CommanderError, command: string | null): Failure {
  const [first = "", ...rest] = error.message.split("\n");
  const suggestion = rest.join(" ").replace(/^\((.*)\)$/, "$1");
  const help = command === null ? "rollcall --help" : `rollcall ${command} --help`;
  const hint = suggestion === "" ? `'${help}' shows how it is used` : suggestion;
  return usageFailure(first.replace(/^error: /, ""), hint);
}
