import { describe, expect, test } from "vitest";
import { check, report } from "../../jepsen-lite/checker/check.ts";
import { recorded } from "../../jepsen-lite/checker/recorded.ts";
import { Story, TTL_MS, X, Y } from "./story.ts";

describe("the verdict", () => {
  test("is unknown where a checker had nothing to look at", () => {
    const story = new Story().open("s").put("s", 1, [[X, "v"]], 1);
    const { outcome, findings, looked } = check(story.events);
    expect({ outcome, findings }).toEqual({ outcome: "unknown", findings: [] });
    expect(looked).toMatchObject({ serializable: 1, "lost-writes": 0, streams: 0 });
  });

  test("is kept where all had, and found nothing", () => {
    const story = new Story().open("s");
    const op = story.putting("s", 1, [[X, "v"]]);
    story.record({ type: "again", op }).ok(op, 1);
    story.read("r", 1, [[X, "v"]]).read("r", 1, [[X, "v"]]);
    story
      .snapshot(story.subscribe("c"), 1, [[X, "v"]])
      .wait(TTL_MS)
      .told("s", "ttl", 2);
    expect(check(story.events)).toMatchObject({ outcome: "kept", findings: [] });
  });

  test("is broken however little there was, and shows the events", () => {
    const story = new Story()
      .open("s")
      .put("s", 1, [[X, "v"]], 1)
      .put("s", 2, [[Y, "w"]], 1);
    const { outcome, findings } = check(story.events);
    expect(outcome).toBe("broken");
    const text = report(story.events, findings[0]!);
    expect(text).toContain("Real time (serializable)");
    expect(text).toContain('"op":3,"revision":1');
  });
});

describe("a history that breaks the rules of its format is refused", () => {
  const rules: [what: string, story: () => Story][] = [
    [
      "a content that is put twice",
      () =>
        new Story()
          .open("s")
          .put("s", 1, [[X, "v"]], 1)
          .put("s", 2, [[Y, "v"]], 2),
    ],
    [
      "a number that is used twice",
      () =>
        new Story()
          .open("s")
          .put("s", 1, [[X, "v"]], 1)
          .put("s", 1, [[X, "w"]], 2),
    ],
    ["a session that is opened twice", () => new Story().open("s").open("s")],
    ["never opened", () => new Story().put("s", 1, [[X, "v"]], 1)],
    ["never invoked", () => new Story().ok(1, 1)],
    ["never subscribed to", () => new Story().mark(1, 1)],
  ];

  test.each(rules)("%s", (_, story) => {
    expect(() => recorded(story().events)).toThrow(
      expect.objectContaining({ name: "HistoryError" }),
    );
  });

  test("no setup", () => {
    expect(() => recorded(new Story().open("s").events.slice(1))).toThrow("setup");
  });
});
