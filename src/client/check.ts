import {
  ADDR_BYTES_MAX,
  INSTANCE_BYTES_MAX,
  META_KEY_BYTES_MAX,
  META_PAIRS_MAX,
  META_VALUE_BYTES_MAX,
  NAME_BYTES_MAX,
  REASON_BYTES_MAX,
  SERVER_URL_BYTES_MAX,
  TOKEN_BYTES_MAX,
} from "../limits.ts";
import { RollcallError } from "./errors.ts";

/** Hand-written checks of what a user passes in: the SDK carries no validation library. */
export type Fields = Readonly<Record<string, unknown>>;

const utf8 = new TextEncoder();

export function bytesOf(text: string): number {
  return utf8.encode(text).length;
}

export function invalid(field: string, message: string): RollcallError {
  return new RollcallError("INVALID", `${field} ${message}`, { field });
}

/** An object with no keys but the known ones; an unknown one is refused with the nearest known. */
export function checkFields(value: unknown, what: string, known: readonly string[]): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(what, "must be an object");
  }
  for (const name of Object.keys(value)) {
    if (!known.includes(name)) {
      const near = nearest(name, known);
      const hint = near === null ? `known: ${known.join(", ")}` : `did you mean ${near}?`;
      throw invalid(`${what}.${name}`, `is not known; ${hint}`);
    }
  }
  return value as Fields;
}

/** By name, so that a refusal names the limit that it compared with. */
const limits = {
  ADDR_BYTES_MAX,
  INSTANCE_BYTES_MAX,
  META_KEY_BYTES_MAX,
  META_PAIRS_MAX,
  META_VALUE_BYTES_MAX,
  NAME_BYTES_MAX,
  REASON_BYTES_MAX,
  SERVER_URL_BYTES_MAX,
  TOKEN_BYTES_MAX,
} as const;

type LimitName = keyof typeof limits;
type BytesLimit = Extract<LimitName, `${string}_BYTES_MAX`>;

/** `complaint` ends where the limit is named. */
export function overLimit(
  code: "TOO_LARGE" | "LIMIT",
  field: string,
  complaint: string,
  limit: LimitName,
): RollcallError {
  const message = `${field} ${complaint}; at most ${limits[limit]} (${limit})`;
  return new RollcallError(code, message, { field, limit: limits[limit] });
}

export function checkText(value: unknown, field: string, limit: BytesLimit): string {
  if (typeof value !== "string" || value.length === 0) {
    throw invalid(field, "must be a text that is not empty");
  }
  if (/\p{Cc}/u.test(value)) {
    throw invalid(field, "must hold no control characters");
  }
  const bytes = bytesOf(value);
  if (bytes > limits[limit]) {
    throw overLimit("TOO_LARGE", field, `is ${bytes} bytes`, limit);
  }
  return value;
}

/** `names`: of the limits that `min` and `max` are. */
export function checkInteger(
  value: unknown,
  field: string,
  [min, max]: readonly [min: number, max: number],
  names = "",
): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max) {
    return value;
  }
  const complaint = `must be an integer from ${min} to ${max}${names === "" ? "" : ` (${names})`}`;
  const isOutside = typeof value === "number" && Number.isSafeInteger(value);
  throw new RollcallError("INVALID", `${field} ${complaint}`, {
    field,
    ...(isOutside && { limit: value < min ? min : max }),
  });
}

/** Null where nothing is near enough to be meant. */
function nearest(name: string, known: readonly string[]): string | null {
  let best: { readonly word: string; readonly distance: number } | null = null;
  for (const word of known) {
    const distance = editDistance(name.toLowerCase(), word.toLowerCase());
    if (best === null || distance < best.distance) {
      best = { word, distance };
    }
  }
  return best !== null && best.distance <= Math.max(2, Math.floor(name.length / 3))
    ? best.word
    : null;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
