import { describe, expect, test } from "vitest";
import { Registry } from "../../src/registry/registry.ts";
import { codeOf, key, Log, meta, replyOf, spec } from "./commands.ts";

function logWith(...sessions: string[]): Log {
  const log = new Log(new Registry());
  log.open(...sessions);
  return log;
}

describe("registering", () => {
  test("a new instance gets the revision of its command, and the leader's time", () => {
    const log = logWith("a");
    const { changes } = log.register("a", spec("h:1", { meta: meta(["tag", "read"]) }));
    const { isPersistent: _, ...rest } = spec("h:1", { meta: meta(["tag", "read"]) });
    expect(log.registry.get(key("h:1"))).toEqual({
      ...rest,
      session: "a",
      createdRevision: 1,
      modifiedRevision: 1,
      createdAtMs: log.atMs,
      modifiedAtMs: log.atMs,
    });
    expect(changes).toEqual([{ revision: 1, before: null, after: log.registry.get(key("h:1")) }]);
  });

  test("the same content by the same owner changes nothing and is acknowledged as it stands", () => {
    const log = logWith("a");
    log.register("a", spec("h:1"));
    log.register("a", spec("h:2"));
    const before = log.registry.get(key("h:1"));
    const again = log.register("a", spec("h:1"));
    expect(again.changes).toEqual([]);
    expect(replyOf(again)).toEqual({ ok: true, revision: 2 });
    expect(log.registry.get(key("h:1"))).toBe(before);
  });

  test.for([
    ["meta", { meta: meta(["tag", "write"]) }],
    ["weight", { weight: 1 }],
    ["version", { version: "2" }],
    ["location", { location: { zone: "z" } }],
    ["status", { status: "draining" as const }],
    ["reason", { reason: "deploy" }],
  ] as const)("another %s is a change that keeps where the instance began", ([, difference]) => {
    const log = logWith("a");
    log.register("a", spec("h:1"));
    const { createdAtMs } = log.registry.get(key("h:1"))!;
    const { changes } = log.register("a", spec("h:1", difference));
    expect(changes).toHaveLength(1);
    expect(log.registry.get(key("h:1"))).toMatchObject({
      ...difference,
      createdRevision: 1,
      modifiedRevision: 2,
      createdAtMs,
      modifiedAtMs: log.atMs,
    });
  });

  test("of a location each part counts, and the same location is no change", () => {
    const log = logWith("a");
    const location = { region: "r", zone: "z", campus: "c" };
    log.register("a", spec("h:1", { location }));
    expect(log.register("a", spec("h:1", { location: { ...location } })).changes).toEqual([]);
    for (const part of ["region", "zone", "campus"] as const) {
      for (const other of [{ ...location, [part]: "x" }, location]) {
        log.register("a", spec("h:1", { location: other }));
        expect(log.registry.get(key("h:1"))?.location).toEqual(other);
      }
    }
    expect(log.registry.revision).toBe(1 + 3 * 2);
  });

  test("many are one revision, and one that is refused takes all of them back", () => {
    const log = logWith("old", "new");
    log.register("new", spec("h:2"));
    expect(codeOf(log.register("old", spec("h:1"), spec("h:2"), spec("h:3")))).toBe("TAKEN_OVER");
    expect(log.registry.instanceCount).toBe(1);
    const many = log.register("new", spec("h:3"), spec("h:1"));
    expect(many.changes.map(({ revision, after }) => [revision, after?.addr])).toEqual([
      [2, "h:1"],
      [2, "h:3"],
    ]);
    expect(replyOf(many).revision).toBe(2);
  });

  test("the same key twice in one list is refused", () => {
    const log = logWith("a");
    const twice = log.register("a", spec("h:1"), spec("h:2"), spec("h:1", { weight: 1 }));
    expect(codeOf(twice)).toBe("INVALID");
    expect(log.registry.instanceCount).toBe(0);
  });

  test("a list without instances is acknowledged and changes nothing", () => {
    const log = logWith("a");
    expect(replyOf(log.register("a"))).toEqual({ ok: true, revision: 0 });
  });
});

