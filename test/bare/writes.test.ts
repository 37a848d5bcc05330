import { describe, expect, test } from "vitest";
import type { Outcome, Wish } from "../../jepsen-lite/bare/work.ts";
import { Writes } from "../../jepsen-lite/bare/writes.ts";
import { Prng } from "../../jepsen-lite/prng.ts";
import { Recorder } from "../../jepsen-lite/recorder.ts";

const KEY = { namespace: "default", application: "a", protocol: "http", addr: "x:1" };
const REGISTER: Wish = {
  type: "register",
  instances: [{ ...KEY, meta: { value: "1" }, weight: 100, status: "up" }],
};

/** Requests are numbered from 1, and so are the answers to them. */
function writes(isOnce: boolean): { own: Writes; recorder: Recorder; outcomes: Outcome[] } {
  const setup = { driftMax: 0, closeNoticeMs: 0, expirySlackMs: 0, hasNodeEvents: false };
  const recorder = new Recorder({ nowMs: 0 }, setup);
  recorder.invoke("c", { kind: "open", session: "s", ttlMs: 3_000, graceMs: 1_000 });
  const outcomes: Outcome[] = [];
  const own = new Writes({
    ...{ recorder, prng: new Prng(1), client: "c", session: "s", firstId: 1, isOnce },
    onSettled: (_, outcome) => void outcomes.push(outcome),
  });
  return { own, recorder, outcomes };
}

function refusal(id: number, code: string, revision?: number) {
  return { type: "reply", id, ok: false, error: { code }, ...(revision && { revision }) };
}

function lastOf({ history }: Recorder): string {
  const { atMs, op, ...event } = history.at(-1) as { atMs: number; op: number; type: string };
  return JSON.stringify(event);
}

describe("the writes of a bare client", () => {
  test("an update says what it compares with, a goodbye that it is one", () => {
    const { own, recorder } = writes(false);
    const [instance] = REGISTER.type === "register" ? REGISTER.instances : [];
    if (instance === undefined) throw new Error("nothing to update");
    own.ask(null, { type: "update", instance, ifRevision: 7 });
    own.ask(null, { type: "bye" });
    const calls = recorder.history.flatMap((event) =>
      event.type === "invoke" ? [event.call] : [],
    );
    expect(calls).toMatchObject([
      { kind: "open" },
      { seq: 1, update: { ifRevision: 7 }, puts: [{ key: "default/a/http/x:1" }], removes: [] },
      { seq: 2, isBye: true, puts: [], removes: [] },
    ]);
    expect(own.hasRoom).toBe(false);
  });

  test("the registry's refusal is final, with its revision", () => {
    const { own, recorder, outcomes } = writes(false);
    own.ask(null, REGISTER);
    expect(own.replied(null, refusal(1, "CONFLICT", 5))).toBe("done");
    expect(lastOf(recorder)).toBe('{"type":"fail","code":"CONFLICT","revision":5}');
    expect(outcomes).toEqual([{ type: "refused", code: "CONFLICT" }]);
  });

  test("who does everything once gives up what is refused, and knows what it does not know", () => {
    const { own, recorder, outcomes } = writes(true);
    own.ask(null, REGISTER);
    expect(own.replied(null, refusal(1, "NO_LEADER"))).toBe("done");
    expect(lastOf(recorder)).toBe('{"type":"fail","code":"NO_LEADER","revision":null}');
    own.ask(null, REGISTER);
    expect(own.replied(null, refusal(2, "TIMEOUT"))).toBe("done");
    expect(lastOf(recorder)).toBe('{"type":"info","code":"TIMEOUT"}');
    own.ask(null, REGISTER);
    own.giveUp();
    expect(lastOf(recorder)).toBe('{"type":"info","code":"CONNECTION_LOST"}');
    expect(own.isIdle).toBe(true);
    expect(outcomes.map(({ type }) => type)).toEqual(["refused", "unknown", "unknown"]);
    expect(recorder.history.filter(({ type }) => type === "again")).toEqual([]);
  });

  test("a goodbye that is answered, or given up, leaves the session", () => {
    const answered = writes(false).own;
    answered.ask(null, { type: "bye" });
    expect(answered.replied(null, { type: "reply", id: 1, ok: true, revision: 3 })).toBe("left");
    const refused = writes(true).own;
    refused.ask(null, { type: "bye" });
    expect(refused.replied(null, refusal(1, "NO_LEADER"))).toBe("left");
  });
});
