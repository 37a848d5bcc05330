import { EXIT } from "../errors.ts";
import { StorageError } from "../storage/storage.ts";

/** Why a node does not start, or ends. `hint` says what the operator can do. */
export class NodeError extends Error {
  override readonly name = "NodeError";
  readonly exitCode: number;
  readonly hint: string;

  constructor(exitCode: number, message: string, hint = "", options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
    this.hint = hint;
  }
}

export function configurationError(message: string, hint = "", options?: ErrorOptions): NodeError {
  return new NodeError(EXIT.configuration, message, hint, options);
}

/** What the storage says, for the command line. */
export function asNodeError(error: unknown): unknown {
  if (!(error instanceof StorageError)) {
    return error;
  }
  const { message, hint } = error;
  return new NodeError(exitCodeOf(error), message, hint, { cause: error });
}

/** What a process that could not start or go on exits with. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof NodeError) {
    return error.exitCode;
  }
  if (error instanceof StorageError) {
    return error.code === "DISK" || error.code === "DAMAGED" ? EXIT.disk : EXIT.configuration;
  }
  // Whatever else is thrown was not foreseen.
  return EXIT.invariant;
}
