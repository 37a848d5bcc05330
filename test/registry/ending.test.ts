import { describe, expect, test } from "vitest";
import type { Command } from "../../src/registry/command.ts";
import { Registry } from "../../src/registry/registry.ts";
import { codeOf, key, Log, open, replyOf, spec } from "./commands.ts";

function logWith(limits: ConstructorParameters<typeof Registry>[0], ...sessions: string[]): Log {
  const log = new Log(new Registry(limits));
  log.open(...sessions);
  return log;
}

const specs = (count: number) => [...Array(count).keys()].map((i) => spec(`h:${i}`));
const reap = (session: string): Command => ({ type: "reapSession", session });

describe("ending a session", () => {
  test("bye removes what it owns in one revision and leaves a tombstone", () => {
    const log = logWith({}, "a");
    log.register("a", spec("h:1"), spec("h:2"));
    const result = log.close("a");
    expect(replyOf(result)).toEqual({ ok: true, revision: 2 });
    expect(result.changes.map(({ revision, after }) => [revision, after])).toEqual([
      [2, null],
      [2, null],
    ]);
    expect(result.sessionEvents).toEqual([
      { type: "ended", session: "a", reason: "closed", revision: 2 },
      { type: "reaped", session: "a" },
    ]);
    expect(log.registry.session("a")).toBeNull();
    expect(log.registry.ended("a")).toMatchObject({ reason: "closed", revision: 2 });
  });

  test("a session that owns nothing ends at the revision there is", () => {
    const log = logWith({}, "a", "b");
    log.register("b", spec("h:1"));
    expect(replyOf(log.close("a"))).toEqual({ ok: true, revision: 1 });
    expect(log.registry.ended("a")).toMatchObject({ revision: 1 });
    expect(log.registry.revision).toBe(1);
  });

  test("an expiry ends all of its sessions in one revision, each once, and skips what is gone", () => {
    const log = logWith({}, "a", "b", "c");
    log.register("b", spec("h:1"));
    log.register("c", spec("h:2"));
    const result = log.expire("a", "b", "nobody", "b", "c");
    expect(result.outcome).toEqual({ type: "none" });
    expect(result.changes.map(({ revision }) => revision)).toEqual([3, 3]);
    expect(result.sessionEvents.filter(({ type }) => type === "ended")).toEqual(
      ["a", "b", "c"].map((session) => ({ type: "ended", session, reason: "ttl", revision: 3 })),
    );
    expect(log.expire("a", "b", "c")).toMatchObject({ changes: [], sessionEvents: [] });
  });

  test("a session that an expiry names twice ends once, for the first reason", () => {
    const log = logWith({}, "a");
    const sessions = (["grace", "ttl"] as const).map((reason) => ({ session: "a", reason }));
    const { sessionEvents } = log.apply({ type: "expireSessions", term: log.term, sessions });
    expect(sessionEvents).toEqual([
      { type: "ended", session: "a", reason: "grace", revision: 0 },
      { type: "reaped", session: "a" },
    ]);
    expect(log.registry.ended("a")).toMatchObject({ reason: "grace" });
  });

  test("an expiry counts only in an entry of the term that proposed it", () => {
    const log = logWith({}, "a");
    log.register("a", spec("h:1"));
    for (const term of [1, 3]) {
      log.term = 2;
      const sessions = [{ session: "a", reason: "ttl" as const }];
      expect(log.apply({ type: "expireSessions", term, sessions })).toMatchObject({
        changes: [],
        sessionEvents: [],
      });
    }
    expect(log.registry.session("a")).toMatchObject({ ending: null, owned: 1 });
  });
});

