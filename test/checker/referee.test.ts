import { describe, expect, test } from "vitest";
import { judge } from "../../jepsen-lite/checker/judge.ts";
import { recorded } from "../../jepsen-lite/checker/recorded.ts";
import { referee } from "../../jepsen-lite/checker/referee.ts";
import { GRACE_MS, READERS, Story, TTL_MS, X, Y } from "./story.ts";

/** It looks at none, so all that a node says is nonsense. */
const ANY = 7;
const LINEARIZABLE = { type: "linearizable" } as const;
const TWO_OPEN = (): Story => new Story().open("s").open("t");
const V = [[X, "v"]] as const;
const W = [[X, "w"]] as const;

/** Both were sent before one was answered. */
function openedAtOnce(...sessions: readonly string[]): Story {
  const story = new Story();
  const call = { kind: "open", ttlMs: TTL_MS, graceMs: GRACE_MS } as const;
  const opened = sessions.map((session) => story.invoke(session, { ...call, session }));
  for (const op of opened) story.ok(op, ANY);
  return story;
}

/** `v` was acknowledged, and its session goes on. */
function held(): Story {
  return new Story().open("s").put("s", 1, V, ANY);
}

/** Each of `during` comes while one write is on its way. */
function during(story: Story, op: number, ...steps: ((story: Story) => void)[]): Story {
  for (const step of steps) step(story);
  return story.ok(op, ANY);
}

const reads = (view: readonly (readonly [string, string])[], process = "r") => {
  return (story: Story): void => void story.read(process, ANY, view);
};

