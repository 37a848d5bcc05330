import { describe, expect, test } from "vitest";
import { check } from "../../jepsen-lite/checker/check.ts";
import { Story, TTL_MS, X, Y } from "./story.ts";

function begun(): Story {
  return new Story()
    .open("s")
    .open("t")
    .put("s", 1, [[X, "v"]], 1);
}

const kept: [name: string, story: () => Story][] = [
  ["all of it goes at once", () => begun().bye("s", 2, 2).read("r", 2, [])],
  ["nothing of it was there", () => new Story().open("s").bye("s", 1, 0).read("r", 0, [])],
  [
    "what a newer session took is none of it",
    () =>
      begun()
        .put("t", 1, [[X, "w"]], 2)
        .bye("s", 2, 2)
        .read("r", 2, [[X, "w"]]),
  ],
  [
    "one that is not answered ends the session, or does not",
    () => {
      const story = begun();
      story.saying("s", 2);
      return story.read("r", 1, [[X, "v"]]).read("r", 2, []);
    },
  ],
  [
    "its client is told so",
    () => {
      const story = begun();
      story.saying("s", 2);
      return story.told("s", "closed", 2).read("r", 2, []);
    },
  ],
  [
    "what belongs to no session stays",
    () =>
      new Story()
        .open("s")
        .lasting("s", 1, [[X, "v"]], 1)
        .bye("s", 2, 1)
        .read("r", 1, [[X, "v"]]),
  ],
];

const broken: [name: string, promise: string, story: () => Story][] = [
  [
    "and is listed on",
    "serializable: For good",
    () =>
      begun()
        .bye("s", 2, 2)
        .read("r", 2, [[X, "v"]]),
  ],
  [
    "and is listed on, by a registry that counts wrong",
    "lost-writes: For good",
    () =>
      begun()
        .bye("s", 2, 1)
        .read("r", 1, [[X, "v"]]),
  ],
  ["and lives on", "leases: For good", () => begun().bye("s", 2, 2).touch("s")],
  [
    "without a word of its client",
    "leases: Never early",
    () =>
      begun()
        .wait(2 * TTL_MS)
        .told("s", "closed", 2),
  ],
  [
    "and takes along what belongs to nobody",
    "serializable: No acknowledged write is lost",
    () => {
      const story = new Story()
        .open("s")
        .open("t")
        .lasting("s", 1, [[X, "v"]], 1);
      return story
        .bye("s", 2, 2)
        .put("t", 1, [[Y, "y"]], 3)
        .read("r", 3, [[Y, "y"]]);
    },
  ],
  [
    "and takes along what a newer session owns",
    "serializable: No acknowledged write is lost",
    () => {
      const story = begun()
        .put("t", 1, [[X, "w"]], 2)
        .bye("s", 2, 3)
        .read("r", 3, []);
      return story.put("t", 2, [[Y, "y"]], 4);
    },
  ],
];

describe("a session that says that it is over", () => {
  test.each(kept)("keeps the promises: %s", (_, story) => {
    expect(story().broken).toEqual([]);
  });

  test.each(broken)("is found out: %s", (_, promise, story) => {
    expect(story().broken).toContain(promise);
  });
});

test("a goodbye is no end that leases are judged by", () => {
  const { looked } = check(begun().bye("s", 2, 2).events);
  expect(looked.leases).toBe(0);
});
