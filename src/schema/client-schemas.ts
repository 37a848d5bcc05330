import * as z from "zod";
import {
  CALL_TIMEOUT_MS_MAX,
  GRACE_MS_DEFAULT,
  GRACE_MS_MIN,
  INSTANCES_PER_COMMAND_MAX,
  SESSION_ID_BYTES,
  SESSION_SECRET_BYTES_MAX,
  SESSION_SECRET_BYTES_MIN,
  SUBSCRIBES_PER_REQUEST_MAX,
  TOKEN_BYTES_MAX,
  TTL_MS_DEFAULT,
  TTL_MS_MAX,
  TTL_MS_MIN,
  VERSIONS_PER_HELLO_MAX,
} from "../limits.ts";
import type {
  Ack,
  Bye,
  ClientMessage,
  DeregisterMessage,
  Get,
  Hello,
  Open,
  Ping,
  PlainRequest,
  PlainSubscribe,
  PlainUnregister,
  RegisterBody,
  RegisterMessage,
  SelectorBody,
  SessionBody,
  Subscribe,
  Unsubscribe,
  UpdateMessage,
} from "../wire/messages.ts";
import {
  count,
  type Equal,
  hex,
  instanceShape,
  instanceSize,
  integer,
  keyShape,
  list,
  location,
  meta,
  name,
  reason,
  refuse,
  status,
  text,
  weight,
} from "./fields.ts";

const requestShape = {
  id: count,
  timeoutMs: integer(1, CALL_TIMEOUT_MS_MAX, "CALL_TIMEOUT_MS_MAX").exactOptional(),
};

const writeShape = {
  ...requestShape,
  seq: z.int().min(1, "must be 1 or more: opening the session is number 0"),
  low: count,
};

const session = z.strictObject({
  id: hex(SESSION_ID_BYTES * 2),
  secret: text({
    bytesMin: SESSION_SECRET_BYTES_MIN,
    bytesMax: SESSION_SECRET_BYTES_MAX,
    limitName: "SESSION_SECRET_BYTES_MIN, SESSION_SECRET_BYTES_MAX",
  }),
  attach: count,
});

const selector = z
  .strictObject({
    namespace: name.exactOptional(),
    provider: name.exactOptional(),
    application: name.exactOptional(),
    protocol: name.exactOptional(),
    meta: meta.exactOptional(),
  })
  .superRefine((value, context) => {
    if (value.provider === undefined && value.application === undefined) {
      refuse(context, "is required (or provider, its other name)", { code: "INVALID" }, [
        "application",
      ]);
    } else if (value.provider !== undefined && value.application !== undefined) {
      const message = "is application under its other name: give one of them";
      refuse(context, message, { code: "INVALID" }, ["provider"]);
    }
  });

const subscribes = list(selector, 1, SUBSCRIBES_PER_REQUEST_MAX, "SUBSCRIBES_PER_REQUEST_MAX");
const key = z.strictObject(keyShape);
const instance = z.strictObject(instanceShape).superRefine(instanceSize);

export const hello = z.strictObject({
  type: z.literal("hello"),
  versions: list(count, 1, VERSIONS_PER_HELLO_MAX, "VERSIONS_PER_HELLO_MAX"),
  client: z.strictObject({ name, version: name, language: name }),
  session: session.exactOptional(),
  token: text({
    bytesMin: 1,
    bytesMax: TOKEN_BYTES_MAX,
    limitName: "TOKEN_BYTES_MAX",
  }).exactOptional(),
  revision: count.exactOptional(),
  lineage: name.exactOptional(),
});

export const open = z
  .strictObject({
    type: z.literal("open"),
    ...requestShape,
    session,
    ttlMs: integer(TTL_MS_MIN, TTL_MS_MAX, "TTL_MS_MIN, TTL_MS_MAX").exactOptional(),
    graceMs: integer(GRACE_MS_MIN, TTL_MS_MAX, "GRACE_MS_MIN, ttlMs").exactOptional(),
  })
  .superRefine((value, context) => {
    const ttlMs = value.ttlMs ?? TTL_MS_DEFAULT;
    if ((value.graceMs ?? GRACE_MS_DEFAULT) > ttlMs) {
      const message = `must not be longer than ttlMs, which is ${ttlMs}`;
      refuse(context, message, { code: "INVALID", limit: ttlMs }, ["graceMs"]);
    }
  });

