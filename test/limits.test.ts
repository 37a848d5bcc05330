import { describe, expect, it } from "vitest";
import type { RollcallError } from "../src/client/errors.ts";
import {
  checkConnectOptions,
  checkKeyInput,
  checkRegister,
  checkSelector,
  checkUpdate,
} from "../src/client/options.ts";
import * as limits from "../src/limits.ts";
import { checkClientMessage, checkPlainRequest } from "../src/schema/client-message.ts";
import { jsonCodec, msgpackCodec } from "../src/wire/client-codec.ts";
import { CLIENT_LIMITS } from "./wire/client-limits.ts";

type ClientLimit = (typeof CLIENT_LIMITS)[number];
type LimitName = keyof typeof limits;

const bytes = (count: number) => "x".repeat(count);
const times = (count: number, item: unknown) => Array.from({ length: count }, () => item);
const metaOf = (count: number, value = "v") =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, value]));

const NAME = bytes(limits.NAME_BYTES_MAX + 1);
const ADDR = `${bytes(limits.ADDR_BYTES_MAX - 1)}:1`;
const KEY = bytes(limits.META_KEY_BYTES_MAX + 1);
const VALUE = bytes(limits.META_VALUE_BYTES_MAX + 1);
const REASON = bytes(limits.REASON_BYTES_MAX + 1);
const LARGE = metaOf(5, bytes(limits.META_VALUE_BYTES_MAX - 100));

const key = { application: "a", protocol: "http", addr: "h:1" };
const write = { id: 7, seq: 1, low: 1 };
const register = { type: "register", ...write, ...key };
const session = { id: "0".repeat(32), secret: bytes(16), attach: 1 };
const open = { type: "open", id: 7, session };
const hello = { type: "hello", versions: [1], client: { name: "n", version: "1", language: "js" } };
const get = { type: "get", id: 7, selector: { application: "a" } };

type Broken = readonly [field: string, message: object];

/** Messages that break one limit each, and the field that does. */
const MESSAGES: { readonly [K in LimitName]?: readonly Broken[] } = {
  NAME_BYTES_MAX: [
    ["namespace", { ...register, namespace: NAME }],
    ["application", { ...register, application: NAME }],
    ["protocol", { ...register, protocol: NAME }],
    ["version", { ...register, version: NAME }],
    ["location.region", { ...register, location: { region: NAME } }],
    ["location.zone", { ...register, location: { zone: NAME } }],
    ["location.campus", { ...register, location: { campus: NAME } }],
    ["set.version", { type: "update", ...write, key, set: { version: NAME } }],
    ["keys.0.application", { type: "deregister", ...write, keys: [{ ...key, application: NAME }] }],
    ["selector.provider", { ...get, selector: { provider: NAME } }],
    ["client.name", { ...hello, client: { ...hello.client, name: NAME } }],
    ["client.version", { ...hello, client: { ...hello.client, version: NAME } }],
    ["client.language", { ...hello, client: { ...hello.client, language: NAME } }],
    ["lineage", { ...hello, lineage: NAME }],
  ],
  ADDR_BYTES_MAX: [
    ["addr", { ...register, addr: ADDR }],
    ["key.addr", { type: "update", ...write, key: { ...key, addr: ADDR }, set: {} }],
  ],
  META_PAIRS_MAX: [
    ["meta", { ...register, meta: metaOf(limits.META_PAIRS_MAX + 1) }],
    [
      "selector.meta",
      { ...get, selector: { application: "a", meta: metaOf(limits.META_PAIRS_MAX + 1) } },
    ],
  ],
  META_KEY_BYTES_MAX: [
    [`meta.${KEY}`, { ...register, meta: { [KEY]: "v" } }],
    [`selector.meta.${KEY}`, { ...get, selector: { application: "a", meta: { [KEY]: "v" } } }],
  ],
  META_VALUE_BYTES_MAX: [["meta.idc", { ...register, meta: { idc: VALUE } }]],
  REASON_BYTES_MAX: [["reason", { ...register, reason: REASON }]],
  INSTANCE_BYTES_MAX: [
    ["meta", { ...register, meta: LARGE }],
    ["set.meta", { type: "update", ...write, key, set: { meta: LARGE } }],
  ],
  WEIGHT_MAX: [["weight", { ...register, weight: limits.WEIGHT_MAX + 1 }]],
  INSTANCES_PER_COMMAND_MAX: [
    [
      "instances",
      {
        ...{ type: "register", ...write },
        instances: times(limits.INSTANCES_PER_COMMAND_MAX + 1, key),
      },
    ],
    [
      "keys",
      { type: "deregister", ...write, keys: times(limits.INSTANCES_PER_COMMAND_MAX + 1, key) },
    ],
  ],
  SUBSCRIBES_PER_REQUEST_MAX: [
    [
      "subscribes",
      {
        ...{ type: "subscribe", id: 7 },
        subscribes: times(limits.SUBSCRIBES_PER_REQUEST_MAX + 1, { application: "a" }),
      },
    ],
  ],
  VERSIONS_PER_HELLO_MAX: [
    ["versions", { ...hello, versions: times(limits.VERSIONS_PER_HELLO_MAX + 1, 1) }],
  ],
  TOKEN_BYTES_MAX: [["token", { ...hello, token: bytes(limits.TOKEN_BYTES_MAX + 1) }]],
  SESSION_SECRET_BYTES_MIN: [
    [
      "session.secret",
      { ...open, session: { ...session, secret: bytes(limits.SESSION_SECRET_BYTES_MIN - 1) } },
    ],
  ],
  SESSION_SECRET_BYTES_MAX: [
    [
      "session.secret",
      { ...open, session: { ...session, secret: bytes(limits.SESSION_SECRET_BYTES_MAX + 1) } },
    ],
  ],
  TTL_MS_MIN: [["ttlMs", { ...open, ttlMs: limits.TTL_MS_MIN - 1 }]],
  TTL_MS_MAX: [["ttlMs", { ...open, ttlMs: limits.TTL_MS_MAX + 1 }]],
  GRACE_MS_MIN: [["graceMs", { ...open, graceMs: limits.GRACE_MS_MIN - 1 }]],
  CALL_TIMEOUT_MS_MAX: [["timeoutMs", { ...get, timeoutMs: limits.CALL_TIMEOUT_MS_MAX + 1 }]],
};

