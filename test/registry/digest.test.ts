import { describe, expect, test } from "vitest";
import { applicationSeed, Digest, sessionSeed, writeInstance } from "../../src/registry/digest.ts";
import type { Instance } from "../../src/registry/instance.ts";
import { Registry } from "../../src/registry/registry.ts";
import { Log, meta, open, spec } from "./commands.ts";

const sum = (...writes: ((digest: Digest) => unknown)[]): string => {
  const digest = new Digest();
  for (const write of writes) {
    digest.begin({ a: 1, b: 2 });
    write(digest);
    digest.add();
  }
  return digest.begin({ a: 0, b: 0 }).withRecord();
};

const distinct = (values: readonly string[]) => expect(new Set(values).size).toBe(values.length);

describe("the encoding of a record", () => {
  test("is 16 hex digits", () => {
    expect(sum()).toMatch(/^[0-9a-f]{16}$/);
    expect(new Registry().digest()).toMatch(/^[0-9a-f]{16}$/);
  });

  test("keeps apart fields that would run together", () => {
    distinct([
      sum((d) => d.text("ab").text("c")),
      sum((d) => d.text("a").text("bc")),
      sum((d) => d.text("abc").text("")),
      sum((d) => d.text("abc").text(null)),
      sum((d) => d.text("abc")),
      sum((d) => d.text("ab\0").text("c")),
      sum((d) => d.text("ab").text("c\0")),
      sum((d) => d.text("ac").text("b")),
    ]);
  });

  test("keeps apart integers over all of their 53 bits", () => {
    const values = [0, 1, -1, 2, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1];
    values.push(2 ** 52, 2 ** 53 - 1, 2 ** 53 - 2, 2 ** 40 + 2 ** 10, 2 ** 40);
    distinct(values.map((value) => sum((d) => d.integer(value))));
  });

  test("a hundred thousand records that differ in one digit are told apart in either lane", () => {
    const digests = [...Array(100_000).keys()].map((n) => sum((d) => d.text(`10.0.0.1:${n}`)));
    distinct(digests);
    for (const lane of [digests.map((d) => d.slice(0, 8)), digests.map((d) => d.slice(8))]) {
      // By chance about one pair in 100,000 of 32 bits collides.
      expect(new Set(lane).size).toBeGreaterThan(99_980);
    }
  });

  test("the sum does not depend on the order, and a record taken out leaves no trace", () => {
    const one = (d: Digest) => d.text("one");
    const other = (d: Digest) => d.text("other");
    expect(sum(one, other)).toBe(sum(other, one));
    expect(sum(one, one)).not.toBe(sum());
    const digest = new Digest();
    one(digest.begin({ a: 1, b: 2 })).add();
    other(digest.begin({ a: 1, b: 2 })).add();
    one(digest.begin({ a: 1, b: 2 })).remove();
    expect(digest.begin({ a: 0, b: 0 }).withRecord()).toBe(sum(other));
  });
});

