import { describe, expect, test } from "vitest";
import { READERS, Story, X, Y } from "./story.ts";

const stale = { type: "stale", maxAgeMs: null } as const;
const serializable = (promise: string): string => `serializable: ${promise}`;
const CONFLICT_WRITE = serializable("An acknowledged write is in the state that its answer names");
const CONFLICT_READ = serializable("The state at one revision");
const WHOLE = serializable("Whole, at one revision");
const LOST = serializable("No acknowledged write is lost");

/** By nodes, so that every revision and end is known. */
function told(): Story {
  return new Story({ hasNodeEvents: true });
}

const kept: [name: string, story: () => Story][] = [
  ["nothing but a setup", () => new Story()],
  [
    "a write, and a read of it",
    () =>
      new Story()
        .open("s")
        .put("s", 1, [[X, "v"]], 1)
        .read("r", 1, [[X, "v"]]),
  ],
  [
    "a removal of what is not there names the revision that there was",
    () =>
      new Story()
        .open("s")
        .put("s", 1, [[X, "v"]], 1)
        .remove("s", 2, Y, 1)
        .read("r", 1, [[X, "v"]]),
  ],
  [
    "a write of unknown end that was seen",
    () => {
      const story = new Story().open("s");
      story.putting("s", 1, [[X, "v"]]);
      return story.read("r", 1, [[X, "v"]]);
    },
  ],
  [
    "a write of unknown end that comes to be late",
    () => {
      const story = new Story().open("t").open("s");
      story.putting("s", 1, [[X, "v"]]);
      return story
        .put("t", 1, [[X, "w"]], 1)
        .read("r", 1, [[X, "w"]])
        .read("r", 2, [[X, "v"]]);
    },
  ],
  [
    "reads that overlap a write see it or not",
    () => {
      const story = new Story().open("s");
      const op = story.putting("s", 1, [[X, "v"]]);
      const early = story.reading("r");
      return story
        .read("q", 0, [])
        .ok(op, 1)
        .answer(early, 0, [])
        .read("r", 1, [[X, "v"]]);
    },
  ],
  [
    "a stale read of the past",
    () =>
      new Story()
        .open("s")
        .put("s", 1, [[X, "v"]], 1)
        .put("s", 2, [[X, "w"]], 2)
        .read("r", 1, [[X, "v"]], stale),
  ],
  [
    "gone with a session whose end nobody tells",
    () =>
      new Story()
        .open("s")
        .put("s", 1, [[X, "v"]], 1)
        .read("r", 2, []),
  ],
  [
    "gone with a session that was replaced unseen",
    () => {
      const story = told()
        .open("s")
        .open("t")
        .put("s", 1, [[X, "v"]], 1)
        .revision(1, [[X, "v"]]);
      story.putting("t", 1, [[X, "w"]]);
      return story
        .revision(2, [[X, "w"]])
        .revision(3, [], [X])
        .ended("t", "closed", 3)
        .touch("s")
        .read("r", 3, []);
    },
  ],
  [
    "out of sight by another meta",
    () => {
      const story = new Story().open("s").put("s", 1, [[X, "v"]], 1, "read");
      story.answer(story.reading("r", undefined, READERS), 1, [[X, "v"]]);
      story.put("s", 2, [[X, "w"]], 2).touch("s");
      return story.answer(story.reading("r", undefined, READERS), 2, []);
    },
  ],
  [
    "a newer session takes over, and an older one is told so",
    () => {
      const story = new Story()
        .open("s")
        .put("s", 1, [[X, "v"]], 1)
        .open("t")
        .put("t", 1, [[X, "w"]], 2);
      return story
        .fail(story.putting("s", 2, [[X, "z"]]), "TAKEN_OVER", 2)
        .read("r", 2, [[X, "w"]]);
    },
  ],
  [
    "an older session writes after the end of a newer one",
    () =>
      told()
        .open("s")
        .open("t")
        .put("t", 1, [[X, "w"]], 1)
        .revision(1, [[X, "w"]])
        .revision(2, [], [X])
        .ended("t", "closed", 2)
        .put("s", 1, [[X, "v"]], 3)
        .revision(3, [[X, "v"]]),
  ],
  [
    "two keys in one piece",
    () =>
      new Story()
        .open("s")
        .put(
          "s",
          1,
          [
            [X, "v"],
            [Y, "w"],
          ],
          1,
        )
        .read("r", 1, [
          [X, "v"],
          [Y, "w"],
        ]),
  ],
];