/** What the client library refuses before anybody is asked. */
const CALLS: { readonly [K in LimitName]?: readonly (readonly [string, () => unknown])[] } = {
  NAME_BYTES_MAX: [
    ["namespace", () => checkConnectOptions({ namespace: NAME })],
    ["name", () => checkConnectOptions({ name: NAME })],
    ["namespace", () => checkRegister({ ...key, namespace: NAME }, "d")],
    ["application", () => checkRegister({ ...key, application: NAME }, "d")],
    ["protocol", () => checkRegister({ ...key, protocol: NAME }, "d")],
    ["version", () => checkUpdate({ version: NAME })],
    ["location.zone", () => checkRegister({ ...key, location: { zone: NAME } }, "d")],
    ["application", () => checkSelector(NAME, "d")],
    ["application", () => checkSelector({ provider: NAME }, "d")],
    ["namespace", () => checkSelector({ application: "a", namespace: NAME }, "d")],
    ["protocol", () => checkSelector({ application: "a", protocol: NAME }, "d")],
  ],
  ADDR_BYTES_MAX: [
    ["addr", () => checkRegister({ ...key, addr: ADDR }, "d")],
    ["addr", () => checkKeyInput({ ...key, addr: ADDR }, "d")],
  ],
  META_PAIRS_MAX: [
    ["meta", () => checkRegister({ ...key, meta: metaOf(limits.META_PAIRS_MAX + 1) }, "d")],
  ],
  META_KEY_BYTES_MAX: [
    [`meta.${KEY}`, () => checkRegister({ ...key, meta: { [KEY]: "v" } }, "d")],
    [`meta.${KEY}`, () => checkUpdate({ meta: { [KEY]: "" } })],
    [`meta.${KEY}`, () => checkSelector({ application: "a", meta: { [KEY]: "v" } }, "d")],
  ],
  META_VALUE_BYTES_MAX: [["meta.idc", () => checkRegister({ ...key, meta: { idc: VALUE } }, "d")]],
  REASON_BYTES_MAX: [["reason", () => checkUpdate({ reason: REASON })]],
  INSTANCE_BYTES_MAX: [["meta", () => checkRegister({ ...key, meta: LARGE }, "d")]],
  WEIGHT_MAX: [["weight", () => checkUpdate({ weight: limits.WEIGHT_MAX + 1 })]],
  TOKEN_BYTES_MAX: [
    ["token", () => checkConnectOptions({ token: bytes(limits.TOKEN_BYTES_MAX + 1) })],
  ],
  TTL_MS_MIN: [["ttlMs", () => checkConnectOptions({ ttlMs: limits.TTL_MS_MIN - 1 })]],
  TTL_MS_MAX: [["ttlMs", () => checkConnectOptions({ ttlMs: limits.TTL_MS_MAX + 1 })]],
  GRACE_MS_MIN: [["graceMs", () => checkConnectOptions({ graceMs: limits.GRACE_MS_MIN - 1 })]],
  SERVER_URL_BYTES_MAX: [
    [
      "servers[0]",
      () => checkConnectOptions({ servers: `${bytes(limits.SERVER_URL_BYTES_MAX)}:1` }),
    ],
  ],
};