describe("a session that owns much ends in pieces", () => {
  test("each command removes at most its share, oldest record first, until the last reaps it", () => {
    const log = logWith({ removalsPerCommandMax: 3 }, "a");
    log.register("a", ...specs(7));
    log.update("a", key("h:0"), { weight: 1 });
    const addrs = (result: ReturnType<Log["apply"]>) =>
      result.changes.map(({ revision, before }) => `${revision} ${before?.addr}`);
    const first = log.expire("a");
    expect(addrs(first)).toEqual(["3 h:1", "3 h:2", "3 h:3"]);
    expect(first.sessionEvents).toEqual([
      { type: "ended", session: "a", reason: "ttl", revision: 3 },
    ]);
    expect(log.registry.session("a")).toMatchObject({ ending: "ttl", owned: 4 });
    expect(log.registry.endingSessions()).toEqual(["a"]);
    expect(log.registry.ended("a")).toMatchObject({ reason: "ttl", revision: 3 });
    expect(addrs(log.apply(reap("a")))).toEqual(["4 h:4", "4 h:5", "4 h:6"]);
    const last = log.apply(reap("a"));
    expect(addrs(last)).toEqual(["5 h:0"]);
    expect(last.sessionEvents).toEqual([{ type: "reaped", session: "a" }]);
    expect(log.registry.endingSessions()).toEqual([]);
    expect(log.registry.ended("a")).toMatchObject({ reason: "ttl", revision: 3 });
    expect(log.apply(reap("a"))).toMatchObject({ changes: [], sessionEvents: [] });
    log.registry.checkInvariants();
  });

  test("the share is the command's, not each session's", () => {
    const log = logWith({ removalsPerCommandMax: 3 }, "a", "b", "c");
    log.register("a", spec("h:1"), spec("h:2"));
    log.register("b", spec("h:3"), spec("h:4"));
    log.register("c", spec("h:5"));
    expect(log.expire("a", "b", "c").changes).toHaveLength(3);
    expect(log.registry.session("a")).toBeNull();
    expect(log.registry.endingSessions()).toEqual(["b", "c"]);
  });

  test("a session of 100,000 instances is gone after a hundred commands of a thousand", () => {
    const log = logWith({}, "a");
    for (let i = 0; i < 100_000; i += 1000) {
      log.register("a", ...specs(1000).map((one) => ({ ...one, application: `app-${i}` })));
    }
    expect(log.registry.instanceCount).toBe(100_000);
    let commands = 1;
    let most = log.expire("a").changes.length;
    for (; log.registry.session("a") !== null; commands++) {
      most = Math.max(most, log.apply(reap("a")).changes.length);
    }
    expect({ commands, most, left: log.registry.instanceCount }).toEqual({
      commands: 100,
      most: 1000,
      left: 0,
    });
    log.registry.checkInvariants();
  });

  test("reaping a session that lives does nothing", () => {
    const log = logWith({}, "a");
    log.register("a", spec("h:1"));
    expect(log.apply(reap("a"))).toMatchObject({ outcome: { type: "none" }, changes: [] });
    expect(log.registry.session("a")).toMatchObject({ owned: 1, ending: null });
  });

  test("what an ended session still owns is gone to every write: older ones take it, kinds change", () => {
    const log = logWith({ removalsPerCommandMax: 1 }, "old", "new");
    log.register("new", ...specs(5));
    log.expire("new");
    expect(codeOf(log.update("old", key("h:1"), { weight: 1 }))).toBe("NOT_FOUND");
    expect(codeOf(log.register("old", spec("h:1")))).toBe("ok");
    expect(codeOf(log.register("old", spec("h:2", { isPersistent: true })))).toBe("ok");
    expect(codeOf(log.deregister("old", key("h:3")))).toBe("ok");
    const { revision } = log.registry;
    expect(log.registry.get(key("h:1"))).toMatchObject({
      session: "old",
      createdRevision: revision - 2,
    });
    expect(log.registry.session("new")).toMatchObject({ owned: 1 });
    log.apply(reap("new"));
    expect(log.registry.session("new")).toBeNull();
    expect(log.registry.get(key("h:1"))).toMatchObject({ session: "old" });
    expect(log.registry.get(key("h:2"))).toMatchObject({ session: null });
    expect(log.registry.instanceCount).toBe(2);
  });

  test("an ending session that lost all to others is reaped by the next command for it", () => {
    const log = logWith({ removalsPerCommandMax: 1 }, "a", "b");
    log.register("a", spec("h:1"), spec("h:2"));
    log.expire("a");
    log.register("b", spec("h:2"));
    expect(log.registry.endingSessions()).toEqual(["a"]);
    expect(log.apply(reap("a"))).toMatchObject({
      changes: [],
      sessionEvents: [{ type: "reaped", session: "a" }],
    });
  });
});

