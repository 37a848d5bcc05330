import { describe, expect, test } from "vitest";
import type { Register } from "../../src/registry/command.ts";
import { Registry } from "../../src/registry/registry.ts";
import { codeOf, key, Log, open, replyOf, spec } from "./commands.ts";

const numbered = (seq: number, floor: number, addr = `h:${seq}`): Register => ({
  type: "register",
  session: "a",
  seq,
  floor,
  instances: [spec(addr)],
});

function opened(limits: ConstructorParameters<typeof Registry>[0] = {}): Log {
  const log = new Log(new Registry(limits));
  log.open("a");
  return log;
}

describe("a command is applied only when its number is max(last applied + 1, floor)", () => {
  test("the numbers are applied in order, each once", () => {
    const log = opened();
    for (const seq of [1, 2, 3]) expect(codeOf(log.apply(numbered(seq, 1)))).toBe("ok");
    expect(log.registry.session("a")).toMatchObject({ lastSeq: 3, floor: 1, owned: 3 });
  });

  test("one already applied gets its kept reply and has no effect, its floor included", () => {
    const log = opened();
    const first = replyOf(log.apply(numbered(1, 1)));
    log.apply(numbered(2, 1));
    const digest = log.registry.digest();
    log.atMs -= 1;
    const retry = log.apply(numbered(1, 2, "h:other"));
    expect(replyOf(retry)).toEqual(first);
    expect(retry.changes).toEqual([]);
    expect(log.registry.session("a")).toMatchObject({ lastSeq: 2, floor: 1 });
    expect(log.registry.digest()).toBe(digest);
  });

  test("a refusal by the state counts as applied and is kept, even when it would succeed now", () => {
    const log = opened();
    const update = { type: "update", session: "a", seq: 1, floor: 1 } as const;
    const command = { ...update, key: key("h:1"), set: { weight: 1 }, ifRevision: null };
    const refused = replyOf(log.apply(command));
    expect(refused).toMatchObject({ ok: false, code: "NOT_FOUND", revision: 0 });
    log.apply(numbered(2, 1, "h:1"));
    expect(replyOf(log.apply(command))).toEqual(refused);
    expect(log.registry.get(key("h:1"))).toMatchObject({ weight: 100 });
  });

  test("one ahead is a gap, is not recorded, and is applied when it comes again in order", () => {
    const log = opened();
    const digest = log.registry.digest();
    log.atMs -= 1;
    const { outcome, changes } = log.apply(numbered(3, 1));
    expect(outcome).toEqual({ type: "gap", expected: 1 });
    expect(changes).toEqual([]);
    expect(log.registry.digest()).toBe(digest);
    for (const seq of [1, 2, 3]) expect(codeOf(log.apply(numbered(seq, 1)))).toBe("ok");
  });

  test("the floor skips numbers that the client has given up, and they are refused for good", () => {
    const log = opened();
    log.apply(numbered(1, 1));
    expect(log.apply(numbered(5, 3)).outcome).toEqual({ type: "gap", expected: 3 });
    expect(codeOf(log.apply(numbered(5, 5)))).toBe("ok");
    expect(log.registry.session("a")).toMatchObject({ lastSeq: 5, floor: 5 });
    for (const late of [1, 2, 3, 4]) {
      const result = log.apply(numbered(late, 1, "h:late"));
      expect(replyOf(result)).toMatchObject({ ok: false, code: "INVALID", field: "seq" });
    }
    expect(log.registry.get(key("h:late"))).toBeNull();
    expect(codeOf(log.apply(numbered(6, 5)))).toBe("ok");
  });

  test("a number below its own floor is refused, and number 0 is the opening's alone", () => {
    const log = opened();
    expect(codeOf(log.apply(numbered(1, 2)))).toBe("INVALID");
    expect(codeOf(log.apply(numbered(0, 0)))).toBe("INVALID");
    expect(codeOf(log.apply(numbered(1, -7)))).toBe("ok");
    expect(log.registry.session("a")).toMatchObject({ lastSeq: 1, floor: 1 });
  });
});

describe("kept replies", () => {
  test("those below the floor are dropped, and the floor never goes down", () => {
    const log = opened();
    for (const seq of [1, 2, 3]) log.apply(numbered(seq, 1));
    log.apply(numbered(4, 3));
    log.apply(numbered(5, 1));
    const session = log.registry.session("a");
    expect(session).toMatchObject({ lastSeq: 5, floor: 3 });
    expect([1, 2, 3, 4, 5, 6].map((seq) => session?.reply(seq)?.revision)).toEqual([
      undefined,
      undefined,
      3,
      4,
      5,
      undefined,
    ]);
    expect(session?.reply(0)).toEqual({ ok: true, revision: 0 });
  });

  test("one more than a session may have unanswered is refused until its floor rises", () => {
    const log = opened({ unansweredPerSessionMax: 3 });
    for (const seq of [1, 2, 3]) expect(codeOf(log.apply(numbered(seq, 1)))).toBe("ok");
    expect(replyOf(log.apply(numbered(4, 1)))).toMatchObject({ code: "LIMIT", field: "seq" });
    expect(log.registry.session("a")).toMatchObject({ lastSeq: 3 });
    expect(replyOf(log.apply(numbered(1, 1)))).toEqual({ ok: true, revision: 1 });
    expect(codeOf(log.apply(numbered(4, 2)))).toBe("ok");
    log.registry.checkInvariants();
  });

  test("a long session with a moving window keeps only its window", () => {
    const log = opened();
    for (let seq = 1; seq <= 1000; seq++) log.apply(numbered(seq, Math.max(1, seq - 99)));
    const session = log.registry.session("a");
    expect(session).toMatchObject({ lastSeq: 1000, floor: 901 });
    for (const seq of [901, 950, 1000]) expect(session?.reply(seq)?.revision).toBe(seq);
    expect(session?.reply(900)).toBeNull();
    log.registry.checkInvariants();
  });
});

describe("opening", () => {
  test("is idempotent for the same secret, whatever else the copy says", () => {
    const log = new Log(new Registry());
    log.open("other");
    log.register("other", spec("h:1"));
    const first = log.apply(open("a"));
    expect(replyOf(first)).toEqual({ ok: true, revision: 1 });
    expect(first.sessionEvents).toEqual([{ type: "opened", session: "a" }]);
    log.apply(numbered(1, 1));
    const again = log.apply(open("a", { ttlMs: 5, client: "x" }));
    expect(replyOf(again)).toEqual({ ok: true, revision: 1 });
    expect(again.sessionEvents).toEqual([]);
    expect(log.registry.session("a")).toMatchObject({ ttlMs: 10_000, order: 2, lastSeq: 1 });
  });

  test("with another secret is DENIED and harms nobody", () => {
    const log = opened();
    log.apply(numbered(1, 1));
    expect(codeOf(log.apply(open("a", { secretHash: "stolen" })))).toBe("DENIED");
    expect(log.registry.session("a")).toMatchObject({ secretHash: "secret of a", owned: 1 });
  });

  test("changes no instance, so it has no revision of its own", () => {
    const log = opened();
    expect(log.registry.revision).toBe(0);
  });
});

describe("a session that is not there", () => {
  test("an unknown one is refused with SESSION_UNKNOWN", () => {
    const log = new Log(new Registry());
    expect(codeOf(log.apply(numbered(1, 1)))).toBe("SESSION_UNKNOWN");
    expect(codeOf(log.close("a"))).toBe("SESSION_UNKNOWN");
    expect(log.registry.sessionCount).toBe(0);
  });
});
