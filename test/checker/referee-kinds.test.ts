import { describe, expect, test } from "vitest";
import { recorded } from "../../jepsen-lite/checker/recorded.ts";
import { referee } from "../../jepsen-lite/checker/referee.ts";
import { GRACE_MS, Story, TTL_MS, X } from "./story.ts";

/** The referee looks at no revision, so all that a node says of them is nonsense. */
const ANY = 7;
const V = [[X, "v"]] as const;
const W = [[X, "w"]] as const;
const U = [[X, "u"]] as const;
const NOTHING = [] as const;

/** `s` is the older one. */
const TWO_OPEN = (): Story => new Story().open("s").open("t");
/** `v` is of `s`, and nobody else has written. */
const held = (): Story => TWO_OPEN().put("s", 1, V, ANY);
const sees = (story: Story, view: readonly (readonly [string, string])[]): Story =>
  story.read("r", ANY, view);

/** An update to `w`, acknowledged. */
function updated(story: Story, session: string, seq: number, ifRevision: number | null = null) {
  return story.ok(story.updating(session, seq, [X, "w"], ifRevision), ANY);
}

function refused(story: Story, code: string, session = "t", ifRevision: number | null = null) {
  return story.fail(story.updating(session, 1, [X, "w"], ifRevision), code, ANY);
}

/** Its client was told that its time was over. */
function ended(story: Story, session: string): Story {
  return story.wait(TTL_MS).told(session, "ttl", ANY);
}

type Row = readonly [name: string, story: () => Story];

const updates: { readonly good: readonly Row[]; readonly bad: readonly Row[] } = {
  good: [
    ["of one's own", () => sees(updated(held(), "s", 2), W)],
    ["by a newer session", () => sees(updated(held(), "t", 1).touch("s"), W)],
    [
      "which leaves its owner: it goes with that one",
      () => sees(ended(updated(held(), "t", 1).touch("t"), "s").touch("t"), NOTHING),
    ],
    [
      "which leaves its owner: the older one may write on",
      () => {
        const story = updated(held(), "t", 1);
        return sees(story.put("s", 2, U, ANY), U);
      },
    ],
    [
      "after a newer session has it, by a newer one still",
      () => {
        const story = held().open("u").put("t", 1, U, ANY);
        return sees(updated(story, "u", 1), W);
      },
    ],
    [
      "that is not answered, and is seen late",
      () => {
        const story = held();
        story.updating("t", 1, [X, "w"]);
        return sees(sees(story, V), W);
      },
    ],
    [
      "that is not answered, and found nothing when it came",
      () => {
        const story = TWO_OPEN();
        story.updating("t", 1, [X, "w"]);
        return sees(sees(story, NOTHING).put("s", 1, V, ANY), V);
      },
    ],
    [
      "of what comes while it is on its way",
      () => {
        const story = TWO_OPEN();
        const op = story.updating("t", 1, [X, "w"]);
        return sees(story.put("s", 1, V, ANY).ok(op, ANY), W);
      },
    ],
    ["NOT_FOUND where nothing is", () => sees(refused(TWO_OPEN(), "NOT_FOUND"), NOTHING)],
    [
      "NOT_FOUND of what was removed",
      () => sees(refused(held().remove("s", 2, X, ANY), "NOT_FOUND"), NOTHING),
    ],
    [
      "NOT_FOUND behind the end of the owner",
      () => refused(ended(held().touch("t"), "s"), "NOT_FOUND").touch("t"),
    ],
    [
      "NOT_FOUND that names no revision says nothing",
      () => {
        const story = held();
        return sees(story.fail(story.updating("t", 1, [X, "w"]), "NOT_FOUND"), V);
      },
    ],
    [
      "TAKEN_OVER: a newer session has it",
      () => {
        const story = TWO_OPEN().put("t", 1, V, ANY);
        return sees(story.fail(story.updating("s", 1, [X, "w"]), "TAKEN_OVER", ANY), V);
      },
    ],
  ],
  bad: [
    ["that was acknowledged, of nothing", () => updated(TWO_OPEN(), "t", 1)],
    [
      "that was acknowledged, of what was removed",
      () => updated(held().remove("s", 2, X, ANY), "t", 1),
    ],
    [
      "that was acknowledged, of what went with its owner",
      () => updated(ended(held().touch("t"), "s"), "t", 1),
    ],
    ["that was acknowledged, and is not seen", () => sees(updated(held(), "t", 1), V).touch("s")],
    [
      "by an older session than the owner",
      () => updated(TWO_OPEN().put("t", 1, V, ANY), "s", 1).touch("t"),
    ],
    [
      "that makes its session the owner: the former one's end leaves it there",
      () => sees(ended(updated(held(), "t", 1).touch("t"), "s").touch("t"), W),
    ],
    [
      "that makes its session the owner: it goes with that one",
      () => sees(ended(updated(held(), "t", 1), "t"), NOTHING).touch("s"),
    ],
    [
      "that makes its session the owner: the former one is refused",
      () => {
        const story = updated(held(), "t", 1);
        return story.fail(story.putting("s", 2, U), "TAKEN_OVER", ANY);
      },
    ],
    ["that was refused, and is seen", () => sees(refused(held(), "NOT_FOUND"), W)],
    ["NOT_FOUND of what is there", () => refused(held(), "NOT_FOUND").touch("s")],
    [
      "that happens twice",
      () => {
        const story = held();
        story.updating("t", 1, [X, "w"]);
        return sees(sees(story, W).put("s", 2, U, ANY), W);
      },
    ],
  ],
};

