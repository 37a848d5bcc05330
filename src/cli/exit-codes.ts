import type { ErrorCode } from "../errors.ts";
import { unreachable } from "../util/assert.ts";

/** What a command of people or scripts ends with. A node's own are `EXIT` in `errors.ts`. */
export const CLI_EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  conflict: 4,
  denied: 5,
  unavailable: 6,
  timeout: 7,
  configuration: 78,
  interrupted: 130,
} as const;

/**
 * Of a write that got no answer the two codes tell what a script has to know: 6, that nothing was
 * changed, and 7, that it may have been.
 */
export function exitCodeOfWrite(code: ErrorCode, isDefinite: boolean): number {
  const exitCode = exitCodeOfError(code);
  const isUnanswered = exitCode === CLI_EXIT.unavailable || exitCode === CLI_EXIT.timeout;
  if (!isUnanswered) {
    return exitCode;
  }
  return isDefinite ? CLI_EXIT.unavailable : CLI_EXIT.timeout;
}

/** Of a read, and of whatever else has a code of the error table. */
export function exitCodeOfError(code: ErrorCode): number {
  switch (code) {
    case "INVALID":
    case "TOO_LARGE":
    case "LIMIT":
      return CLI_EXIT.usage;
    case "NOT_FOUND":
      return CLI_EXIT.notFound;
    case "CONFLICT":
    case "TAKEN_OVER":
    case "ALREADY_BOOTSTRAPPED":
    case "REMOVED":
      return CLI_EXIT.conflict;
    case "DENIED":
      return CLI_EXIT.denied;
    case "NO_LEADER":
    case "LEADER_LOST":
    case "CONNECTION_LOST":
    case "OVERLOADED":
    case "DRAINING":
    case "DISK_LOW":
    case "TOO_STALE":
    case "NO_INSTANCE":
      return CLI_EXIT.unavailable;
    case "TIMEOUT":
      return CLI_EXIT.timeout;
    case "PROTOCOL":
    case "VERSION":
    case "SESSION_EXPIRED":
    case "SESSION_UNKNOWN":
    case "SEQUENCE_GAP":
    case "INTERNAL":
    case "CLOSED":
      return CLI_EXIT.failure;
    default:
      return unreachable(code);
  }
}
