import { describe, expect, test } from "vitest";
import { checkLostWrites } from "../../jepsen-lite/checker/lost-writes.ts";
import { recorded } from "../../jepsen-lite/checker/recorded.ts";
import { READERS, Story, X } from "./story.ts";

/** What this checker says alone: it looks at no revision, so all of them may be 0. */
function brokenOf(story: Story): boolean {
  return checkLostWrites(recorded(story.events)).findings.length > 0;
}

function acknowledged(): Story {
  return new Story().open("s").put("s", 1, [[X, "v"]], 0);
}

const kept: [name: string, story: () => Story][] = [
  ["shown", () => acknowledged().read("r", 0, [[X, "v"]])],
  [
    "replaced by a later one",
    () =>
      acknowledged()
        .put("s", 2, [[X, "w"]], 0)
        .read("r", 0, [[X, "w"]]),
  ],
  [
    "replaced by one that was under way",
    () => {
      const story = new Story().open("s");
      const [first, second] = [
        story.putting("s", 1, [[X, "v"]]),
        story.putting("s", 2, [[X, "w"]]),
      ];
      return story
        .ok(second, 0)
        .ok(first, 0)
        .read("r", 0, [[X, "v"]]);
    },
  ],
  [
    "replaced by one of which nobody knows",
    () => {
      const story = new Story().open("s");
      story.putting("s", 1, [[X, "w"]]);
      return story.put("s", 2, [[X, "v"]], 0).read("r", 0, [[X, "w"]]);
    },
  ],
  ["removed", () => acknowledged().remove("s", 2, X, 0).read("r", 0, []).touch("s")],
  [
    "removed by one of which nobody knows",
    () => {
      const story = acknowledged();
      story.removing("s", 2, X);
      return story.read("r", 0, []).touch("s");
    },
  ],
  ["gone with its session, perhaps", () => acknowledged().read("r", 0, [])],
  [
    "a read that was under way",
    () => {
      const story = new Story().open("s");
      const [write, read] = [story.putting("s", 1, [[X, "v"]]), story.reading("r")];
      return story.ok(write, 0).answer(read, 0, []).touch("s");
    },
  ],
  [
    "a stale read",
    () => acknowledged().read("r", 0, [], { type: "stale", maxAgeMs: null }).touch("s"),
  ],
  [
    "a selector that may not select it",
    () => {
      const story = acknowledged();
      return story.answer(story.reading("r", undefined, READERS), 0, []).touch("s");
    },
  ],
];

const broken: [name: string, story: () => Story][] = [
  ["not shown, and its session is alive", () => acknowledged().read("r", 0, []).touch("s")],
  [
    "not shown, and its session writes on",
    () =>
      acknowledged()
        .read("r", 0, [])
        .put("s", 2, [[X, "w"]], 0),
  ],
  [
    "not shown, and was removed only before",
    () =>
      new Story()
        .open("s")
        .put("s", 1, [[X, "w"]], 0)
        .remove("s", 2, X, 0)
        .put("s", 3, [[X, "v"]], 0)
        .read("r", 0, [])
        .touch("s"),
  ],
  [
    "not shown, and its removal was refused",
    () => {
      const story = acknowledged();
      return story
        .fail(story.removing("s", 2, X))
        .read("r", 0, [])
        .touch("s");
    },
  ],
  [
    "an older one is back",
    () =>
      acknowledged()
        .put("s", 2, [[X, "w"]], 0)
        .read("r", 0, [[X, "v"]]),
  ],
  [
    "a removed one is back",
    () =>
      acknowledged()
        .remove("s", 2, X, 0)
        .read("r", 0, [[X, "v"]]),
  ],
];

describe("acknowledged writes, by time alone", () => {
  test.each(kept)("kept: %s", (_, story) => {
    expect(brokenOf(story())).toBe(false);
  });

  test.each(broken)("broken: %s", (_, story) => {
    expect(brokenOf(story())).toBe(true);
  });
});
