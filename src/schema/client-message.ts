import type * as z from "zod";
import type { Refusal } from "../errors.ts";
import type { ClientMessage, PlainRequest } from "../wire/messages.ts";
import * as schemas from "./client-schemas.ts";
import { isHotMessage } from "./hot-check.ts";
import { narrowed } from "./narrowing.ts";
import { findProtoKey, refusal, toRefusal, unknownField } from "./refusal.ts";

export type CheckedMessage =
  | { readonly ok: true; readonly message: ClientMessage }
  /** `id`: of the request where it has one that can be read, so that it can be answered. */
  | { readonly ok: false; readonly id: number | null; readonly refusal: Refusal };

export type CheckedPlainRequest =
  | { readonly ok: true; readonly request: PlainRequest }
  | { readonly ok: false; readonly id: null; readonly refusal: Refusal };

type Fields = Readonly<Record<string, unknown>>;

/** The message itself, not a copy. `value` is what a codec decoded: plain data, bounded in depth. */
export function checkClientMessage(value: unknown): CheckedMessage {
  if (isHotMessage(value)) {
    return { ok: true, message: value };
  }
  return checkBySchema(value);
}

/** The same verdict without the hand-written checks; they are held against this one. */
export function checkBySchema(value: unknown): CheckedMessage {
  if (!isObject(value)) {
    return { ok: false, id: null, refusal: refusal("INVALID", [], "must be an object") };
  }
  const schema = schemaOf(value);
  const refused =
    schema === null
      ? refusal("INVALID", ["type"], `must be one of ${Object.keys(byType).join(", ")}`)
      : firstComplaint(schema, value);
  if (refused !== null) {
    return { ok: false, id: idOf(value), refusal: refused };
  }
  return { ok: true, message: value as unknown as ClientMessage };
}

/** What a plain connection sends: an instance, `{unregister}` or `{subscribes}`. */
export function checkPlainRequest(value: unknown): CheckedPlainRequest {
  if (!isObject(value)) {
    return { ok: false, id: null, refusal: refusal("INVALID", [], "must be an object") };
  }
  const refused = firstComplaint(plainSchemaOf(value), value);
  if (refused !== null) {
    return { ok: false, id: null, refusal: refused };
  }
  return { ok: true, request: value as unknown as PlainRequest };
}

const byType: Readonly<Record<ClientMessage["type"], (value: Fields) => z.ZodType>> = {
  hello: () => schemas.hello,
  open: () => schemas.open,
  register: (value) =>
    Object.hasOwn(value, "instances") ? schemas.registerMany : schemas.registerOne,
  update: () => schemas.update,
  deregister: (value) =>
    Object.hasOwn(value, "keys") ? schemas.deregisterMany : schemas.deregisterOne,
  bye: () => schemas.bye,
  get: () => schemas.get,
  subscribe: () => schemas.subscribe,
  unsubscribe: () => schemas.unsubscribe,
  ack: () => schemas.ack,
  ping: () => schemas.ping,
};

function schemaOf(value: Fields): z.ZodType | null {
  const type = Object.hasOwn(value, "type") ? value["type"] : undefined;
  if (typeof type !== "string" || !Object.hasOwn(byType, type)) {
    return null;
  }
  return byType[type as ClientMessage["type"]](value);
}

function plainSchemaOf(value: Fields): z.ZodType {
  if (Object.hasOwn(value, "unregister")) {
    return schemas.plainUnregister;
  }
  return Object.hasOwn(value, "subscribes") ? schemas.plainSubscribe : schemas.plainRegister;
}

function firstComplaint(schema: z.ZodType, message: Fields): Refusal | null {
  const value = narrowed(message, schemas.listItems);
  const protoKey = findProtoKey(value);
  if (protoKey !== null) {
    return unknownField(protoKey);
  }
  const parsed = schema.safeParse(value);
  return parsed.success ? null : toRefusal(parsed.error, value);
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function idOf(value: Fields): number | null {
  const id = Object.hasOwn(value, "id") ? value["id"] : undefined;
  return Number.isSafeInteger(id) && (id as number) >= 0 ? (id as number) : null;
}