/** Not broken by a field of one message: where they are tested, or why they cannot be broken. */
const ELSEWHERE: { readonly [K in ClientLimit]?: string } = {
  CLIENT_FRAME_BYTES_MAX: "test/server/garbage.test.ts",
  MESSAGES_PER_FRAME_MAX: "below, with the codecs",
  NESTING_MAX: "below, with the codecs",
  WATCHES_PER_CONNECTION_MAX: "test/server/typed.test.ts",
  REQUESTS_PER_CONNECTION_MAX: "test/server/typed.test.ts",
  UNANSWERED_PER_SESSION_MAX: "test/registry",
  HANDSHAKE_TIMEOUT_MS: "test/server/garbage.test.ts",
  TTL_MS_DEFAULT: "a default",
  GRACE_MS_DEFAULT: "a default",
  CALL_TIMEOUT_MS_DEFAULT: "a default",
  MARK_INTERVAL_MS: "the node's own pace",
};

function cases<Case extends readonly [string, unknown]>(
  table: {
    readonly [K in LimitName]?: readonly Case[];
  },
): [LimitName, ...Case][] {
  return Object.entries(table).flatMap(([limit, broken]) =>
    broken.map((row): [LimitName, ...Case] => [limit as LimitName, ...row]),
  );
}

const numbers: Readonly<Record<LimitName, unknown>> = limits;

/** What an error says, whoever makes it. */
const named = (limit: LimitName, field: string) => ({
  field,
  limit: numbers[limit],
  message: expect.stringContaining(limit),
});

describe("who breaks a limit is told the field, the number and the limit's name", () => {
  it.each(CLIENT_LIMITS)("%s is in this table", (limit) => {
    expect(limit in MESSAGES || limit in ELSEWHERE).toBe(true);
  });

  it.each(cases<Broken>(MESSAGES))("by a node: %s in %s", (limit, field, message) => {
    const checked = checkClientMessage(message);
    expect(checked).toMatchObject({ ok: false, refusal: named(limit, field) });
  });

  it("by a node, to a plain client", () => {
    const checked = checkPlainRequest({ ...key, meta: { [KEY]: "v" } });
    expect(checked).toMatchObject({ refusal: named("META_KEY_BYTES_MAX", `meta.${KEY}`) });
  });

  it.each(cases(CALLS))("by the client library: %s in %s", (limit, field, call) => {
    let thrown: unknown;
    try {
      call();
    } catch (error) {
      thrown = error;
    }
    const { message, field: said, limit: number } = thrown as RollcallError;
    expect({ message, field: said, limit: number }).toEqual(named(limit, field));
  });

  it("by the codecs, of a frame that is not read any further", () => {
    const tooMany = JSON.stringify(times(limits.MESSAGES_PER_FRAME_MAX + 1, 1));
    const tooDeep = "[".repeat(limits.NESTING_MAX + 1);
    expect(() => jsonCodec.decode(tooMany)).toThrow("MESSAGES_PER_FRAME_MAX");
    expect(() => jsonCodec.decode(tooDeep)).toThrow("NESTING_MAX");
    const bytesTooDeep = new Uint8Array(limits.NESTING_MAX + 2).fill(0x91);
    expect(() => msgpackCodec.decode(bytesTooDeep)).toThrow("NESTING_MAX");
  });

  it("takes what is at the limit, in the library and at a node alike", () => {
    const host = [bytes(63), bytes(63), bytes(63), bytes(61)].join(".");
    const body = {
      ...{ application: bytes(limits.NAME_BYTES_MAX), protocol: "http", addr: `${host}:65535` },
      meta: { [bytes(limits.META_KEY_BYTES_MAX)]: bytes(limits.META_VALUE_BYTES_MAX) },
      ...{ weight: limits.WEIGHT_MAX, reason: bytes(limits.REASON_BYTES_MAX) },
    };
    expect(checkRegister(body, "default")).toMatchObject(body);
    expect(checkClientMessage({ type: "register", ...write, ...body }).ok).toBe(true);
  });
});
