import type * as z from "zod";
import type { ErrorCode, Refusal } from "../errors.ts";

const PATH_LENGTH_MAX = 200;

/** The first complaint as an answer that names the field, the limit and what to do. */
export function toRefusal(error: z.ZodError, root: unknown): Refusal {
  const { issues } = error;
  // A misspelt field is also a missing one; the spelling helps more.
  const issue = issues.find(({ code }) => code === "unrecognized_keys") ?? issues[0];
  if (issue === undefined) {
    return refusal("INVALID", [], "is refused");
  }
  switch (issue.code) {
    case "unrecognized_keys":
      return unknownField([...issue.path, issue.keys[0] ?? ""]);
    case "invalid_type": {
      const found = describe(valueAt(root, issue.path));
      const wanted = WANTED[issue.expected] ?? `of type ${issue.expected}`;
      return found === "missing"
        ? refusal("INVALID", issue.path, `is required and must be ${wanted}`)
        : refusal("INVALID", issue.path, `must be ${wanted}, not ${found}`);
    }
    case "invalid_value": {
      const values = issue.values.map((value) => JSON.stringify(value)).join(", ");
      return refusal("INVALID", issue.path, `must be one of ${values}`);
    }
    case "too_big": {
      const isList = issue.origin === "array";
      const limit = Number(issue.maximum);
      return refusal(isList ? "LIMIT" : "INVALID", issue.path, issue.message, limit);
    }
    case "too_small":
      return refusal("INVALID", issue.path, issue.message, Number(issue.minimum));
    case "custom": {
      const { code, limit } = (issue.params ?? {}) as { code?: ErrorCode; limit?: number };
      return refusal(code ?? "INVALID", issue.path, issue.message, limit);
    }
    default:
      return refusal("INVALID", issue.path, issue.message);
  }
}

export function unknownField(path: readonly PropertyKey[]): Refusal {
  return refusal("INVALID", path, "is not a field here: take it out, or correct its name");
}

export function refusal(
  code: ErrorCode,
  path: readonly PropertyKey[],
  complaint: string,
  limit?: number,
): Refusal {
  const field = toField(path);
  return {
    code,
    message: `${field === "" ? "the message" : field} ${complaint}`,
    ...(field === "" ? {} : { field }),
    ...(limit === undefined ? {} : { limit }),
  };
}

/** `instances.3.meta.idc`; cut where a hostile key is long. */
function toField(path: readonly PropertyKey[]): string {
  const field = path.map(String).join(".");
  return field.length <= PATH_LENGTH_MAX ? field : `${field.slice(0, PATH_LENGTH_MAX)}…`;
}

const WANTED: Readonly<Record<string, string>> = {
  string: "a text",
  number: "an integer",
  int: "an integer",
  boolean: "true or false",
  object: "an object",
  record: "an object of texts",
  array: "a list",
};

function describe(value: unknown): string {
  if (value === undefined) {
    return "missing";
  }
  if (value === null) {
    return "null";
  }
  if (Array.isArray(value)) {
    return "a list";
  }
  switch (typeof value) {
    case "string":
      return "a text";
    case "number":
      return Number.isInteger(value) ? "a number" : "a fraction";
    case "boolean":
      return String(value);
    default:
      return "an object";
  }
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) {
      return undefined;
    }
    value = (value as Readonly<Record<PropertyKey, unknown>>)[key];
  }
  return value;
}

/** The path of a key `__proto__`, which schemas pass over; null where there is none. */
export function findProtoKey(value: unknown): PropertyKey[] | null {
  if (typeof value !== "object" || value === null) {
    return null;
  }
  for (const key of Object.keys(value)) {
    if (key === "__proto__") {
      return [key];
    }
    const inner = findProtoKey((value as Readonly<Record<string, unknown>>)[key]);
    if (inner !== null) {
      return [key, ...inner];
    }
  }
  return null;
}
