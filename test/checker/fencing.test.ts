import { describe, expect, test } from "vitest";
import { lockUse } from "../../jepsen-lite/checker/fencing.ts";
import { recorded } from "../../jepsen-lite/checker/recorded.ts";
import { Story, X } from "./story.ts";

const FENCED = "fencing: Tokens";

/** The first holds the lock, then the second, which is newer. */
function begun(): Story {
  return new Story()
    .open("s")
    .open("t")
    .put("s", 1, [[X, "v"]], 1)
    .used("s", 1)
    .put("t", 1, [[X, "w"]], 2);
}

const kept: [name: string, story: () => Story][] = [
  ["one after the other", () => begun().used("t", 2)],
  [
    "a holder that has not heard of the next one, which has not used it yet",
    () => begun().used("s", 1).used("t", 2),
  ],
  ["a holder of before is refused", () => begun().used("t", 2).used("s", 1, false)],
];

const broken: [name: string, story: () => Story][] = [
  ["a holder of before is let through", () => begun().used("t", 2).used("s", 1)],
  ["a holder is refused for nothing", () => begun().used("t", 2, false)],
  ["a token that nobody got", () => begun().used("t", 3)],
  ["a token of somebody else", () => begun().used("t", 1)],
  [
    "two get one token",
    () =>
      new Story()
        .open("s")
        .open("t")
        .put("s", 1, [[X, "v"]], 1)
        .put("t", 1, [[X, "w"]], 1)
        .used("t", 1),
  ],
  [
    "the next holder gets a lower one",
    () =>
      new Story()
        .open("s")
        .open("t")
        .put("s", 1, [[X, "v"]], 5)
        .used("s", 5)
        .put("t", 1, [[X, "w"]], 2)
        .used("t", 2, false),
  ],
];

describe("a lock and its resource", () => {
  test.each(kept)("keep the promise: %s", (_, story) => {
    expect(story().broken).toEqual([]);
  });

  test.each(broken)("are found out: %s", (_, story) => {
    expect(story().broken).toContain(FENCED);
  });

  test("holders that overlap are counted, and are no fault", () => {
    const { events } = begun().used("t", 2).used("s", 1, false);
    expect(lockUse(recorded(events))).toEqual({ accepted: 2, refused: 1, overlaps: 1 });
  });
});