describe("late commands of an ended session", () => {
  test.for([1, 1000])("a bye said again is acknowledged, pieces of %d", (removalsPerCommandMax) => {
    const log = logWith({ removalsPerCommandMax }, "a");
    log.register("a", spec("h:1"), spec("h:2"));
    const bye = { type: "closeSession", ...log.next("a") } as const;
    const reply = replyOf(log.apply(bye));
    expect(replyOf(log.apply(bye))).toEqual(reply);
    log.apply(reap("a"));
    expect(log.registry.session("a")).toBeNull();
    expect(replyOf(log.apply(bye))).toEqual(reply);
    expect(codeOf(log.register("a", spec("h:3")))).toBe("SESSION_EXPIRED");
  });

  test("a bye of a session that expired is refused: something else ended it", () => {
    const log = logWith({}, "a");
    log.expire("a");
    expect(codeOf(log.close("a"))).toBe("SESSION_EXPIRED");
  });

  test("while it is ending, a retry of what was applied gets its reply, all else is refused", () => {
    const log = logWith({ removalsPerCommandMax: 1 }, "a");
    const first = { type: "register", ...log.next("a"), instances: specs(3) } as const;
    const reply = replyOf(log.apply(first));
    log.expire("a");
    expect(replyOf(log.apply(first))).toEqual(reply);
    expect(codeOf(log.register("a", spec("h:9")))).toBe("SESSION_EXPIRED");
    expect(codeOf(log.apply({ ...first, seq: 9, floor: 1 }))).toBe("SESSION_EXPIRED");
    expect(codeOf(log.apply(open("a")))).toBe("SESSION_EXPIRED");
    while (log.registry.session("a") !== null) log.apply(reap("a"));
    expect(codeOf(log.apply(first))).toBe("SESSION_EXPIRED");
    expect(log.registry.instanceCount).toBe(0);
  });
});

describe("tombstones: a late duplicate of an opening resurrects nobody", () => {
  test("an ended id is refused, however recent the opening", () => {
    const log = logWith({}, "a");
    log.close("a");
    expect(codeOf(log.apply(open("a", { appliedIndex: log.index })))).toBe("SESSION_EXPIRED");
    expect(log.registry.session("a")).toBeNull();
  });

  test("only the last of them stay, and then an opening older than the oldest is refused", () => {
    const log = logWith({ tombstonesMax: 2 }, "a", "b", "c");
    log.close("a");
    log.close("b");
    expect(codeOf(log.apply(open("early", { appliedIndex: 0 })))).toBe("ok");
    log.close("c");
    expect(["a", "b", "c"].map((id) => log.registry.ended(id)?.revision)).toEqual([
      undefined,
      0,
      0,
    ]);
    const oldest = 5;
    const late = open("a", { appliedIndex: oldest - 1 });
    expect(codeOf(log.apply(late))).toBe("SESSION_UNKNOWN");
    expect(codeOf(log.apply(open("new", { appliedIndex: oldest })))).toBe("ok");
    expect(codeOf(log.apply(open("early", { appliedIndex: 0 })))).toBe("ok");
    expect(log.registry.session("a")).toBeNull();
    log.registry.checkInvariants();
  });

  test("a session has its tombstone from the moment it ends, so a long removal leaves no hole", () => {
    const log = logWith({ removalsPerCommandMax: 1, tombstonesMax: 1 }, "long", "short");
    log.register("long", ...specs(4));
    log.expire("long");
    log.close("short");
    expect(log.registry.ended("long")).toBeNull();
    expect(codeOf(log.apply(open("long", { appliedIndex: log.index })))).toBe("SESSION_EXPIRED");
    while (log.registry.session("long") !== null) log.apply(reap("long"));
    expect(codeOf(log.apply(open("long", { appliedIndex: 0 })))).toBe("SESSION_UNKNOWN");
    expect(codeOf(log.apply(open("short", { appliedIndex: 0 })))).toBe("SESSION_EXPIRED");
  });
});
