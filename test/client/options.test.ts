import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { RollcallError, refusalError } from "../../src/client/errors.ts";
import { connect, RollcallError as PublicError } from "../../src/client/index.ts";
import {
  checkCall,
  checkConnectOptions,
  checkRead,
  checkRegister,
  checkSelector,
  checkUpdate,
} from "../../src/client/options.ts";
import { SDK_VERSION } from "../../src/client/version.ts";

const web = { application: "web", protocol: "http" };

function refusal(run: () => unknown): { code: string; field?: string | undefined; text: string } {
  try {
    run();
  } catch (error) {
    if (error instanceof RollcallError) {
      expect(error.definite).toBe(true);
      return { code: error.code, field: error.field, text: error.message };
    }
    throw error;
  }
  throw new Error("it was taken");
}

describe("connect", () => {
  test("with no options means the cluster of rollcall dev on this machine", () => {
    expect(checkConnectOptions(undefined)).toMatchObject({
      servers: ["ws://127.0.0.1:7420"],
      namespace: "default",
      ttlMs: 10_000,
      graceMs: 2_000,
    });
  });

  test("takes one server or many, with or without a scheme", () => {
    const servers = ["10.0.0.1:7420", "ws://a:1/", "wss://b"];
    expect(checkConnectOptions({ servers }).servers).toEqual([
      ...["ws://10.0.0.1:7420", "ws://a:1", "wss://b"],
    ]);
    expect(checkConnectOptions({ servers: "a:1" }).servers).toEqual(["ws://a:1"]);
  });

  test("refuses an unknown option with the one that was meant", () => {
    const { code, field, text } = refusal(() => checkConnectOptions({ server: "a:1" }));
    expect({ code, field }).toEqual({ code: "INVALID", field: "options.server" });
    expect(text).toContain("did you mean servers?");
    expect(refusal(() => checkConnectOptions({ ttlms: 1 })).text).toContain("did you mean ttlMs?");
    expect(refusal(() => checkConnectOptions({ zebra: 1 })).text).toContain("known: servers, ");
  });

  test.each([
    ["ttlMs", { ttlMs: 2_999 }],
    ["ttlMs", { ttlMs: 300_001 }],
    ["graceMs", { ttlMs: 5_000, graceMs: 5_001 }],
    ["graceMs", { graceMs: -1 }],
    ["servers", { servers: [] }],
    ["servers[0]", { servers: ["http://a"] }],
    ["servers[0]", { servers: [7] }],
    ["logger", { logger: { info: () => {} } }],
    ["namespace", { namespace: "" }],
    ["name", { name: "a\nb" }],
  ])("refuses a wrong %s by its name", (field, options) => {
    expect(refusal(() => checkConnectOptions(options))).toMatchObject({ code: "INVALID", field });
  });

  test("rejects, and does not throw, where an option is wrong", async () => {
    await expect(connect({ ttlMs: 1 })).rejects.toBeInstanceOf(PublicError);
  });

  test("says the version of the package", () => {
    const path = new URL("../../package.json", import.meta.url);
    const { version } = JSON.parse(readFileSync(path, "utf8")) as { version: string };
    expect(SDK_VERSION).toBe(version);
  });
});

