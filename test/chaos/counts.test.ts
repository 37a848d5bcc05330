import { describe, expect, test } from "vitest";
import { countsOf } from "../../jepsen-lite/chaos/counts.ts";
import { Story, X, Y } from "../checker/story.ts";

describe("the counts of a run", () => {
  test("say what was asked, by whom, how it was answered, and what was seen", () => {
    const story = new Story().open("c1").put("c1", 1, [[X, "v"]], 1);
    story.fail(story.updating("c1", 2, [X, "w"], 7), "CONFLICT", 1);
    story.record({ type: "info", op: story.updating("c1", 3, [X, "u"]), code: "TIMEOUT" });
    story.used("c1", 1).read("w1", 1, [[X, "v"]]);
    const stream = story.subscribe("w1");
    story.snapshot(stream, 1, [[X, "v"]]).collapsed(stream, [1, 4], [[Y, "y"]]);
    story.bye("c1", 4, 5).told("c1", "closed", 5);
    expect(countsOf(story.events, { "watches past": 2 })).toEqual({
      ...{ "asked by providers": 5, "asked by watchers": 1 },
      ...{ "open asked": 1, "open ok": 1, "register asked": 1, "register ok": 1 },
      ...{ "compare asked": 1, "compare CONFLICT": 1 },
      ...{ "update asked": 1, "update unknown (TIMEOUT)": 1, "bye asked": 1, "bye ok": 1 },
      ...{ "read linearizable asked": 1, "read linearizable ok": 1 },
      ...{ "ends told (closed)": 1, "watch snapshots": 1, "watch deltas collapsed": 1 },
      ...{ "lock accepted": 1, "lock overlaps": 0, "lock refused": 0, "watches past": 2 },
    });
  });
});
