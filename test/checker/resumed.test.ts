import { describe, expect, test } from "vitest";
import { Story, X, Y } from "./story.ts";

/** X was put at 1 and changed at 2, Y was put at 3. */
function begun(): Story {
  return new Story()
    .open("s")
    .put("s", 1, [[X, "v"]], 1)
    .put("s", 2, [[X, "w"]], 2)
    .put("s", 3, [[Y, "y"]], 3);
}

const PAST = { revision: 1, view: [[X, "v"]] } as const;
const AHEAD = { revision: 4, view: null };

const kept: [name: string, story: () => Story][] = [
  [
    "from the past: each change once",
    () => {
      const story = begun();
      const stream = story.subscribe("w", PAST);
      return story
        .delta(stream, 2, [[X, "w"]])
        .delta(stream, 3, [[Y, "y"]])
        .mark(stream, 3);
    },
  ],
  [
    "from the past: a RESET",
    () => {
      const story = begun();
      const view = [
        [X, "w"],
        [Y, "y"],
      ] as const;
      return story.snapshot(story.subscribe("w", PAST), 3, view, true);
    },
  ],
  [
    "from what is still to come: nothing of what came before it",
    () => {
      const story = begun();
      const stream = story.subscribe("w", AHEAD);
      story
        .put("s", 4, [[X, "x"]], 4)
        .put("s", 5, [[Y, "z"]], 5)
        .remove("s", 6, X, 6);
      return story
        .delta(stream, 5, [[Y, "z"]])
        .delta(stream, 6, [], [X])
        .mark(stream, 6);
    },
  ],
  [
    "from what is still to come: a RESET behind it",
    () => {
      const story = begun();
      const stream = story.subscribe("w", AHEAD);
      story.put("s", 4, [[X, "x"]], 4);
      return story.snapshot(
        stream,
        4,
        [
          [X, "x"],
          [Y, "y"],
        ],
        true,
      );
    },
  ],
  [
    "from what never comes: nothing",
    () => {
      const story = begun();
      story.subscribe("w", AHEAD);
      return story;
    },
  ],
];

const broken: [name: string, promise: string, story: () => Story][] = [
  [
    "from the past, and a change is missing",
    "serializable: In order, each change once, no gap",
    () => {
      const story = begun();
      return story.delta(story.subscribe("w", PAST), 3, [[Y, "y"]]);
    },
  ],
  [
    "from the past, and what the client had comes again",
    "streams: Each change once",
    () => {
      const story = begun();
      return story.delta(story.subscribe("w", PAST), 2, [[X, "v"]]);
    },
  ],
  [
    "from the past, by a snapshot that does not say that it is a RESET",
    "streams: Marked where not every change is sent",
    () => {
      const story = begun();
      return story.snapshot(story.subscribe("w", PAST), 3, [
        [X, "w"],
        [Y, "y"],
      ]);
    },
  ],
  [
    "from what is still to come, and a change of before comes",
    "streams: In order",
    () => {
      const story = begun();
      return story.delta(story.subscribe("w", AHEAD), 3, [[Y, "y"]]);
    },
  ],
  [
    "from what is still to come, and is marked before",
    "streams: In order",
    () => {
      const story = begun();
      return story.mark(story.subscribe("w", AHEAD), 3);
    },
  ],
  [
    "from what is still to come, and is reset to what there is",
    "streams: In order",
    () => {
      const story = begun();
      return story.snapshot(
        story.subscribe("w", AHEAD),
        3,
        [
          [X, "w"],
          [Y, "y"],
        ],
        true,
      );
    },
  ],
  [
    "from what is still to come, and a change is missing",
    "serializable: In order, each change once, no gap",
    () => {
      const story = begun();
      const stream = story.subscribe("w", AHEAD);
      story
        .put("s", 4, [[X, "x"]], 4)
        .put("s", 5, [[X, "z"]], 5)
        .put("s", 6, [[X, "a"]], 6);
      return story.delta(stream, 5, [[X, "z"]]).mark(stream, 6);
    },
  ],
  [
    "from what is still to come, and a key goes twice",
    "streams: Each change once",
    () => {
      const story = begun();
      const stream = story.subscribe("w", AHEAD);
      story
        .remove("s", 4, Y, 4)
        .remove("s", 5, X, 5)
        .put("s", 6, [[Y, "z"]], 6);
      return story.delta(stream, 5, [], [X]).delta(stream, 6, [], [X]);
    },
  ],
];

describe("a watch that goes on", () => {
  test.each(kept)("keeps the promises: %s", (_, story) => {
    expect(story().broken).toEqual([]);
  });

  test.each(broken)("is found out: %s", (_, promise, story) => {
    expect(story().broken).toContain(promise);
  });
});
