import { describe, expect, test } from "vitest";
import { checkMonotone } from "../../jepsen-lite/checker/monotone.ts";
import { recorded } from "../../jepsen-lite/checker/recorded.ts";
import { Story, X } from "./story.ts";

function brokenOf(story: Story): boolean {
  return checkMonotone(recorded(story.events)).findings.length > 0;
}

const kept: [name: string, story: () => Story][] = [
  ["rising", () => new Story().read("r", 1, []).read("r", 1, []).read("r", 2, [])],
  ["of different processes", () => new Story().read("r", 2, []).read("q", 1, [])],
  [
    "asked before it had seen more",
    () => {
      const story = new Story();
      const op = story.reading("r");
      return story.read("r", 2, []).answer(op, 1, []);
    },
  ],
  [
    "a stream that goes on from where it was",
    () => {
      const story = new Story()
        .open("s")
        .put("s", 1, [[X, "v"]], 2)
        .read("c", 2, []);
      const w = story.subscribe("c", { revision: 0, view: [] });
      return story.delta(w, 1, [[X, "v"]]);
    },
  ],
];

const broken: [name: string, story: () => Story][] = [
  ["a read after a read", () => new Story().read("r", 2, []).read("r", 1, [])],
  [
    "its own write unread",
    () =>
      new Story()
        .open("s")
        .put("s", 1, [[X, "v"]], 2)
        .read("s", 1, []),
  ],
  [
    "a read after a refusal",
    () => {
      const story = new Story().open("s");
      return story.fail(story.putting("s", 1, [[X, "v"]]), "TAKEN_OVER", 2).read("s", 1, []);
    },
  ],
  [
    "a read after a watch",
    () => {
      const story = new Story();
      return story.snapshot(story.subscribe("c"), 2, []).read("c", 1, []);
    },
  ],
  [
    "a read after a mark",
    () => {
      const story = new Story();
      const w = story.subscribe("c");
      return story.snapshot(w, 1, []).mark(w, 3).read("c", 2, []);
    },
  ],
  [
    "a watch after a read",
    () => {
      const story = new Story().read("c", 2, []);
      return story.snapshot(story.subscribe("c"), 1, []);
    },
  ],
  [
    "a RESET on another node",
    () => {
      const story = new Story();
      story.snapshot(story.subscribe("c"), 2, []);
      const w = story.subscribe("c", { revision: 2, view: [] });
      return story.snapshot(w, 1, [], true);
    },
  ],
];

describe("a process", () => {
  test.each(kept)("kept: %s", (_, story) => {
    expect(brokenOf(story())).toBe(false);
  });

  test.each(broken)("broken: %s", (_, story) => {
    expect(brokenOf(story())).toBe(true);
  });
});