describe("what a record says", () => {
  const instance: Instance = {
    ...spec("h:1", { meta: meta(["a", "b"]), location: { zone: "z" }, version: "1" }),
    session: "s",
    createdRevision: 1,
    modifiedRevision: 2,
    createdAtMs: 3,
    modifiedAtMs: 4,
  };

  test("every field of an instance counts", () => {
    const variants: Instance[] = [
      instance,
      { ...instance, namespace: "x" },
      { ...instance, application: "x" },
      { ...instance, protocol: "x" },
      { ...instance, addr: "x" },
      { ...instance, meta: meta() },
      { ...instance, meta: meta(["a", "c"]) },
      { ...instance, meta: meta(["a", "b"], ["c", "d"]) },
      { ...instance, weight: 1 },
      { ...instance, version: null },
      { ...instance, version: "" },
      { ...instance, location: null },
      { ...instance, location: {} },
      { ...instance, location: { region: "z" } },
      { ...instance, location: { campus: "z" } },
      { ...instance, status: "down" },
      { ...instance, reason: "x" },
      { ...instance, session: null },
      { ...instance, createdRevision: 9 },
      { ...instance, modifiedRevision: 9 },
      { ...instance, createdAtMs: 9 },
      { ...instance, modifiedAtMs: 9 },
    ];
    distinct(
      variants.map((one) => {
        const digest = new Digest();
        writeInstance(digest, applicationSeed(one.namespace, one.application), one).add();
        return digest.begin({ a: 0, b: 0 }).withRecord();
      }),
    );
  });

  test("every fixed field of a session counts", () => {
    const session = {
      id: "s",
      secretHash: "h",
      ttlMs: 1,
      graceMs: 2,
      client: "c",
      order: 3,
      openedRevision: 4,
      openedAtMs: 5,
    };
    const variants = [
      session,
      { ...session, id: "x" },
      { ...session, secretHash: "x" },
      { ...session, ttlMs: 9 },
      { ...session, graceMs: 9 },
      { ...session, client: "x" },
      { ...session, order: 9 },
      { ...session, openedRevision: 9 },
      { ...session, openedAtMs: 9 },
    ];
    distinct(variants.map((one) => JSON.stringify(sessionSeed(one))));
  });
});

describe("the digest of a state", () => {
  test("the end of a thing leaves the traces that the state has of it, and no others", () => {
    const [one, other] = [new Log(new Registry()), new Log(new Registry())];
    for (const log of [one, other]) log.open("a", "b");
    one.register("a", spec("h:1"));
    other.register("a", spec("h:2", { weight: 3 }));
    expect(one.registry.digest()).not.toBe(other.registry.digest());
    for (const log of [one, other]) log.close("a");
    expect(one.registry.digest()).toBe(other.registry.digest());
  });

  test("covers what only the next command would show", () => {
    const base = () => {
      const log = new Log(new Registry());
      log.open("a");
      log.register("a", spec("h:1"));
      return log;
    };
    const states: ((log: Log) => unknown)[] = [
      () => undefined,
      (log) => log.apply({ type: "raiseStateVersion", version: 2 }),
      (log) => log.apply({ type: "reapSession", session: "nobody" }),
      (log) => log.update("a", { ...spec("h:9") }, { weight: 1 }),
      (log) => log.register("a", spec("h:1")),
      (log) => log.apply(open("b")),
      (log) => log.apply(open("b", { secretHash: "x" })),
      (log) => log.expire("a"),
      (log) => log.close("a"),
    ];
    distinct(
      states.map((change) => {
        const log = base();
        change(log);
        return log.registry.digest();
      }),
    );
  });

  test("the wording of a refusal is not part of it", () => {
    const [one, other] = [new Log(new Registry()), new Log(new Registry())];
    for (const log of [one, other]) log.open("a");
    one.update("a", spec("h:1"), { weight: 1 });
    other.update("a", spec("h:2"), { weight: 1 });
    expect(one.registry.session("a")?.reply(1)).not.toEqual(other.registry.session("a")?.reply(1));
    expect(one.registry.digest()).toBe(other.registry.digest());
  });
});

describe("the clock of the state", () => {
  test("never goes back, even when a leader's does", () => {
    const registry = new Registry();
    const log = new Log(registry);
    log.open("a");
    log.register("a", spec("h:1"));
    const { atMs } = log;
    log.atMs = 5;
    log.register("a", spec("h:2"));
    expect(registry.get(spec("h:2"))).toMatchObject({ createdAtMs: atMs, modifiedAtMs: atMs });
  });
});

describe("the state version", () => {
  test("begins at 1 and is only ever raised", () => {
    const log = new Log(new Registry());
    expect(log.registry.stateVersion).toBe(1);
    for (const version of [3, 2, 3]) {
      expect(log.apply({ type: "raiseStateVersion", version }).outcome).toEqual({ type: "none" });
    }
    expect(log.registry.stateVersion).toBe(3);
    expect(log.registry.revision).toBe(0);
  });
});
