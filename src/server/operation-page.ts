import type { ErrorCode, Refusal } from "../errors.ts";
import { NAME_BYTES_MAX } from "../limits.ts";
import { isAddr } from "../schema/text-rules.ts";
import type { Operation } from "./operations.ts";

/** `POST /v1/members?operation=…`: which parameters each takes; those with `?` may be left out. */
const PARAMETERS = {
  add: ["id", "name", "address"],
  join: ["id", "name", "address", "lineage"],
  update: ["member", "address"],
  promote: ["member"],
  remove: ["member"],
  replace: ["member", "by"],
  "transfer-leader": ["member?"],
} as const;

export const OPERATION_NAMES = Object.keys(PARAMETERS) as readonly (keyof typeof PARAMETERS)[];

const INCARNATION = /^[0-9a-f]{16}$/;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

export function isMemberName(text: string): boolean {
  return NAME.test(text) && text.length <= NAME_BYTES_MAX;
}

export type ReadOperation =
  | { readonly ok: true; readonly operation: Operation }
  | { readonly ok: false; readonly refusal: Refusal };

export function readOperation(query: URLSearchParams): ReadOperation {
  const asked = query.get("operation");
  const type = OPERATION_NAMES.find((name) => name === asked);
  if (type === undefined) {
    return invalid("operation", `operation is one of ${OPERATION_NAMES.join(", ")}`);
  }
  const names: readonly string[] = PARAMETERS[type];
  const known = ["operation", ...names.map((name) => name.replace("?", ""))];
  for (const key of query.keys()) {
    if (!known.includes(key) || query.getAll(key).length > 1) {
      return invalid(key, `${type} takes each of ${known.join(", ")} once`);
    }
  }
  const missing = names.find((name) => !name.endsWith("?") && (query.get(name) ?? "") === "");
  if (missing !== undefined) {
    return invalid(missing, `${missing} is missing`);
  }
  return checked(type, (name) => query.get(name) ?? "");
}

function checked(type: keyof typeof PARAMETERS, text: (name: string) => string): ReadOperation {
  switch (type) {
    case "add":
    case "join": {
      const [id, name, address] = [text("id"), text("name"), text("address")];
      if (!INCARNATION.test(id)) {
        return invalid("id", "id is the incarnation of a data directory, 16 hex digits");
      }
      if (!isMemberName(name)) {
        return invalid("name", "name is of letters, digits, '.', '_' and '-'");
      }
      if (!isAddr(address)) {
        return invalid("address", "address is HOST:PORT");
      }
      const member = { id, name, address };
      return type === "add"
        ? { ok: true, operation: { type, ...member } }
        : { ok: true, operation: { type, ...member, lineage: text("lineage") } };
    }
    case "update": {
      const address = text("address");
      return isAddr(address)
        ? { ok: true, operation: { type, member: text("member"), address } }
        : invalid("address", "address is HOST:PORT");
    }
    case "promote":
    case "remove":
      return { ok: true, operation: { type, member: text("member") } };
    case "replace":
      return { ok: true, operation: { type, member: text("member"), by: text("by") } };
    default: {
      const member = text("member");
      return {
        ok: true,
        operation: { type: "transferLeader", member: member === "" ? null : member },
      };
    }
  }
}

export function statusOfRefusal(code: ErrorCode): number {
  switch (code) {
    case "NO_LEADER":
      return 503;
    case "NOT_FOUND":
      return 404;
    case "CONFLICT":
    case "LIMIT":
      return 409;
    default:
      return 504;
  }
}

function invalid(field: string, message: string): ReadOperation {
  return { ok: false, refusal: { code: "INVALID", message, field } };
}
