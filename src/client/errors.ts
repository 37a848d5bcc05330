import { ERRORS, type ErrorCode, type ErrorRow } from "../errors.ts";
import type { ErrorBody } from "../wire/messages.ts";

export interface RollcallErrorDetails {
  /** Default: what the error table says of the code. */
  readonly definite?: boolean;
  readonly cause?: unknown;
  readonly field?: string;
  readonly limit?: number;
  readonly retryAfterMs?: number;
}

/** The only error that the SDK makes. An aborted call rejects with its signal's reason instead. */
export class RollcallError extends Error {
  override readonly name = "RollcallError";
  readonly code: ErrorCode;
  /**
   * True: the request has not happened and will not. False: it may have happened, or may yet.
   * It is a fact about the request: a write can be refused with false and a code that is definite
   * elsewhere, and a read, which changes nothing, is always refused with true.
   */
  readonly definite: boolean;
  readonly retry: ErrorRow["retry"];
  /** Path of the field that is wrong, such as `meta.idc`. */
  readonly field?: string;
  /** The number that was exceeded. */
  readonly limit?: number;
  readonly retryAfterMs?: number;

  constructor(code: ErrorCode, message: string, details: RollcallErrorDetails = {}) {
    super(
      `${code}: ${message}`,
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.code = code;
    this.definite = details.definite ?? ERRORS[code].definite;
    this.retry = ERRORS[code].retry;
    if (details.field !== undefined) {
      this.field = details.field;
    }
    if (details.limit !== undefined) {
      this.limit = details.limit;
    }
    if (details.retryAfterMs !== undefined) {
      this.retryAfterMs = details.retryAfterMs;
    }
  }
}

/**
 * A refusal of a write from a node. An indefinite request stays indefinite whatever a later attempt
 * is refused with: the first attempt may have gone through.
 */
export function refusalError(body: ErrorBody, mayHaveHappened: boolean): RollcallError {
  return errorOf(body, (code) => ERRORS[code].definite && !mayHaveHappened);
}

/** The same of a read. */
export function readRefusalError(body: ErrorBody): RollcallError {
  return errorOf(body, () => true);
}

/** A code that this SDK does not know comes from a newer node, and could mean anything. */
function errorOf(body: ErrorBody, isDefinite: (code: ErrorCode) => boolean): RollcallError {
  const isKnown = Object.hasOwn(ERRORS, body.code);
  const code: ErrorCode = isKnown ? body.code : "INTERNAL";
  return new RollcallError(code, isKnown ? body.message : `${body.code}: ${body.message}`, {
    definite: isDefinite(code),
    ...(body.field !== undefined && { field: body.field }),
    ...(body.limit !== undefined && { limit: body.limit }),
    ...(body.retryAfterMs !== undefined && { retryAfterMs: body.retryAfterMs }),
  });
}

export function closedError(mayHaveHappened = false): RollcallError {
  return new RollcallError("CLOSED", "the client is closed", { definite: !mayHaveHappened });
}

/** A write is out of time; the last refusal says more than TIMEOUT does, where there is one. */
export function deadlineError(isDefinite: boolean, last: RollcallError | null): RollcallError {
  if (isDefinite) {
    return last ?? notTakenError();
  }
  return new RollcallError("TIMEOUT", "no answer before the deadline; it may have happened", {
    cause: last ?? undefined,
  });
}

/** A read is out of time. */
export function readDeadlineError(isInFlight: boolean, last: RollcallError | null): RollcallError {
  if (!isInFlight) {
    return last ?? notTakenError();
  }
  return new RollcallError("TIMEOUT", "no answer before the deadline", {
    definite: true,
    cause: last ?? undefined,
  });
}

function notTakenError(): RollcallError {
  return new RollcallError("TIMEOUT", "no node took the request before the deadline", {
    definite: true,
  });
}

export function sessionLostError(mayHaveHappened: boolean): RollcallError {
  return new RollcallError("SESSION_EXPIRED", "the session ended before the answer", {
    definite: !mayHaveHappened,
  });
}
