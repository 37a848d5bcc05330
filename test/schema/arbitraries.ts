import fc from "fast-check";
import type {
  ClientMessage,
  KeyBody,
  Meta,
  RegisterBody,
  SelectorBody,
} from "../../src/wire/messages.ts";

const count = fc.oneof(fc.nat(1000), fc.maxSafeNat());
const name = fc.oneof(
  fc.constantFrom("provider_test", "http", "grpc", "订单服务", "a", "é".repeat(64)),
  fc.string({
    unit: fc.constantFrom(..."abcXYZ019-_. /@"),
    minLength: 1,
    maxLength: 128,
  }),
);
const addr = fc.oneof(
  fc.constantFrom("127.0.0.1:8080", "db-1.internal:5432", "[::1]:80", "[fe80::1:2]:65535"),
  fc.tuple(fc.ipV4(), fc.integer({ min: 1, max: 65_535 })).map(([ip, port]) => `${ip}:${port}`),
  fc.tuple(fc.ipV6(), fc.integer({ min: 1, max: 65_535 })).map(([ip, port]) => `[${ip}]:${port}`),
  fc
    .tuple(fc.domain(), fc.integer({ min: 1, max: 65_535 }))
    .map(([host, port]) => `${host}:${port}`),
);
const metaKey = fc.oneof(name, fc.constantFrom("constructor", "toString", "1", "0"));
const meta: fc.Arbitrary<Meta> = fc
  .array(fc.tuple(metaKey, fc.string({ unit: "grapheme", maxLength: 30 })), { maxLength: 6 })
  .map((pairs) => Object.fromEntries(pairs));
const location = fc.record({ region: name, zone: name, campus: name }, { requiredKeys: [] });
const status = fc.constantFrom("up" as const, "down" as const, "draining" as const);
const reason = fc.constantFrom("", "probe failed", "r".repeat(256));

const keyModel = { namespace: name, application: name, protocol: name, addr };
const required = ["application", "protocol", "addr"] as const;
export const key: fc.Arbitrary<KeyBody> = fc.record(keyModel, { requiredKeys: [...required] });

export const registerBody: fc.Arbitrary<RegisterBody> = fc.record(
  {
    ...keyModel,
    meta,
    weight: fc.nat(1000),
    version: name,
    location,
    status,
    reason,
    persistent: fc.boolean(),
  },
  { requiredKeys: [...required] },
);

export const selector: fc.Arbitrary<SelectorBody> = fc
  .tuple(
    fc.record({ namespace: name, protocol: name, meta }, { requiredKeys: [] }),
    fc.oneof(fc.record({ provider: name }), fc.record({ application: name })),
  )
  .map(([rest, named]) => ({ ...rest, ...named }));

const sessionBody = fc.record({
  id: fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 32, maxLength: 32 }),
  secret: fc.string({ unit: fc.constantFrom(..."abc012"), minLength: 16, maxLength: 128 }),
  attach: count,
});

const timeout = { timeoutMs: fc.integer({ min: 1, max: 60_000 }) };
const write = { id: count, seq: fc.integer({ min: 1 }), low: count };
const requestKeys = ["type", "id"] as const;
const writeKeys = ["type", "id", "seq", "low"] as const;

const registerOne = fc
  .tuple(
    fc.record(
      { type: fc.constant("register" as const), ...write, ...timeout },
      { requiredKeys: [...writeKeys] },
    ),
    registerBody,
  )
  .map(([head, body]) => ({ ...head, ...body }));
const registerMany = fc.record(
  {
    type: fc.constant("register" as const),
    ...write,
    ...timeout,
    instances: fc.array(registerBody, { minLength: 1, maxLength: 4 }),
  },
  { requiredKeys: [...writeKeys, "instances"] },
);
const update = fc.record(
  {
    type: fc.constant("update" as const),
    ...write,
    ...timeout,
    key,
    set: fc.record(
      {
        meta,
        weight: fc.nat(1000),
        version: fc.option(name),
        location: fc.option(location),
        status,
        reason: fc.option(reason),
      },
      { requiredKeys: [] },
    ),
    ifRevision: count,
  },
  { requiredKeys: [...writeKeys, "key", "set"] },
);
const deregisterOne = fc
  .tuple(
    fc.record(
      { type: fc.constant("deregister" as const), ...write, ...timeout },
      { requiredKeys: [...writeKeys] },
    ),
    key,
  )
  .map(([head, body]) => ({ ...head, ...body }));
const deregisterMany = fc.record(
  {
    type: fc.constant("deregister" as const),
    ...write,
    ...timeout,
    keys: fc.array(key, { minLength: 1, maxLength: 4 }),
  },
  { requiredKeys: [...writeKeys, "keys"] },
);
const get = fc.record(
  {
    type: fc.constant("get" as const),
    id: count,
    ...timeout,
    selector,
    read: fc.oneof(
      fc.constant("linearizable" as const),
      fc.record({ atLeast: count }),
      fc.record({ staleMs: fc.option(count) }),
    ),
  },
  { requiredKeys: [...requestKeys, "selector"] },
);
const ack = fc.record({ type: fc.constant("ack" as const), revision: count });
const ping = fc.record({ type: fc.constant("ping" as const), id: count });

/** The messages for which there is a hand-written check. */
export const hotMessage: fc.Arbitrary<ClientMessage> = fc.oneof(
  registerOne,
  registerMany,
  update,
  deregisterOne,
  deregisterMany,
  get,
  ack,
  ping,
);