const broken: [name: string, promises: string[], story: () => Story][] = [
  [
    "an acknowledged write is not in the state that it names",
    [CONFLICT_READ],
    () =>
      new Story()
        .open("s")
        .put("s", 1, [[X, "v"]], 1)
        .read("r", 1, [], stale),
  ],
  [
    "two states of one revision",
    [CONFLICT_READ],
    () => {
      const story = new Story().open("s").open("t");
      story.putting("s", 1, [[X, "v"]]);
      story.putting("t", 1, [[X, "w"]]);
      return story.read("r", 1, [[X, "v"]], stale).read("r", 1, [[X, "w"]], stale);
    },
  ],
  [
    "a content comes back",
    [CONFLICT_READ],
    () =>
      new Story()
        .open("s")
        .put("s", 1, [[X, "v"]], 1)
        .put("s", 2, [[X, "w"]], 2)
        .read("r", 3, [[X, "v"]], stale),
  ],
  [
    "nobody wrote it",
    [serializable("Once, in order")],
    () =>
      new Story()
        .open("s")
        .remove("s", 1, X, 0)
        .read("r", 1, [[X, "v"]], stale),
  ],
  [
    "shown before it was sent",
    [serializable("Once, in order"), serializable("Real time"), CONFLICT_READ],
    () =>
      new Story()
        .open("s")
        .remove("s", 1, X, 0)
        .read("r", 1, [[X, "v"]], stale)
        .put("s", 2, [[X, "v"]], 1),
  ],
  [
    "shown at another key",
    [serializable("Once, in order")],
    () =>
      new Story()
        .open("s")
        .put("s", 1, [[X, "v"]], 1)
        .remove("s", 2, Y, 1)
        .read(
          "r",
          1,
          [
            [X, "v"],
            [Y, "v"],
          ],
          stale,
        ),
  ],
  [
    "shown though it was refused",
    [serializable("Definite or indefinite")],
    () => {
      const story = new Story().open("s");
      return story.fail(story.putting("s", 1, [[X, "v"]])).read("r", 1, [[X, "v"]]);
    },
  ],
  [
    "shown to a selector that does not select it",
    [serializable("Only what is selected")],
    () => {
      const story = new Story().open("s").put("s", 1, [[X, "v"]], 1);
      return story.answer(story.reading("r", stale, READERS), 1, [[X, "v"]]);
    },
  ],
  [
    "a write at a revision that was told before it was sent",
    [serializable("Real time")],
    () =>
      new Story()
        .open("s")
        .put("s", 1, [[X, "v"]], 1)
        .open("t")
        .put("t", 1, [[Y, "w"]], 1),
  ],
  [
    "a removal at a revision below one that was told",
    [serializable("Real time")],
    () =>
      new Story()
        .open("s")
        .put("s", 1, [[X, "v"]], 2)
        .open("t")
        .remove("t", 1, Y, 1),
  ],
  [
    "seen before its own revision",
    [WHOLE],
    () => {
      const story = new Story().open("s");
      const op = story.putting("s", 1, [[X, "v"]]);
      return story.read("r", 1, [[X, "v"]], stale).ok(op, 2);
    },
  ],
  [
    "half of a write",
    [WHOLE],
    () => {
      const story = new Story().open("s");
      story.putting("s", 1, [
        [X, "v"],
        [Y, "w"],
      ]);
      return story.read("r", 1, [[X, "v"]], stale).read(
        "q",
        2,
        [
          [X, "v"],
          [Y, "w"],
        ],
        stale,
      );
    },
  ],
  [
    "a later number takes effect first",
    [serializable("Once, in order")],
    () => {
      const story = new Story().open("s");
      const first = story.putting("s", 1, [[X, "v"]]);
      const second = story.putting("s", 2, [[Y, "w"]]);
      return story.ok(first, 2).ok(second, 1);
    },
  ],
  [
    "two writes make one revision",
    [serializable("One history")],
    () => {
      const story = new Story().open("s").open("t");
      const first = story.putting("s", 1, [[X, "v"]]);
      const second = story.putting("t", 1, [[Y, "w"]]);
      return story.ok(first, 1).ok(second, 1);
    },
  ],
  [
    "a revision is left out",
    [serializable("One history")],
    () => {
      const story = told().open("s");
      const op = story.putting("s", 1, [[X, "v"]]);
      return story.revision(2, [[X, "v"]]).ok(op, 2);
    },
  ],
  [
    "gone, though its session is alive and nobody removed it",
    [LOST],
    () =>
      told()
        .open("s")
        .put("s", 1, [[X, "v"]], 1)
        .revision(1, [[X, "v"]])
        .revision(2, [], [X]),
  ],
  [
    "gone by a removal that was acknowledged at another revision",
    [LOST],
    () =>
      told()
        .open("s")
        .put("s", 1, [[X, "v"]], 1)
        .revision(1, [[X, "v"]])
        .revision(2, [], [X])
        .revision(3, [])
        .remove("s", 2, X, 3),
  ],
  [
    "gone at a revision at which another key is written",
    [LOST],
    () =>
      new Story()
        .open("s")
        .open("t")
        .put("s", 1, [[X, "v"]], 1)
        .put("t", 1, [[Y, "w"]], 2)
        .read("r", 2, [[Y, "w"]], stale)
        .put("s", 2, [[X, "z"]], 3),
  ],
  [
    "gone, and its session acknowledges a later write",
    [LOST, "lost-writes: No acknowledged write is lost"],
    () =>
      new Story()
        .open("s")
        .put("s", 1, [[X, "v"]], 1)
        .read("r", 2, [])
        .put("s", 2, [[Y, "w"]], 3),
  ],
  [
    "there after the end of its session",
    [serializable("For good")],
    () =>
      new Story()
        .open("s")
        .put("s", 1, [[X, "v"]], 1)
        .ended("s", "closed", 2)
        .read("r", 2, [[X, "v"]]),
  ],
  [
    "an older session takes it back",
    [serializable("One owner")],
    () =>
      new Story()
        .open("s")
        .open("t")
        .put("t", 1, [[X, "w"]], 1)
        .put("s", 1, [[X, "v"]], 2)
        .touch("t"),
  ],
  [
    "an older session removes what a newer one owns",
    [LOST],
    () =>
      told()
        .open("s")
        .open("t")
        .put("t", 1, [[X, "w"]], 1)
        .revision(1, [[X, "w"]])
        .remove("s", 1, X, 2)
        .revision(2, [], [X]),
  ],
  [
    "taken over by nobody",
    [serializable("One owner")],
    () => {
      const story = new Story()
        .open("t")
        .put("t", 1, [[X, "w"]], 1)
        .open("s");
      return story.fail(story.putting("s", 1, [[X, "v"]]), "TAKEN_OVER", 1);
    },
  ],
  [
    "a linearizable read of the past",
    [serializable("Linearizable")],
    () =>
      new Story()
        .open("s")
        .put("s", 1, [[X, "v"]], 1)
        .put("s", 2, [[Y, "w"]], 2)
        .read("r", 1, [[X, "v"]]),
  ],
  [
    "a read below the revision that it asks for",
    [serializable("At least R")],
    () => new Story().read("r", 1, [], { type: "atLeast", revision: 2 }),
  ],
  [
    "a read that is older than it says",
    [serializable("Stale, at most N ms")],
    () => {
      const story = new Story()
        .open("s")
        .put("s", 1, [[X, "v"]], 1)
        .wait(100);
      return story.answer(story.reading("r", stale), 0, [], { ageMs: 10, asOfMs: 90 });
    },
  ],
  [
    "a read that is older than it may be",
    [serializable("Stale, at most N ms")],
    () => {
      const story = new Story();
      const op = story.reading("r", { type: "stale", maxAgeMs: 100 });
      return story.answer(op, 0, [], { ageMs: 101 });
    },
  ],
  [
    "a write names one revision, nodes tell another",
    [WHOLE, "exactly-once: Once"],
    () => {
      const story = told().open("s");
      const op = story.putting("s", 1, [[X, "v"]]);
      return story
        .revision(1, [[X, "v"]])
        .revision(2, [])
        .revision(3, [])
        .ok(op, 3);
    },
  ],
  [
    "a write is acknowledged at a revision that nodes give to another",
    [CONFLICT_WRITE, serializable("One history")],
    () => {
      const story = told().open("s").open("t");
      const op = story.putting("s", 1, [[X, "v"]]);
      story.putting("t", 1, [[X, "w"]]);
      return story.revision(1, [[X, "w"]]).ok(op, 1);
    },
  ],
];

describe("the states that revisions name", () => {
  test.each(kept)("kept: %s", (_, story) => {
    expect(story().broken).toEqual([]);
  });

  test.each(broken)("broken: %s", (_, promises, story) => {
    expect(story().broken.sort()).toEqual(promises.sort());
  });
});