const good: [name: string, story: () => Story][] = [
  ["what was acknowledged", () => held().read("r", ANY, V)],
  ["nothing before anything was written", () => new Story().open("s").read("r", ANY, [])],
  [
    "a read on its way while a write is shows what was",
    () => {
      const story = held();
      const read = story.reading("r");
      return story.put("s", 2, W, ANY).answer(read, ANY, V);
    },
  ],
  [
    "a read on its way while a write is shows what is",
    () => {
      const story = held();
      const read = story.reading("r");
      return story.put("s", 2, W, ANY).answer(read, ANY, W);
    },
  ],
  [
    "a write is seen before it is answered, and from then on",
    () => {
      const story = held();
      const op = story.putting("s", 2, W);
      return during(story, op, reads(V), reads(W), reads(W, "q"));
    },
  ],
  [
    "two writes at once, the first to be sent comes last",
    () => {
      const story = openedAtOnce("s", "t");
      const [one, other] = [story.putting("s", 1, V), story.putting("t", 1, W)];
      return story.ok(one, ANY).ok(other, ANY).read("r", ANY, V);
    },
  ],
  [
    "three writes and a removal at once, each of them seen",
    () => {
      const story = openedAtOnce("s", "t", "u");
      const ops = [story.putting("s", 1, V), story.putting("t", 1, W), story.removing("u", 1, X)];
      story.read("r", ANY, W).read("r", ANY, []).read("r", ANY, V);
      for (const op of ops) story.ok(op, ANY);
      return story.read("r", ANY, V);
    },
  ],
  [
    "a write without an answer is seen late",
    () => {
      const story = held();
      story.putting("s", 2, W);
      return story.read("r", ANY, V).read("r", ANY, V).read("r", ANY, W);
    },
  ],
  [
    "a write without an answer is never seen",
    () => {
      const story = held();
      story.putting("s", 2, W);
      return story.read("r", ANY, V).touch("s").read("r", ANY, V);
    },
  ],
  [
    "a write without an answer was replaced by the next, unseen",
    () => {
      const story = held();
      story.putting("s", 2, W);
      return story.put("s", 3, [[X, "u"]], ANY).read("r", ANY, [[X, "u"]]);
    },
  ],
  [
    "a removal without an answer may explain that nothing is there",
    () => {
      const story = held();
      story.removing("s", 2, X);
      return story.read("r", ANY, V).read("r", ANY, []).touch("s");
    },
  ],
  [
    "a put of another, without an answer, and the end of its session, too",
    () => {
      const story = TWO_OPEN().put("s", 1, V, ANY);
      story.putting("t", 1, W);
      return story.left("t").touch("s").read("r", ANY, []).touch("s");
    },
  ],
  [
    "a removal of what is not there",
    () => new Story().open("s").remove("s", 1, X, ANY).read("r", ANY, []),
  ],
  [
    "one operation, however often it is sent and answered",
    () => {
      const story = held();
      const op = story.putting("s", 2, W);
      story.record({ type: "again", op }).ok(op, ANY).remove("s", 3, X, ANY);
      return story.ok(op, ANY).read("r", ANY, []);
    },
  ],
  [
    "a newer session takes over",
    () => TWO_OPEN().put("s", 1, V, ANY).put("t", 1, W, ANY).touch("s").read("r", ANY, W),
  ],
  [
    "a newer session removes what an older one owns",
    () => TWO_OPEN().put("s", 1, V, ANY).remove("t", 1, X, ANY).touch("s").read("r", ANY, []),
  ],
  [
    "of two that were opened at once, the one that was sent first may be the newer",
    () =>
      openedAtOnce("s", "t").put("t", 1, V, ANY).put("s", 1, W, ANY).touch("t").read("r", ANY, W),
  ],
  [
    "of two that were opened at once, either may be refused",
    () => {
      const story = openedAtOnce("s", "t").put("s", 1, V, ANY);
      return story.fail(story.putting("t", 1, W), "TAKEN_OVER").read("r", ANY, V);
    },
  ],
  [
    "refused for the sake of a write that is not answered yet",
    () => {
      const story = TWO_OPEN();
      const op = story.putting("t", 1, W);
      return during(story, op, (on) => void on.fail(on.putting("s", 1, V), "TAKEN_OVER"));
    },
  ],
  [
    "refused for two keys, of which the other one is owned",
    () => {
      const story = TWO_OPEN().put("t", 1, [[Y, "w"]], ANY);
      const both = story.putting("s", 1, [
        [X, "v"],
        [Y, "v2"],
      ]);
      return story.fail(both, "TAKEN_OVER").read("r", ANY, [[Y, "w"]]);
    },
  ],
  ["gone a TTL after the last sign of life", () => held().wait(TTL_MS).read("r", ANY, [])],
  ["gone a grace after it was closed", () => held().closed("s").wait(GRACE_MS).read("r", ANY, [])],
  ["gone once its client has left", () => held().left("s").read("r", ANY, [])],
  ["there long after its client has left", () => held().left("s").wait(TTL_MS).read("r", ANY, V)],
  [
    "gone before its client is told, and after",
    () => held().wait(TTL_MS).read("r", ANY, []).told("s", "ttl").read("r", ANY, []),
  ],
  [
    "there until its client is told",
    () => held().wait(TTL_MS).read("r", ANY, V).told("s", "ttl").read("r", ANY, []),
  ],
  [
    "a write that was answered after the end, and had come before",
    () => {
      const story = held();
      const op = story.putting("s", 2, W);
      return story.wait(TTL_MS).read("r", ANY, W).told("s", "ttl").ok(op, ANY).read("r", ANY, []);
    },
  ],
  [
    "an older session writes when the newer one has ended",
    () =>
      TWO_OPEN()
        .put("t", 1, W, ANY)
        .wait(TTL_MS / 2)
        .touch("s")
        .wait(TTL_MS / 2)
        .put("s", 1, V, ANY)
        .told("t", "ttl")
        .read("r", ANY, V),
  ],
  [
    "told that nobody knows it, and there or not",
    () => held().wait(TTL_MS).told("s", "unknown").read("r", ANY, V).read("r", ANY, []),
  ],
  [
    "other reads are of any time",
    () =>
      held()
        .read("r", ANY, [], { type: "stale", maxAgeMs: null })
        .read("r", ANY, [[X, "nobody's"]], { type: "atLeast", revision: 1 })
        .read("r", ANY, V),
  ],
  [
    "what a selector does not select may be there",
    () => {
      const story = held();
      return story.answer(story.reading("r", LINEARIZABLE, READERS), ANY, []).read("r", ANY, V);
    },
  ],
  [
    "what a selector selects was replaced by what it does not",
    () => {
      const story = new Story().open("s").put("s", 1, V, ANY, "read");
      const op = story.putting("s", 2, W);
      story.answer(story.reading("r", LINEARIZABLE, READERS), ANY, []);
      return story.ok(op, ANY).read("r", ANY, W);
    },
  ],
  [
    "half of a write of two keys (a search in one key cannot see it)",
    () => {
      const both = [
        [X, "v"],
        [Y, "v2"],
      ] as const;
      const story = new Story().open("s");
      const op = story.putting("s", 1, both);
      return during(story, op, reads(V)).read("r", ANY, both);
    },
  ],
];