const compares: typeof updates = {
  good: [
    ["that was acknowledged", () => sees(updated(held(), "s", 2, ANY), W)],
    ["CONFLICT of what is there", () => sees(refused(held(), "CONFLICT", "t", 1), V)],
    [
      "CONFLICT for the sake of a write that is not answered yet",
      () => {
        const story = TWO_OPEN();
        const op = story.putting("s", 1, V);
        return sees(refused(story, "CONFLICT", "t", 1).ok(op, ANY), V);
      },
    ],
    [
      "CONFLICT of what is lasting",
      () => sees(refused(TWO_OPEN().lasting("s", 1, V, ANY), "CONFLICT", "t", 1), V),
    ],
    [
      "that compares with another than the last (only revisions tell)",
      () => sees(updated(held().put("s", 2, U, ANY), "t", 1, ANY - 1), W),
    ],
    [
      "two of one revision that were acknowledged (only revisions tell)",
      () => {
        const story = updated(held(), "s", 2, ANY);
        return sees(story.ok(story.updating("t", 1, [X, "u"], ANY), ANY), U);
      },
    ],
  ],
  bad: [
    ["that was acknowledged, of nothing", () => updated(TWO_OPEN(), "t", 1, ANY)],
    ["CONFLICT of nothing", () => refused(TWO_OPEN(), "CONFLICT", "t", 1)],
    [
      "CONFLICT of what was removed",
      () => refused(held().remove("s", 2, X, ANY), "CONFLICT", "t", 1),
    ],
    [
      "CONFLICT of what went with its owner",
      () => refused(ended(held().touch("t"), "s"), "CONFLICT", "t", 1),
    ],
    [
      "CONFLICT instead of TAKEN_OVER",
      () => {
        const story = TWO_OPEN().put("t", 1, V, ANY);
        return story.fail(story.updating("s", 1, [X, "w"], 1), "CONFLICT", ANY).touch("t");
      },
    ],
    ["that was refused, and is seen", () => sees(refused(held(), "CONFLICT", "t", 1), W)],
  ],
};

const byes: typeof updates = {
  good: [
    ["behind which nothing is there", () => sees(held().bye("s", 2, ANY), NOTHING)],
    [
      "which are on their way: it is there, then it is not",
      () => {
        const story = held();
        const op = story.saying("s", 2);
        return sees(sees(story, V), NOTHING).ok(op, ANY);
      },
    ],
    [
      "without an answer: it is there, and goes when it likes",
      () => {
        const story = held();
        story.saying("s", 2);
        return sees(sees(story, V), NOTHING);
      },
    ],
    [
      "without an answer: it stays",
      () => {
        const story = held();
        story.saying("s", 2);
        return sees(sees(story.left("s"), V).wait(TTL_MS), V);
      },
    ],
    [
      "that come behind a write without an answer",
      () => {
        const story = held();
        story.putting("s", 2, W);
        const op = story.saying("s", 3);
        return sees(sees(story, W).ok(op, ANY), NOTHING);
      },
    ],
    ["what a newer session took stays", () => sees(held().put("t", 1, W, ANY).bye("s", 2, ANY), W)],
    [
      "what another session changed goes",
      () => sees(updated(held(), "t", 1).bye("s", 2, ANY).touch("t"), NOTHING),
    ],
    [
      "of a newer session: the older one has it back",
      () => sees(held().put("t", 1, W, ANY).bye("t", 2, ANY).put("s", 2, U, ANY), U),
    ],
    [
      "of one that had ended before by its TTL",
      () => {
        const story = sees(held().wait(TTL_MS), NOTHING);
        return story.bye("s", 2, ANY);
      },
    ],
    [
      "that its client is told of on another connection",
      () => {
        const story = held();
        story.saying("s", 2);
        return sees(sees(story, V).told("s", "closed", ANY), NOTHING);
      },
    ],
    [
      "that were refused: it lives on",
      () => {
        const story = held();
        return sees(story.fail(story.saying("s", 2)), V).touch("s");
      },
    ],
  ],
  bad: [
    ["behind which it is there", () => sees(held().bye("s", 2, ANY), V)],
    [
      "that had come, and it is there again",
      () => {
        const story = held();
        const op = story.saying("s", 2);
        return sees(sees(story, NOTHING), V).ok(op, ANY);
      },
    ],
    [
      "without an answer, that had come, and it is there again",
      () => {
        const story = held();
        story.saying("s", 2);
        return sees(sees(story, NOTHING), V);
      },
    ],
    [
      "before which it is gone",
      () => {
        const story = sees(held(), NOTHING);
        return story.bye("s", 2, ANY);
      },
    ],
    [
      "without an answer, before which it is gone",
      () => {
        const story = sees(held(), NOTHING);
        story.saying("s", 2);
        return story;
      },
    ],
    [
      "before which it is gone, by what its client is told",
      () => {
        const story = sees(held().wait(2 * TTL_MS), NOTHING);
        story.saying("s", 2);
        return story.told("s", "closed", ANY);
      },
    ],
    [
      "that were refused, and it is gone",
      () => {
        const story = held();
        return sees(story.fail(story.saying("s", 2)), NOTHING).touch("s");
      },
    ],
    [
      "behind which a write of before comes",
      () => {
        const story = held();
        story.putting("s", 2, W);
        return sees(sees(story.bye("s", 3, ANY), NOTHING), W);
      },
    ],
    [
      "that take along what a newer session owns",
      () => sees(held().put("t", 1, W, ANY).bye("s", 2, ANY), NOTHING).touch("t"),
    ],
    [
      "behind which a session is refused for the sake of it",
      () => {
        const story = held().put("t", 1, W, ANY).bye("t", 2, ANY);
        return story.fail(story.putting("s", 2, U), "TAKEN_OVER", ANY);
      },
    ],
    [
      "of one session, with which goes what its successor owns",
      () => {
        const story = new Story().open("s").bye("s", 1, ANY).open("t").put("t", 1, V, ANY);
        return sees(story, NOTHING).touch("t");
      },
    ],
  ],
};

