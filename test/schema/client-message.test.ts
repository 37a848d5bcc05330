import { describe, expect, it } from "vitest";
import { ERRORS, type Refusal } from "../../src/errors.ts";
import { checkClientMessage, checkPlainRequest } from "../../src/schema/client-message.ts";

const instance = { application: "a", protocol: "http", addr: "h:1" };
const write = { id: 7, seq: 1, low: 1 };
const register = { type: "register", ...write, ...instance };
const open = {
  type: "open",
  id: 7,
  session: { id: "0".repeat(32), secret: "s".repeat(16), attach: 1 },
};
const hello = { type: "hello", versions: [1], client: { name: "n", version: "1", language: "js" } };
const pairs = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, "v"]));
const times = (count: number, item: unknown) => Array.from({ length: count }, () => item);

function refusalOf(value: unknown): Refusal | null {
  const checked = checkClientMessage(value);
  return checked.ok ? null : checked.refusal;
}

describe("a message from a client", () => {
  it.each<[string, unknown, Partial<Refusal>]>([
    [
      "a missing field",
      { type: "register", ...write, protocol: "p", addr: "h:1" },
      { code: "INVALID", field: "application" },
    ],
    ["a misspelt field", { ...register, wieght: 5 }, { code: "INVALID", field: "wieght" }],
    ["a fraction for a weight", { ...register, weight: 1.5 }, { code: "INVALID", field: "weight" }],
    [
      "a weight over the limit",
      { ...register, weight: 1001 },
      { code: "INVALID", field: "weight", limit: 1000 },
    ],
    [
      "a weight below zero",
      { ...register, weight: -1 },
      { code: "INVALID", field: "weight", limit: 0 },
    ],
    [
      "a name over its bytes",
      { ...register, application: "é".repeat(65) },
      { code: "TOO_LARGE", field: "application", limit: 128 },
    ],
    ["an empty name", { ...register, application: "" }, { code: "INVALID", field: "application" }],
    [
      "a name with a control character",
      { ...register, application: "a\u0007" },
      { code: "INVALID", field: "application" },
    ],
    [
      "a name with an invisible character",
      { ...register, application: "a\u202eb" },
      { code: "INVALID", field: "application" },
    ],
    [
      "a lone surrogate",
      { ...register, application: "a\ud800" },
      { code: "INVALID", field: "application" },
    ],
    [
      "an addr without a port",
      { ...register, addr: "localhost" },
      { code: "INVALID", field: "addr" },
    ],
    ["a status that is none", { ...register, status: "UP" }, { code: "INVALID", field: "status" }],
    [
      "null for an optional field",
      { ...register, version: null },
      { code: "INVALID", field: "version" },
    ],
    [
      "too many pairs",
      { ...register, meta: pairs(65) },
      { code: "LIMIT", field: "meta", limit: 64 },
    ],
    [
      "a meta value over its bytes",
      { ...register, meta: { idc: "v".repeat(4097) } },
      { code: "TOO_LARGE", field: "meta.idc", limit: 4096 },
    ],
    [
      "a meta value that is no text",
      { ...register, meta: { idc: 3 } },
      { code: "INVALID", field: "meta.idc" },
    ],
    [
      "a meta key __proto__",
      { ...register, meta: JSON.parse('{"__proto__":"x"}') },
      { code: "INVALID", field: "meta.__proto__" },
    ],
    [
      "a field __proto__",
      JSON.parse(`{"__proto__":{},${JSON.stringify(register).slice(1)}`),
      { code: "INVALID", field: "__proto__" },
    ],
    [
      "an instance over its bytes",
      {
        ...register,
        meta: {
          a: "v".repeat(4096),
          b: "v".repeat(4096),
          c: "v".repeat(4096),
          d: "v".repeat(4096),
        },
      },
      { code: "TOO_LARGE", field: "meta", limit: 16_384 },
    ],
    [
      "no instances",
      { type: "register", ...write, instances: [] },
      { code: "INVALID", field: "instances" },
    ],
    [
      "too many instances",
      { type: "register", ...write, instances: times(257, instance) },
      { code: "LIMIT", field: "instances", limit: 256 },
    ],
    [
      "one wrong instance of many",
      { type: "register", ...write, instances: [instance, { ...instance, addr: "h:0" }] },
      { code: "INVALID", field: "instances.1.addr" },
    ],
    [
      "an instance beside a list of them",
      { ...register, instances: [instance] },
      { code: "INVALID", field: "application" },
    ],
    [
      "the number of the opening for a write",
      { ...register, seq: 0 },
      { code: "INVALID", field: "seq" },
    ],
    [
      "a number that JavaScript cannot hold",
      { ...register, seq: 2 ** 53 },
      { code: "INVALID", field: "seq" },
    ],
    [
      "a deadline too long",
      { ...register, timeoutMs: 60_001 },
      { code: "INVALID", field: "timeoutMs", limit: 60_000 },
    ],
    [
      "an update of nothing known",
      { type: "update", ...write, key: instance, set: { addr: "h:2" } },
      { code: "INVALID", field: "set.addr" },
    ],
    [
      "an update of a weight to null",
      { type: "update", ...write, key: instance, set: { weight: null } },
      { code: "INVALID", field: "set.weight" },
    ],
    [
      "a selector of nothing",
      { type: "get", id: 7, selector: {} },
      { code: "INVALID", field: "selector.application" },
    ],
    [
      "a selector of both names",
      { type: "get", id: 7, selector: { application: "a", provider: "a" } },
      { code: "INVALID", field: "selector.provider" },
    ],
    [
      "an unknown way of reading",
      { type: "get", id: 7, selector: { application: "a" }, read: "stale" },
      { code: "INVALID", field: "read" },
    ],
    [
      "too many selectors",
      { type: "subscribe", id: 7, subscribes: times(257, { provider: "a" }) },
      { code: "LIMIT", field: "subscribes", limit: 256 },
    ],
    [
      "a secret too short",
      { ...open, session: { ...open.session, secret: "short" } },
      { code: "INVALID", field: "session.secret", limit: 16 },
    ],
    [
      "an id of a session in capitals",
      { ...open, session: { ...open.session, id: "A".repeat(32) } },
      { code: "INVALID", field: "session.id" },
    ],
    [
      "a grace longer than its TTL",
      { ...open, ttlMs: 3000, graceMs: 3001 },
      { code: "INVALID", field: "graceMs", limit: 3000 },
    ],
    ["a TTL too short", { ...open, ttlMs: 2999 }, { code: "INVALID", field: "ttlMs", limit: 3000 }],
    ["an unknown type", { type: "regsiter", id: 7 }, { code: "INVALID", field: "type" }],
    [
      "the name of a method for a type",
      { type: "constructor", id: 7 },
      { code: "INVALID", field: "type" },
    ],
  ])("with %s is refused by code, field and limit", (_, value, expected) => {
    const refusal = refusalOf(value);
    expect(refusal).toMatchObject(expected);
    expect(Object.keys(ERRORS)).toContain(refusal?.code);
    expect(refusal?.message.startsWith(expected.field ?? "")).toBe(true);
    if (expected.limit !== undefined) {
      expect(refusal?.message.replaceAll(",", "")).toContain(String(expected.limit));
    }
    const id = (value as { id?: number }).id ?? null;
    expect(checkClientMessage(value)).toMatchObject({ ok: false, id });
  });

  it.each<[string, unknown]>([
    ["hello", hello],
    [
      "hello of a session",
      { ...hello, session: open.session, token: "t", revision: 5, lineage: "x.1" },
    ],
    ["open", open],
    ["open with the shortest TTL and no grace", { ...open, ttlMs: 3000, graceMs: 0 }],
    ["register", register],
    ["register of 256", { type: "register", ...write, instances: times(256, instance) }],
    ["a meta of 64 pairs", { ...register, meta: pairs(64) }],
    ["a meta value of lines", { ...register, meta: { config: "a\nb\tc" } }],
    ["an IPv6 address", { ...register, addr: "[2001:db8::1]:8080" }],
    [
      "update that clears",
      {
        type: "update",
        ...write,
        key: instance,
        set: { version: null, location: null, reason: null },
      },
    ],
    ["update of nothing", { type: "update", ...write, key: instance, set: {} }],
    ["deregister", { type: "deregister", ...write, ...instance }],
    ["bye", { type: "bye", ...write }],
    [
      "get, stale without a bound",
      { type: "get", id: 0, selector: { provider: "a" }, read: { staleMs: null } },
    ],
    [
      "subscribe",
      {
        type: "subscribe",
        id: 1,
        subscribes: [{ provider: "a" }],
        from: 0,
        mode: "full",
        allowUnknownAge: false,
      },
    ],
    ["unsubscribe", { type: "unsubscribe", id: 1, watch: 1 }],
    ["ack", { type: "ack", revision: 2 ** 40 }],
    ["ping", { type: "ping", id: 1 }],
  ])("that is a valid %s is taken as it is, not as a copy", (_, value) => {
    const checked = checkClientMessage(value);
    expect(checked).toEqual({ ok: true, message: value });
    expect(checked.ok && checked.message).toBe(value);
  });

  it.each([null, undefined, 1, "text", true, [], [register]])("that is %j is refused", (value) => {
    expect(checkClientMessage(value)).toMatchObject({ ok: false, id: null });
    expect(checkPlainRequest(value)).toMatchObject({ ok: false, id: null });
  });

  it("with hundreds of thousands of wrong parts is refused in bounded time", () => {
    const wide = {
      ...register,
      meta: Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`k${index}`, index])),
    };
    const long = { type: "register", ...write, instances: times(300_000, 1) };
    const odd = { type: "deregister", ...write, keys: times(256, pairs(400)) };
    for (const value of [wide, long, odd]) {
      const startedMs = performance.now();
      expect(checkClientMessage(value).ok).toBe(false);
      expect(performance.now() - startedMs).toBeLessThan(500);
    }
  });

  it("names a hostile key in a field that is bounded", () => {
    const refusal = refusalOf({ ...register, ["k".repeat(100_000)]: 1 });
    expect(refusal?.field?.length).toBeLessThan(300);
    expect(refusal?.message.length).toBeLessThan(500);
  });
});