const hello = fc.record(
  {
    type: fc.constant("hello" as const),
    versions: fc.array(count, { minLength: 1, maxLength: 16 }),
    client: fc.record({ name, version: name, language: name }),
    session: sessionBody,
    token: name,
    revision: count,
    lineage: name,
  },
  { requiredKeys: ["type", "versions", "client"] },
);
const open = fc.record(
  {
    type: fc.constant("open" as const),
    id: count,
    ...timeout,
    session: sessionBody,
    ttlMs: fc.integer({ min: 3000, max: 300_000 }),
    graceMs: fc.integer({ min: 0, max: 3000 }),
  },
  { requiredKeys: [...requestKeys, "session"] },
);
const subscribe = fc.record(
  {
    type: fc.constant("subscribe" as const),
    id: count,
    ...timeout,
    subscribes: fc.array(selector, { minLength: 1, maxLength: 4 }),
    from: count,
    mode: fc.constantFrom("delta" as const, "full" as const),
    allowUnknownAge: fc.boolean(),
  },
  { requiredKeys: [...requestKeys, "subscribes"] },
);
const unsubscribe = fc.record({
  type: fc.constant("unsubscribe" as const),
  id: count,
  watch: count,
});
const bye = fc.record({ type: fc.constant("bye" as const), ...write });

/** Every message that a client may send, valid. */
export const clientMessage: fc.Arbitrary<ClientMessage> = fc.oneof(
  { arbitrary: hotMessage, weight: 3 },
  hello,
  open,
  subscribe,
  unsubscribe,
  bye,
);

/** Values that stand where others should: at and over limits, of other types, hostile. */
export const oddValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    "",
    " ",
    "x".repeat(128),
    "x".repeat(129),
    "é".repeat(65),
    "x".repeat(4097),
    "x".repeat(17_000),
    "a\u0000b",
    "a\u200bb",
    "\ud800",
    "127.0.0.1:0",
    "127.0.0.1:65536",
    "127.0.0.1:080",
    "300.0.0.1:80",
    "1.2.3:80",
    "::1:80",
    "[::1]",
    "[1::2::3]:80",
    "-a:80",
    "a_b.c:80",
    "linearizable",
    "up",
    "UP",
    0,
    -0,
    -1,
    1.5,
    1000,
    1001,
    60_000,
    60_001,
    2 ** 53,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    undefined,
    {},
    [],
    [null],
    [{}],
    { atLeast: 1, staleMs: 1 },
    { atLeast: null },
    { staleMs: null },
    { region: "" },
    { region: "eu", planet: "earth" },
    { provider: "a", application: "b" },
    { application: "a", protocol: "b", addr: "c:1" },
    { application: "a", protocol: "b", addr: "c:1", extra: 1 },
    { constructor: "x", toString: "y" },
    { hasOwnProperty: 1 },
    Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`k${i}`, "v"])),
    Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, "v"])),
    Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`k${i}`, "v".repeat(4000)])),
    { "": "empty key" },
    { ["k".repeat(129)]: "v" },
    { "a\nb": "v" },
    { k: "line\nbreak" },
    { k: 1 },
    JSON.parse('{"__proto__":"x"}'),
    JSON.parse('{"__proto__":{"application":"a"}}'),
    Array.from({ length: 257 }, () => ({ application: "a", protocol: "b", addr: "c:1" })),
  ),
  fc.jsonValue(),
);

const path = fc.array(fc.nat(20), { minLength: 1, maxLength: 4 });
const fieldName = fc.constantFrom(
  ...["type", "id", "seq", "low", "timeoutMs", "application", "provider", "protocol", "addr"],
  ...["namespace", "meta", "weight", "version", "location", "status", "reason", "persistent"],
  ...["instances", "keys", "key", "set", "ifRevision", "selector", "read", "revision", "__proto__"],
  ...["constructor", "extra", "hasOwnProperty", "0"],
);
const edit = fc.oneof(
  fc.record({ kind: fc.constant("replace" as const), path, value: oddValue }),
  fc.record({ kind: fc.constant("remove" as const), path }),
  fc.record({ kind: fc.constant("add" as const), path, field: fieldName, value: oddValue }),
);

type Edit = typeof edit extends fc.Arbitrary<infer E> ? E : never;

/** A valid message with one to three places changed, and values that never were messages. */
export const nearlyValid = (message: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc
    .tuple(message, fc.array(edit, { minLength: 1, maxLength: 3 }))
    .map(([value, edits]) => edits.reduce(edited, structuredClone(value)));

function edited(root: unknown, change: Edit): unknown {
  let holder = root as Record<string, unknown>;
  const { path: steps } = change;
  for (const [depth, step] of steps.entries()) {
    if (typeof holder !== "object" || holder === null) {
      return root;
    }
    const keys = Object.keys(holder);
    const at = keys[step % Math.max(1, keys.length)] ?? "0";
    const next = holder[at];
    if (depth < steps.length - 1 && typeof next === "object" && next !== null) {
      holder = next as Record<string, unknown>;
      continue;
    }
    if (change.kind === "replace") {
      define(holder, at, change.value);
    } else if (change.kind === "remove") {
      if (Array.isArray(holder)) {
        holder.splice(Number(at), 1);
      } else {
        delete holder[at];
      }
    } else if (Array.isArray(holder)) {
      holder.push(structuredClone(change.value));
    } else {
      define(holder, change.field, change.value);
    }
    return root;
  }
  return root;
}

/** As a decoder does it: a key `__proto__` becomes a field like any other. */
function define(holder: object, field: string, value: unknown): void {
  Object.defineProperty(holder, field, {
    value: structuredClone(value),
    writable: true,
    enumerable: true,
    configurable: true,
  });
}
