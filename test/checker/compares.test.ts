import { describe, expect, test } from "vitest";
import { Story, X, Y } from "./story.ts";

const COMPARES = "serializable: Compared";

/** Two sessions, and X put at revision 1 by the first. */
function begun(): Story {
  return new Story()
    .open("s")
    .open("t")
    .put("s", 1, [[X, "v"]], 1);
}

const kept: [name: string, story: () => Story][] = [
  [
    "an update of what was there",
    () => {
      const story = begun();
      return story.ok(story.updating("s", 2, [X, "w"]), 2).read("r", 2, [[X, "w"]]);
    },
  ],
  [
    "a compare with the last change, behind changes of other keys",
    () => {
      const story = begun().put("t", 1, [[Y, "y"]], 2);
      return story.ok(story.updating("s", 2, [X, "w"], 1), 3);
    },
  ],
  [
    "of two that compare with one revision, one is refused",
    () => {
      const story = begun();
      const one = story.updating("s", 2, [X, "w"], 1);
      const other = story.updating("t", 1, [X, "u"], 1);
      return story
        .ok(other, 2)
        .fail(one, "CONFLICT", 2)
        .read("r", 2, [[X, "u"]]);
    },
  ],
  [
    "a compare with a write of unknown end",
    () => {
      const story = begun();
      story.putting("s", 2, [[X, "u"]]);
      return story.ok(story.updating("s", 3, [X, "w"], 2), 3);
    },
  ],
  [
    "one that is refused behind a write of unknown end",
    () => {
      const story = begun();
      story.putting("s", 2, [[X, "u"]]);
      return story.fail(story.updating("s", 3, [X, "w"], 1), "CONFLICT", 2);
    },
  ],
  [
    "an update keeps the owner: it goes with the session that registered it",
    () => {
      const story = begun();
      story.ok(story.updating("t", 1, [X, "w"], 1), 2);
      return story.bye("s", 2, 3).read("r", 3, []);
    },
  ],
  [
    "nothing there, behind a removal",
    () => {
      const story = begun().remove("s", 2, X, 2);
      return story.fail(story.updating("t", 1, [X, "w"], 1), "NOT_FOUND", 2);
    },
  ],
  [
    "refused by a node that names no revision",
    () => {
      const story = begun();
      return story.fail(story.updating("s", 2, [X, "w"], 1), "CONFLICT");
    },
  ],
];

const broken: [name: string, promise: string, story: () => Story][] = [
  [
    "two compares with one revision, both acknowledged",
    COMPARES,
    () => {
      const story = begun();
      story.ok(story.updating("s", 2, [X, "w"], 1), 2);
      return story.ok(story.updating("t", 1, [X, "u"], 1), 3);
    },
  ],
  [
    "a compare with what was changed meanwhile",
    COMPARES,
    () => {
      const story = begun().put("t", 1, [[X, "u"]], 2);
      return story.ok(story.updating("t", 2, [X, "w"], 1), 3);
    },
  ],
  [
    "a compare with what was seen to be another meanwhile",
    COMPARES,
    () => {
      const story = begun();
      story.putting("t", 1, [[X, "u"]]);
      return story.read("r", 2, [[X, "u"]]).ok(story.updating("t", 2, [X, "w"], 1), 3);
    },
  ],
  [
    "a compare with what was gone meanwhile",
    COMPARES,
    () => {
      const story = begun().remove("s", 2, X, 2);
      return story.ok(story.updating("s", 3, [X, "w"], 1), 3);
    },
  ],
  [
    "an update of nothing",
    COMPARES,
    () => {
      const story = begun().remove("s", 2, X, 2);
      return story.ok(story.updating("s", 3, [X, "w"]), 3);
    },
  ],
  [
    "a compare with a revision at which nobody can have written",
    COMPARES,
    () => {
      const story = begun().put("t", 1, [[Y, "y"]], 2);
      return story.ok(story.updating("s", 2, [X, "w"], 2), 3);
    },
  ],
  [
    "a compare with a revision that is still to come",
    COMPARES,
    () => {
      const story = begun();
      return story.ok(story.updating("s", 2, [X, "w"], 7), 2);
    },
  ],
  [
    "refused, though it named the last change",
    COMPARES,
    () => {
      const story = begun();
      return story
        .fail(story.updating("s", 2, [X, "w"], 1), "CONFLICT", 1)
        .read("r", 1, [[X, "v"]]);
    },
  ],
  [
    "refused with CONFLICT, and nothing was there",
    COMPARES,
    () => {
      const story = begun().remove("s", 2, X, 2);
      return story.fail(story.updating("s", 3, [X, "w"], 1), "CONFLICT", 2);
    },
  ],
  [
    "refused with CONFLICT, and compares with nothing",
    COMPARES,
    () => {
      const story = begun();
      return story.fail(story.updating("s", 2, [X, "w"]), "CONFLICT", 1);
    },
  ],
  [
    "not found, and there",
    "serializable: An acknowledged write is in the state that its answer names",
    () => {
      const story = begun().read("r", 1, [[X, "v"]]);
      return story.fail(story.updating("s", 2, [X, "w"]), "NOT_FOUND", 1);
    },
  ],
  [
    "taken by an update: it goes with the end of a session that did not register it",
    "serializable: No acknowledged write is lost",
    () => {
      const story = begun();
      story.ok(story.updating("t", 1, [X, "w"], 1), 2);
      return story
        .bye("t", 2, 2)
        .put("s", 2, [[Y, "y"]], 4)
        .read("r", 3, []);
    },
  ],
];

describe("updates that compare", () => {
  test.each(kept)("keep the promises: %s", (_, story) => {
    expect(story().broken).toEqual([]);
  });

  test.each(broken)("are found out: %s", (_, promise, story) => {
    expect(story().broken).toContain(promise);
  });
});
