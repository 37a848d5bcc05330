/** A broken invariant: a bug in Rollcall, never a user's mistake. It stops the node. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

type Details = string | (() => string);

/** Stays on in production. `details` may be a thunk, so that the good path builds no text. */
export function assert(condition: boolean, details: Details): asserts condition {
  if (!condition) {
    throw new AssertionError(typeof details === "string" ? details : details());
  }
}

/** The value, which the surrounding code has shown to be there. */
export function must<T>(value: T | undefined | null, details: Details = "value is absent"): T {
  assert(value !== undefined && value !== null, details);
  return value;
}

/** The last line of every switch over a union. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`);
}
