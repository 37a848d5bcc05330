import { EXIT } from "../errors.ts";

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
