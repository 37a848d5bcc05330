import { describe, expect, test } from "vitest";
import { checkExactlyOnce } from "../../jepsen-lite/checker/exactly-once.ts";
import { recorded } from "../../jepsen-lite/checker/recorded.ts";
import { Story, X } from "./story.ts";

function promisesOf(story: Story): string[] {
  return checkExactlyOnce(recorded(story.events)).findings.map(({ promise }) => promise);
}

const FIRST = "A repeated write gets its first answer";

function sent(tell: (story: Story, op: number) => Story): Story {
  const story = new Story().open("s");
  return tell(story, story.putting("s", 1, [[X, "v"]]));
}

const kept: [name: string, story: () => Story][] = [
  [
    "the same answer twice",
    () => sent((story, op) => story.record({ type: "again", op }).ok(op, 1).ok(op, 1)),
  ],
  [
    "the same refusal twice",
    () => sent((story, op) => story.fail(op, "TAKEN_OVER", 1).fail(op, "TAKEN_OVER", 1)),
  ],
  [
    "given up, and answered late",
    () => sent((story, op) => story.record({ type: "info", op, code: "TIMEOUT" }).ok(op, 1)),
  ],
  [
    "seen by two watches",
    () =>
      sent((story, op) =>
        story
          .ok(op, 1)
          .delta(watch(story), 1, [[X, "v"]])
          .delta(watch(story), 1, [[X, "v"]]),
      ),
  ],
  [
    "seen again in a collapsed delta",
    () => sent((story, op) => story.ok(op, 1).collapsed(watch(story), [1, 4], [[X, "v"]])),
  ],
];

function watch(story: Story): number {
  return story.subscribe("c");
}

const broken: [name: string, promises: string[], story: () => Story][] = [
  ["two answers", [FIRST], () => sent((story, op) => story.ok(op, 1).ok(op, 2))],
  [
    "refused, and then acknowledged",
    [FIRST],
    () => sent((story, op) => story.fail(op, "LIMIT", 1).ok(op, 1)),
  ],
  [
    "acknowledged, and then refused",
    [FIRST],
    () => sent((story, op) => story.ok(op, 1).fail(op, "LIMIT", 1)),
  ],
  [
    "two effects, as a watch has it",
    ["Once"],
    () =>
      sent((story) => {
        const w = watch(story);
        return story
          .delta(w, 1, [[X, "v"]])
          .delta(w, 2, [], [X])
          .delta(w, 3, [[X, "v"]]);
      }),
  ],
  [
    "two effects, as nodes have it",
    ["Once"],
    () => sent((story) => story.revision(1, [[X, "v"]]).revision(2, [[X, "v"]])),
  ],
  [
    "one effect at another revision",
    ["Once"],
    () => sent((story, op) => story.ok(op, 1).delta(watch(story), 2, [[X, "v"]])),
  ],
  [
    "refused, with an effect",
    ["Definite or indefinite"],
    () => sent((story, op) => story.fail(op).revision(1, [[X, "v"]])),
  ],
];

describe("a numbered write", () => {
  test.each(kept)("kept: %s", (_, story) => {
    expect(promisesOf(story())).toEqual([]);
  });

  test.each(broken)("broken: %s", (_, promises, story) => {
    expect(promisesOf(story())).toEqual(promises);
  });
});