describe("a plain request", () => {
  it.each([
    {
      application: "provider_test",
      protocol: "http",
      addr: "127.0.0.1:8080",
      meta: { cluster: "small", idc: "shanghai", tag: "read" },
    },
    {
      subscribes: [
        {
          provider: "test_provider1",
          protocol: "http",
          meta: { cluster: "small", idc: "shanghai" },
        },
        { provider: "test_provider2", protocol: "http", meta: { tag: "read" } },
      ],
    },
    { unregister: { application: "provider_test", protocol: "http", addr: "127.0.0.1:8080" } },
  ])("of design section 4 is taken as it stands: %j", (request) => {
    expect(checkPlainRequest(request)).toEqual({ ok: true, request });
  });

  it.each<[string, unknown, Partial<Refusal>]>([
    ["nothing", {}, { code: "INVALID", field: "application" }],
    ["a number of a write", { ...instance, seq: 1 }, { code: "INVALID", field: "seq" }],
    [
      "two requests in one",
      { unregister: instance, subscribes: [] },
      { code: "INVALID", field: "subscribes" },
    ],
    [
      "a wrong key",
      { unregister: { ...instance, addr: "h" } },
      { code: "INVALID", field: "unregister.addr" },
    ],
    ["an empty list", { subscribes: [] }, { code: "INVALID", field: "subscribes" }],
    [
      "a selector with the key __proto__",
      JSON.parse('{"subscribes":[{"provider":"a","meta":{"__proto__":"x"}}]}'),
      { code: "INVALID", field: "subscribes.0.meta.__proto__" },
    ],
  ])("with %s is refused with its field", (_, value, expected) => {
    expect(checkPlainRequest(value)).toMatchObject({ ok: false, id: null, refusal: expected });
  });
});