describe("ownership moves atomically to the newer session", () => {
  test("a newer session that registers an identity takes it over in that command", () => {
    const log = logWith("old", "new");
    log.register("old", spec("h:1"));
    const { changes } = log.register("new", spec("h:1"));
    expect(changes).toHaveLength(1);
    expect(changes[0]).toMatchObject({
      before: { session: "old", modifiedRevision: 1 },
      after: { session: "new", modifiedRevision: 2, createdRevision: 1 },
    });
    expect(log.registry.session("old")).toMatchObject({ owned: 0, ownedRevision: 2 });
    expect(log.registry.session("new")).toMatchObject({ owned: 1, ownedRevision: 2 });
  });

  test("newer is the order of the openings in the log, not of the registrations", () => {
    const log = logWith("old", "new");
    log.register("new", spec("h:1"));
    expect(codeOf(log.register("old", spec("h:1", { weight: 1 })))).toBe("TAKEN_OVER");
    expect(log.registry.get(key("h:1"))).toMatchObject({ session: "new", weight: 100 });
  });

  test("an older session that registers, updates or deregisters is refused without a change", () => {
    const log = logWith("old", "new");
    log.register("old", spec("h:1"));
    log.register("new", spec("h:1"));
    const before = log.registry.get(key("h:1"));
    expect(codeOf(log.register("old", spec("h:1")))).toBe("TAKEN_OVER");
    expect(codeOf(log.register("old", spec("h:1", { isPersistent: true })))).toBe("TAKEN_OVER");
    expect(codeOf(log.update("old", key("h:1"), { weight: 1 }))).toBe("TAKEN_OVER");
    expect(codeOf(log.update("old", key("h:1"), {}, 999))).toBe("TAKEN_OVER");
    expect(codeOf(log.deregister("old", key("h:0"), key("h:1")))).toBe("TAKEN_OVER");
    expect(log.registry.get(key("h:1"))).toBe(before);
    expect(log.registry.revision).toBe(2);
  });

  test("whatever the older session does later does not touch it", () => {
    for (const end of [(log: Log) => log.close("old"), (log: Log) => log.expire("old")]) {
      const log = logWith("old", "new");
      log.register("old", spec("h:1"), spec("h:2"));
      log.register("new", spec("h:1"));
      const { changes } = end(log);
      expect(changes.map(({ before }) => before?.addr)).toEqual(["h:2"]);
      expect(log.registry.get(key("h:1"))).toMatchObject({ session: "new" });
    }
  });

  test("a newer session may update and deregister what an older one owns; the owner stays", () => {
    const log = logWith("provider", "operator");
    log.register("provider", spec("h:1"));
    log.update("operator", key("h:1"), { weight: 0 });
    expect(log.registry.get(key("h:1"))).toMatchObject({ session: "provider", weight: 0 });
    expect(log.registry.session("provider")).toMatchObject({ owned: 1, ownedRevision: 2 });
    expect(codeOf(log.deregister("operator", key("h:1")))).toBe("ok");
    expect(log.registry.session("provider")).toMatchObject({ owned: 0, ownedRevision: 3 });
    expect(log.registry.instanceCount).toBe(0);
  });
});

describe("an identity is persistent or owned", () => {
  test("changing the kind is refused with CONFLICT until it was deregistered", () => {
    const log = logWith("a", "b");
    log.register("a", spec("h:1"), spec("h:2", { isPersistent: true }));
    expect(codeOf(log.register("a", spec("h:1", { isPersistent: true })))).toBe("CONFLICT");
    expect(codeOf(log.register("b", spec("h:2")))).toBe("CONFLICT");
    log.deregister("b", key("h:1"), key("h:2"));
    expect(codeOf(log.register("b", spec("h:1", { isPersistent: true })))).toBe("ok");
    expect(codeOf(log.register("b", spec("h:2")))).toBe("ok");
  });

  test("any session writes a persistent one, the same content is no change, no end removes it", () => {
    const log = logWith("a", "b");
    log.register("b", spec("h:1", { isPersistent: true }));
    expect(log.register("a", spec("h:1", { isPersistent: true })).changes).toEqual([]);
    log.update("a", key("h:1"), { weight: 5 });
    log.close("a");
    log.close("b");
    expect(log.registry.get(key("h:1"))).toMatchObject({ session: null, weight: 5 });
    expect(log.registry.sessionCount).toBe(0);
  });
});

describe("updating", () => {
  test("only the named fields change, and null clears", () => {
    const log = logWith("a");
    log.register("a", spec("h:1", { version: "1", reason: "x", location: { zone: "z" } }));
    log.update("a", key("h:1"), { version: null, status: "down" });
    expect(log.registry.get(key("h:1"))).toMatchObject({
      version: null,
      status: "down",
      reason: "x",
      location: { zone: "z" },
    });
  });

  test("an absent instance is NOT_FOUND, another revision than the compared one CONFLICT", () => {
    const log = logWith("a");
    expect(codeOf(log.update("a", key("h:1"), { weight: 1 }))).toBe("NOT_FOUND");
    log.register("a", spec("h:1"));
    expect(codeOf(log.update("a", key("h:1"), { weight: 1 }, 0))).toBe("CONFLICT");
    expect(codeOf(log.update("a", key("h:1"), { weight: 1 }, 1))).toBe("ok");
    expect(codeOf(log.update("a", key("h:1"), { weight: 2 }, 1))).toBe("CONFLICT");
    expect(log.registry.get(key("h:1"))).toMatchObject({ weight: 1, modifiedRevision: 2 });
  });

  test("an update to what is there already changes nothing", () => {
    const log = logWith("a");
    log.register("a", spec("h:1"));
    expect(log.update("a", key("h:1"), { weight: 100, meta: meta() }).changes).toEqual([]);
    expect(log.registry.revision).toBe(1);
  });
});

describe("deregistering", () => {
  test("an absent key is no error, one key twice is one removal, all are one revision", () => {
    const log = logWith("a");
    log.register("a", spec("h:1"), spec("h:2"));
    const result = log.deregister("a", key("h:2"), key("h:9"), key("h:1"), key("h:2"));
    expect(replyOf(result)).toEqual({ ok: true, revision: 2 });
    expect(result.changes.map(({ revision, before }) => [revision, before?.addr])).toEqual([
      [2, "h:1"],
      [2, "h:2"],
    ]);
    expect(replyOf(log.deregister("a", key("h:1")))).toEqual({ ok: true, revision: 2 });
  });
});