const lasting: typeof updates = {
  good: [
    ["is there", () => sees(TWO_OPEN().lasting("s", 1, V, ANY), V)],
    [
      "is there behind the end of whoever put it",
      () => sees(ended(TWO_OPEN().lasting("s", 1, V, ANY), "s"), V),
    ],
    [
      "is there behind the goodbye of whoever put it",
      () => sees(TWO_OPEN().lasting("s", 1, V, ANY).bye("s", 2, ANY), V),
    ],
    [
      "is changed by an older session, and stays",
      () => sees(ended(updated(TWO_OPEN().lasting("t", 1, V, ANY), "s", 1), "s"), W),
    ],
    [
      "is put anew by an older session",
      () => sees(TWO_OPEN().lasting("t", 1, V, ANY).lasting("s", 1, W, ANY), W),
    ],
    [
      "is removed by an older session",
      () => sees(TWO_OPEN().lasting("t", 1, V, ANY).remove("s", 1, X, ANY), NOTHING),
    ],
  ],
  bad: [
    [
      "goes with the session of whoever put it",
      () => sees(ended(TWO_OPEN().lasting("s", 1, V, ANY), "s"), NOTHING),
    ],
    [
      "goes with the goodbye of whoever put it",
      () => sees(TWO_OPEN().lasting("s", 1, V, ANY).bye("s", 2, ANY), NOTHING),
    ],
    [
      "goes a grace after the connection of whoever put it",
      () => sees(TWO_OPEN().lasting("s", 1, V, ANY).closed("s").wait(GRACE_MS), NOTHING),
    ],
    [
      "goes with the session of whoever changed it",
      () => sees(ended(updated(TWO_OPEN().lasting("s", 1, V, ANY), "t", 1), "t"), NOTHING),
    ],
    [
      "is refused to an older session",
      () => {
        const story = TWO_OPEN().lasting("t", 1, V, ANY);
        return story.fail(story.updating("s", 1, [X, "w"]), "TAKEN_OVER", ANY);
      },
    ],
    [
      "comes back when it was removed",
      () => sees(TWO_OPEN().lasting("t", 1, V, ANY).remove("s", 1, X, ANY), V),
    ],
  ],
};

describe.each([
  ["updates", updates],
  ["updates that compare", compares],
  ["goodbyes", byes],
  ["what is lasting", lasting],
])("the referee, of %s", (_, { good, bad }) => {
  test.each(good)("accepts: %s", (_name, story) => {
    expect(referee(recorded(story().events))).toMatchObject({ findings: [], unknown: [] });
  });

  test.each(bad)("rejects: %s", (_name, story) => {
    const { findings } = referee(recorded(story().events));
    expect(findings).toMatchObject([{ checker: "referee", promise: "Linearizable" }]);
  });
});

describe("the referee", () => {
  test("names what does not fit of the new kinds, with its events", () => {
    const story = sees(held().bye("s", 2, ANY), V);
    const [finding] = referee(recorded(story.events)).findings;
    expect(finding?.what).toContain("has the end of session s");
    expect(finding?.what).toContain("the key holds v, and then comes a read of r that shows v");
    const types = finding?.events.map((at) => story.events[at]?.type);
    expect(types).toEqual(["invoke", "ok", "invoke", "ok", "invoke", "ok"]);
    const others = [
      [updated(TWO_OPEN(), "t", 1), "the change to w by write 1 of session t"],
      [refused(held(), "NOT_FOUND").touch("s"), "the refusal (NOT_FOUND) of write 1 of session t"],
      [refused(TWO_OPEN(), "CONFLICT", "t", 1), "the refusal (CONFLICT) of write 1 of session t"],
    ] as const;
    for (const [told, words] of others) {
      expect(referee(recorded(told.events)).findings[0]?.what).toContain(words);
    }
  });
});