const bad: [name: string, story: () => Story][] = [
  ["an acknowledged write is not there", () => held().read("r", ANY, []).touch("s")],
  ["a read shows what was replaced", () => held().put("s", 2, W, ANY).read("r", ANY, V)],
  ["a read shows what was removed", () => held().remove("s", 2, X, ANY).read("r", ANY, V)],
  ["a read shows what nobody wrote", () => held().read("r", ANY, [[X, "x"]])],
  [
    "a read shows what was written to another key",
    () => {
      const there = [
        [X, "w"],
        [Y, "w"],
      ] as const;
      return held()
        .put("s", 2, [[Y, "w"]], ANY)
        .read("r", ANY, there);
    },
  ],
  ["a read shows what is only written later", () => held().read("r", ANY, W).put("s", 2, W, ANY)],
  [
    "a read shows what was refused",
    () => {
      const story = held();
      return story.fail(story.putting("s", 2, W)).read("r", ANY, W);
    },
  ],
  [
    "one process is shown a write on its way, then not",
    () => {
      const story = held();
      return during(story, story.putting("s", 2, W), reads(W), reads(V));
    },
  ],
  [
    "one process is shown a write on its way, another one is not any more",
    () => {
      const story = held();
      return during(story, story.putting("s", 2, W), reads(W, "r"), reads(V, "q"));
    },
  ],
  [
    "a write without an answer comes, goes and comes back",
    () => {
      const story = held();
      story.putting("s", 2, W);
      return story
        .read("r", ANY, W)
        .put("s", 3, [[X, "u"]], ANY)
        .read("r", ANY, W);
    },
  ],
  [
    "a write without an answer comes after a later number of its session",
    () => {
      const story = held();
      story.putting("s", 2, W);
      story.put("s", 3, [[X, "u"]], ANY).read("r", ANY, [[X, "u"]]);
      return story.read("r", ANY, W);
    },
  ],
  [
    "a write happens twice",
    () => {
      const story = TWO_OPEN();
      story.putting("s", 1, V);
      story.read("r", ANY, V).remove("t", 1, X, ANY).read("r", ANY, []);
      return story.read("r", ANY, V);
    },
  ],
  [
    "two writes at once are seen in both orders",
    () => {
      const story = openedAtOnce("s", "t");
      const [one, other] = [story.putting("s", 1, V), story.putting("t", 1, W)];
      story.read("r", ANY, V).read("q", ANY, W).read("r", ANY, V);
      return story.ok(one, ANY).ok(other, ANY);
    },
  ],
  [
    "of two writes at once, both are gone",
    () => {
      const story = openedAtOnce("s", "t");
      const [one, other] = [story.putting("s", 1, V), story.putting("t", 1, W)];
      story.ok(one, ANY).ok(other, ANY).read("r", ANY, []);
      return story.touch("s").touch("t");
    },
  ],
  [
    "nothing is there between two times of one content",
    () => held().read("r", ANY, V).read("r", ANY, []).read("r", ANY, V),
  ],
  [
    "an older session takes over",
    () => TWO_OPEN().put("t", 1, W, ANY).put("s", 1, V, ANY).touch("t"),
  ],
  [
    "an older session removes what a newer one owns",
    () => TWO_OPEN().put("t", 1, W, ANY).remove("s", 1, X, ANY).touch("t"),
  ],
  [
    "refused for the sake of a newer session, and there is none",
    () => {
      const story = held();
      return story.fail(story.putting("s", 2, W), "TAKEN_OVER");
    },
  ],
  [
    "refused for the sake of an older session",
    () => {
      const story = TWO_OPEN().put("s", 1, V, ANY);
      return story.fail(story.putting("t", 1, W), "TAKEN_OVER");
    },
  ],
  [
    "refused for the sake of what was removed",
    () => {
      const story = TWO_OPEN().put("t", 1, W, ANY).remove("t", 2, X, ANY);
      return story.fail(story.putting("s", 1, V), "TAKEN_OVER");
    },
  ],
  [
    "refused for the sake of a session that has ended",
    () => {
      const story = TWO_OPEN().put("t", 1, W, ANY).wait(TTL_MS).told("t", "ttl");
      return story.fail(story.putting("s", 1, V), "TAKEN_OVER");
    },
  ],
  [
    "it was refused, and took over all the same",
    () => {
      const story = TWO_OPEN().put("t", 1, W, ANY);
      return story.fail(story.putting("s", 1, V), "TAKEN_OVER").read("r", ANY, V);
    },
  ],
  [
    "what a session owned is there after it was told its end",
    () => held().wait(TTL_MS).told("s", "ttl").read("r", ANY, V),
  ],
  [
    "a write comes after its session was told its end",
    () => {
      const story = held();
      story.putting("s", 2, W);
      return story.wait(TTL_MS).told("s", "ttl").read("r", ANY, []).read("r", ANY, W);
    },
  ],
  [
    "gone before its TTL",
    () =>
      held()
        .wait(TTL_MS / 2)
        .read("r", ANY, []),
  ],
  [
    "gone before its TTL, which a keepalive has prolonged",
    () => held().wait(900).touch("s").wait(900).read("r", ANY, []),
  ],
  [
    "gone before its TTL, after the close of a connection that was replaced",
    () => held().closed("s", 1).touch("s", 2).wait(GRACE_MS).read("r", ANY, []),
  ],
  [
    "gone by its session's end, and its session goes on",
    () => held().wait(TTL_MS).read("r", ANY, []).touch("s"),
  ],
  [
    "not shown to a selector that selects it",
    () => {
      const story = new Story().open("s").put("s", 1, V, ANY, "read");
      return story.answer(story.reading("r", LINEARIZABLE, READERS), ANY, []);
    },
  ],
  [
    "one of the keys of a write is not there",
    () => {
      const story = new Story().open("s").put(
        "s",
        1,
        [
          [X, "v"],
          [Y, "v2"],
        ],
        ANY,
      );
      return story.read("r", ANY, V);
    },
  ],
];