const registerHead = { type: z.literal("register"), ...writeShape };
export const registerOne = z
  .strictObject({ ...registerHead, ...instanceShape })
  .superRefine(instanceSize);
export const registerMany = z.strictObject({
  ...registerHead,
  instances: list(instance, 1, INSTANCES_PER_COMMAND_MAX, "INSTANCES_PER_COMMAND_MAX"),
});

export const update = z
  .strictObject({
    type: z.literal("update"),
    ...writeShape,
    key,
    set: z.strictObject({
      meta: meta.exactOptional(),
      weight: weight.exactOptional(),
      version: name.nullable().exactOptional(),
      location: location.nullable().exactOptional(),
      status: status.exactOptional(),
      reason: reason.nullable().exactOptional(),
    }),
    ifRevision: count.exactOptional(),
  })
  .superRefine((value, context) => {
    instanceSize({ ...value.key, ...value.set }, context, ["set", "meta"]);
  });

const deregisterHead = { type: z.literal("deregister"), ...writeShape };
export const deregisterOne = z.strictObject({ ...deregisterHead, ...keyShape });
export const deregisterMany = z.strictObject({
  ...deregisterHead,
  keys: list(key, 1, INSTANCES_PER_COMMAND_MAX, "INSTANCES_PER_COMMAND_MAX"),
});

export const bye = z.strictObject({ type: z.literal("bye"), ...writeShape });

export const get = z.strictObject({
  type: z.literal("get"),
  ...requestShape,
  selector,
  read: z
    .union(
      [
        z.literal("linearizable"),
        z.strictObject({ atLeast: count }),
        z.strictObject({ staleMs: count.nullable() }),
      ],
      'must be "linearizable", {"atLeast": revision} or {"staleMs": milliseconds or null}',
    )
    .exactOptional(),
});

export const subscribe = z.strictObject({
  type: z.literal("subscribe"),
  ...requestShape,
  subscribes,
  from: count.exactOptional(),
  mode: z.enum(["delta", "full"]).exactOptional(),
  allowUnknownAge: z.boolean().exactOptional(),
});

export const unsubscribe = z.strictObject({
  type: z.literal("unsubscribe"),
  ...requestShape,
  watch: count,
});

export const ack = z.strictObject({ type: z.literal("ack"), revision: count });
export const ping = z.strictObject({ type: z.literal("ping"), id: count });

export const register = z.union([registerOne, registerMany]);
export const deregister = z.union([deregisterOne, deregisterMany]);

export const clientMessage = z.union([
  hello,
  open,
  register,
  update,
  deregister,
  bye,
  get,
  subscribe,
  unsubscribe,
  ack,
  ping,
]);

/** Of the lists in messages, by field. */
export const listItems = { instances: instance, keys: key, subscribes: selector };

export const plainRegister = instance;
export const plainUnregister = z.strictObject({ unregister: key });
export const plainSubscribe = z.strictObject({ subscribes });
export const plainRequest = z.union([plainRegister, plainUnregister, plainSubscribe]);

true satisfies Equal<z.output<typeof session>, SessionBody>;
true satisfies Equal<z.output<typeof selector>, SelectorBody>;
true satisfies Equal<z.output<typeof hello>, Hello>;
true satisfies Equal<z.output<typeof open>, Open>;
true satisfies Equal<z.output<typeof register>, RegisterMessage>;
true satisfies Equal<z.output<typeof update>, UpdateMessage>;
true satisfies Equal<z.output<typeof deregister>, DeregisterMessage>;
true satisfies Equal<z.output<typeof bye>, Bye>;
true satisfies Equal<z.output<typeof get>, Get>;
true satisfies Equal<z.output<typeof subscribe>, Subscribe>;
true satisfies Equal<z.output<typeof unsubscribe>, Unsubscribe>;
true satisfies Equal<z.output<typeof ack>, Ack>;
true satisfies Equal<z.output<typeof ping>, Ping>;
true satisfies Equal<z.output<typeof clientMessage>, ClientMessage>;
true satisfies Equal<z.output<typeof plainRegister>, RegisterBody>;
true satisfies Equal<z.output<typeof plainUnregister>, PlainUnregister>;
true satisfies Equal<z.output<typeof plainSubscribe>, PlainSubscribe>;
true satisfies Equal<z.output<typeof plainRequest>, PlainRequest>;