describe("register", () => {
  test("takes addr, or host and port", () => {
    expect(checkRegister({ ...web, addr: "h:80" }, "shop")).toEqual({
      ...{ namespace: "shop", ...web, addr: "h:80" },
    });
    expect(checkRegister({ ...web, host: "h", port: 80 }, "shop").addr).toBe("h:80");
    expect(checkRegister({ ...web, host: "::1", port: 80 }, "shop").addr).toBe("[::1]:80");
  });

  test.each([
    ["INVALID", "application", { protocol: "http", addr: "h:80" }],
    ["INVALID", "addr", { ...web, addr: "h" }],
    ["INVALID", "addr", { ...web, addr: "h:0" }],
    ["INVALID", "addr", { ...web, addr: "h:65536" }],
    ["INVALID", "addr", { ...web, addr: "h:80", port: 80 }],
    ["INVALID", "host", { ...web, port: 80 }],
    ["INVALID", "port", { ...web, host: "h" }],
    ["INVALID", "weight", { ...web, addr: "h:80", weight: 1001 }],
    ["INVALID", "weight", { ...web, addr: "h:80", weight: 1.5 }],
    ["INVALID", "meta.a", { ...web, addr: "h:80", meta: { a: 1 } }],
    ["INVALID", "status", { ...web, addr: "h:80", status: "asleep" }],
    ["INVALID", "location.planet", { ...web, addr: "h:80", location: { planet: "x" } }],
    ["INVALID", "version", { ...web, addr: "h:80", version: null }],
    ["INVALID", "register.wieght", { ...web, addr: "h:80", wieght: 1 }],
    ["INVALID", "persistent", { ...web, addr: "h:80", persistent: "yes" }],
    ["TOO_LARGE", "application", { ...web, application: "x".repeat(129), addr: "h:80" }],
    ["TOO_LARGE", "application", { ...web, application: "é".repeat(65), addr: "h:80" }],
    ["TOO_LARGE", "meta.a", { ...web, addr: "h:80", meta: { a: "x".repeat(4097) } }],
  ])("refuses with %s and the field %s", (code, field, input) => {
    expect(refusal(() => checkRegister(input, "default"))).toMatchObject({ code, field });
  });

  test("refuses too many pairs and an instance that is too large as a whole", () => {
    const many = Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`k${n}`, "v"]));
    const large = Object.fromEntries(
      Array.from({ length: 5 }, (_, n) => [`k${n}`, "x".repeat(4000)]),
    );
    expect(refusal(() => checkRegister({ ...web, addr: "h:1", meta: many }, "d")).code).toBe(
      "LIMIT",
    );
    expect(refusal(() => checkRegister({ ...web, addr: "h:1", meta: large }, "d")).code).toBe(
      "TOO_LARGE",
    );
  });
});

describe("the rest", () => {
  test("an update may clear what a register may not", () => {
    const set = { version: null, location: null, reason: null, weight: 0 };
    expect(checkUpdate(set)).toEqual(set);
    expect(refusal(() => checkUpdate({ addr: "h:1" })).field).toBe("set.addr");
  });

  test("a selector is a name, or names provider or application and not both", () => {
    expect(checkSelector("web", "shop")).toEqual({ namespace: "shop", application: "web" });
    expect(checkSelector({ provider: "web" }, "shop")).toEqual({
      ...{ namespace: "shop", application: "web" },
    });
    expect(refusal(() => checkSelector({}, "d")).field).toBe("application");
    expect(refusal(() => checkSelector({ provider: "a", application: "b" }, "d")).field).toBe(
      "application",
    );
  });

  test("a read is one of three", () => {
    expect(checkRead(undefined)).toBe("linearizable");
    expect(checkRead({ staleMs: null })).toEqual({ staleMs: null });
    expect(checkRead({ atLeast: 7 })).toEqual({ atLeast: 7 });
    expect(refusal(() => checkRead({})).field).toBe("read");
    expect(refusal(() => checkRead({ staleMs: -1 })).field).toBe("read.staleMs");
  });

  test("a call takes a signal and a timeout, which may be Infinity", () => {
    expect(checkCall({ timeoutMs: Number.POSITIVE_INFINITY })).toBeDefined();
    expect(refusal(() => checkCall({ timeoutMs: 0 })).field).toBe("timeoutMs");
    expect(refusal(() => checkCall({ signal: {} })).field).toBe("signal");
    expect(refusal(() => checkCall({ timeout: 5 })).text).toContain("did you mean timeoutMs?");
  });

  test("a code of a newer node is indefinite, whatever it is called", () => {
    const error = refusalError({ code: "MOON_FULL" as never, message: "howl" }, false);
    expect(error).toMatchObject({ code: "INTERNAL", definite: false });
    expect(error.message).toContain("MOON_FULL");
    expect(refusalError({ code: "toString" as never, message: "x" }, false).code).toBe("INTERNAL");
  });
});
