import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Instance, Selector } from "../../src/registry/instance.ts";
import { Registry } from "../../src/registry/registry.ts";
import { matches } from "../../src/registry/selector.ts";
import { key, Log, meta, spec } from "./commands.ts";

const selector = (rest: Partial<Selector> = {}): Selector => ({
  namespace: "default",
  application: "shop",
  protocol: null,
  meta: meta(),
  ...rest,
});

function logWith(...sessions: string[]): Log {
  const log = new Log(new Registry());
  log.open(...sessions);
  return log;
}

const addrs = (instances: readonly Instance[]) => instances.map(({ addr }) => addr);

describe("a selector", () => {
  const pairs = meta(["cluster", "small"], ["idc", "shanghai"], ["tag", "read"]);
  const instance: Instance = {
    ...spec("h:1", { meta: pairs }),
    session: null,
    createdRevision: 1,
    modifiedRevision: 1,
    createdAtMs: 1,
    modifiedAtMs: 1,
  };

  test.for<[string, Partial<Selector>, boolean]>([
    ["its application alone", {}, true],
    ["the protocol", { protocol: "http" }, true],
    ["a pair of its meta", { meta: meta(["tag", "read"]) }, true],
    ["all pairs of its meta", { meta: pairs }, true],
    ["two of the pairs", { meta: meta(["cluster", "small"], ["tag", "read"]) }, true],
    ["another namespace", { namespace: "test" }, false],
    ["another application", { application: "till" }, false],
    ["another protocol", { protocol: "grpc" }, false],
    ["a pair with another value", { meta: meta(["tag", "write"]) }, false],
    ["a key that it lacks", { meta: meta(["zone", "read"]) }, false],
    ["a pair that agrees and one that does not", { meta: [...pairs, ["x", "y"]] }, false],
  ])("%s: matching is %s", ([, rest, expected]) => {
    expect(matches(selector(rest), instance)).toBe(expected);
  });
});

describe("selecting", () => {
  test("gives an application's instances by protocol and addr, in code units", () => {
    const log = logWith("a");
    for (const addr of ["h:9", "h:10", "Z:1", "é:1", "a:1", "\u{1f600}:1", "\uffee:1"]) {
      log.register("a", spec(addr));
    }
    log.register("a", spec("h:1", { protocol: "grpc" }), spec("h:1", { application: "till" }));
    expect(addrs(log.registry.select(selector()))).toEqual([
      "h:1",
      "Z:1",
      "a:1",
      "h:10",
      "h:9",
      "é:1",
      "\u{1f600}:1",
      "\uffee:1",
    ]);
    expect(addrs(log.registry.select(selector({ protocol: "grpc" })))).toEqual(["h:1"]);
    expect(log.registry.select(selector({ application: "nothing" }))).toEqual([]);
    expect(log.registry.select(selector({ namespace: "nowhere" }))).toEqual([]);
  });

  test("a list in hand is not changed by what happens afterwards", () => {
    const log = logWith("a");
    log.register("a", spec("h:1"), spec("h:2"));
    const inHand = log.registry.select(selector());
    const copy = [...inHand];
    log.register("a", spec("h:0"), spec("h:1", { weight: 1 }));
    log.deregister("a", key("h:2"));
    log.registry.select(selector());
    expect(inHand).toEqual(copy);
  });

  test("whatever is read in between, a list is that of a registry that was never read", () => {
    const act = fc.record({
      addr: fc.integer({ min: 100, max: 180 }).map((n) => `h:${n}`),
      protocol: fc.constantFrom("grpc", "http", "http"),
      weight: fc.nat(1000),
      isRemoved: fc.boolean(),
      isRead: fc.nat(30).map((n) => n === 0),
    });
    fc.assert(
      fc.property(fc.array(act, { minLength: 50, maxLength: 400, size: "max" }), (acts) => {
        const [read, unread] = [logWith("a"), logWith("a")];
        for (const { addr, protocol, weight, isRemoved, isRead } of acts) {
          for (const log of [read, unread]) {
            if (isRemoved) log.deregister("a", { ...key(addr), protocol });
            else log.register("a", spec(addr, { protocol, weight }));
          }
          if (isRead) read.registry.checkInvariants();
        }
        expect(read.registry.select(selector())).toEqual(unread.registry.select(selector()));
        read.registry.checkInvariants();
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  test("names no application that has no instance left", () => {
    const log = logWith("a");
    log.register("a", spec("h:1", { application: "till" }), spec("h:1"));
    expect(log.registry.applications("default")).toEqual(["shop", "till"]);
    log.deregister("a", key("h:1"));
    expect(log.registry.applications("default")).toEqual(["till"]);
    log.close("a");
    expect(log.registry.applications("default")).toEqual([]);
  });
});