describe("the referee", () => {
  test.each(good)("accepts: %s", (_, story) => {
    expect(referee(recorded(story().events))).toMatchObject({ findings: [], unknown: [] });
  });

  test.each(bad)("rejects: %s", (_, story) => {
    const { findings } = referee(recorded(story().events));
    expect(findings).toMatchObject([{ checker: "referee", promise: "Linearizable" }]);
  });

  test("names the key, what does not fit, and the events", () => {
    const story = held().put("s", 2, W, ANY).read("r", ANY, V);
    const [finding] = referee(recorded(story.events)).findings;
    expect(finding?.what).toBe(
      `${X}: no order of 4 acts has the put of w by write 2 of session s: where that would come, the key holds v, and then comes a read of r that shows v`,
    );
    expect(finding?.events.map((at) => story.events[at]?.type)).toEqual(
      Array(3).fill(["invoke", "ok"]).flat(),
    );
  });

  test("says of which keys it can say nothing, and nothing more", () => {
    const story = held().put("s", 2, W, ANY).read("r", ANY, W);
    const { findings, unknown, keys } = referee(recorded(story.events), 0);
    expect({ findings, keys }).toEqual({ findings: [], keys: 1 });
    expect(unknown).toEqual([{ key: X, steps: expect.any(Number) }]);
  });
});

describe("the judgement of a run", () => {
  test("is broken by the referee alone", () => {
    const story = TWO_OPEN().put("s", 1, V, 1);
    story.fail(story.putting("t", 1, W), "LIMIT").read("r", 1, W);
    const { outcome, findings } = judge(story.events);
    expect(outcome).toBe("broken");
    expect(findings.map(({ checker }) => checker)).toContain("referee");
  });

  test("is unknown where the referee had nothing to look at, and says so", () => {
    const { outcome, doubts } = judge(new Story().open("s").events);
    expect(outcome).toBe("unknown");
    expect(doubts).toEqual([
      ...["streams", "serializable", "lost-writes", "leases", "monotone", "exactly-once"].map(
        (name) => `${name} had nothing to look at`,
      ),
      "the referee had nothing to look at",
    ]);
  });
});
