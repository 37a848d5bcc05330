import { describe, expect, test } from "vitest";
import { READERS, Story, X, Y } from "./story.ts";

const streams = (promise: string): string => `streams: ${promise}`;
const NO_GAP = "serializable: In order, each change once, no gap";
const ORDER = streams("In order");
const ONCE = streams("Each change once");
const MARKED = streams("Marked where not every change is sent");

/** v at X, then w at Y, then z at X. */
function written(): Story {
  return new Story()
    .open("s")
    .put("s", 1, [[X, "v"]], 1, "read")
    .put("s", 2, [[Y, "w"]], 2)
    .put("s", 3, [[X, "z"]], 3);
}

function streamed(tell: (story: Story, stream: number) => Story, story = written()): Story {
  return tell(story, story.subscribe("c"));
}

const kept: [name: string, story: () => Story][] = [
  [
    "a snapshot, each change and a mark",
    () =>
      streamed((story, w) =>
        story
          .snapshot(w, 1, [[X, "v"]])
          .delta(w, 2, [[Y, "w"]])
          .delta(w, 3, [[X, "z"]])
          .mark(w, 9),
      ),
  ],
  [
    "a snapshot of the end alone",
    () =>
      streamed((story, w) =>
        story.snapshot(w, 3, [
          [X, "z"],
          [Y, "w"],
        ]),
      ),
  ],
  [
    "the same mark twice",
    () =>
      streamed((story, w) =>
        story
          .snapshot(w, 3, [
            [X, "z"],
            [Y, "w"],
          ])
          .mark(w, 3)
          .mark(w, 3),
      ),
  ],
  [
    "all of it collapsed",
    () =>
      streamed((story, w) =>
        story
          .snapshot(w, 0, [])
          .collapsed(
            w,
            [0, 3],
            [
              [X, "z"],
              [Y, "w"],
            ],
          )
          .mark(w, 3),
      ),
  ],
  [
    "collapsed in two frames",
    () =>
      streamed((story, w) =>
        story
          .snapshot(w, 0, [])
          .collapsed(w, [0, 3], [[X, "z"]], [], false)
          .collapsed(w, [0, 3], [[Y, "w"]]),
      ),
  ],
  [
    "a RESET in between",
    () =>
      streamed((story, w) =>
        story.snapshot(w, 1, [[X, "v"]]).snapshot(
          w,
          3,
          [
            [X, "z"],
            [Y, "w"],
          ],
          true,
        ),
      ),
  ],
  [
    "resumed elsewhere, with what was missed",
    () => {
      const story = written();
      story.snapshot(story.subscribe("c"), 1, [[X, "v"]]);
      const w = story.subscribe("c", { revision: 1, view: [[X, "v"]] });
      return story.delta(w, 2, [[Y, "w"]]).delta(w, 3, [[X, "z"]]);
    },
  ],
  [
    "resumed, and nothing came",
    () => {
      const story = written();
      story.subscribe("c", { revision: 1, view: [[X, "v"]] });
      return story;
    },
  ],
  [
    "a full stream that leaves states out",
    () => {
      const story = written();
      const w = story.subscribe("c", null, undefined, "full");
      return story.snapshot(w, 1, [[X, "v"]]).snapshot(w, 3, [
        [X, "z"],
        [Y, "w"],
      ]);
    },
  ],
  [
    "what leaves the selector is removed",
    () => {
      const story = written();
      const w = story.subscribe("c", null, READERS);
      return story
        .snapshot(w, 1, [[X, "v"]])
        .delta(w, 3, [], [X])
        .mark(w, 3);
    },
  ],
];

const broken: [name: string, promises: string[], story: () => Story][] = [
  [
    "a change is left out",
    [NO_GAP],
    () => streamed((story, w) => story.snapshot(w, 1, [[X, "v"]]).delta(w, 3, [[X, "z"]])),
  ],
  [
    "a mark ahead of a change",
    [NO_GAP],
    () =>
      streamed((story, w) =>
        story
          .snapshot(w, 1, [[X, "v"]])
          .delta(w, 2, [[Y, "w"]])
          .mark(w, 3),
      ),
  ],
  [
    "a mark ahead of a change that then comes",
    [NO_GAP, ORDER],
    () =>
      streamed((story, w) =>
        story
          .snapshot(w, 1, [[X, "v"]])
          .mark(w, 2)
          .delta(w, 2, [[Y, "w"]]),
      ),
  ],
  [
    "one change too few after it was resumed",
    [NO_GAP],
    () => {
      const story = written();
      const w = story.subscribe("c", { revision: 1, view: [[X, "v"]] });
      return story.delta(w, 3, [[X, "z"]]);
    },
  ],
  [
    "a wrong revision",
    [NO_GAP, "exactly-once: Once"],
    () => streamed((story, w) => story.snapshot(w, 0, []).delta(w, 2, [[X, "v"]])),
  ],
  [
    "a snapshot of another revision",
    [NO_GAP],
    () => streamed((story, w) => story.snapshot(w, 2, [[X, "v"]])),
  ],
  [
    "what leaves the selector stays",
    [NO_GAP],
    () => {
      const story = written();
      const w = story.subscribe("c", null, READERS);
      return story.snapshot(w, 1, [[X, "v"]]).mark(w, 3);
    },
  ],
  [
    "not collapsed to the end",
    ["serializable: No acknowledged write is lost"],
    () => streamed((story, w) => story.snapshot(w, 0, []).collapsed(w, [0, 3], [[X, "z"]])),
  ],
  [
    "swapped",
    [NO_GAP, ORDER],
    () =>
      streamed((story, w) =>
        story
          .snapshot(w, 1, [[X, "v"]])
          .delta(w, 3, [[X, "z"]])
          .delta(w, 2, [[Y, "w"]]),
      ),
  ],
  [
    "the same change twice",
    [ORDER],
    () =>
      streamed((story, w) =>
        story
          .snapshot(w, 1, [[X, "v"]])
          .delta(w, 2, [[Y, "w"]])
          .delta(w, 2, [[Y, "w"]]),
      ),
  ],
  [
    "the same content twice",
    [ONCE, "exactly-once: Once"],
    () =>
      streamed((story, w) =>
        story
          .snapshot(w, 1, [[X, "v"]])
          .delta(w, 2, [[Y, "w"]])
          .delta(w, 4, [[Y, "w"]]),
      ),
  ],
  [
    "an empty change",
    [ONCE],
    () =>
      streamed((story, w) =>
        story
          .snapshot(w, 3, [
            [X, "z"],
            [Y, "w"],
          ])
          .delta(w, 4, []),
      ),
  ],
  [
    "what was not there is removed",
    [ONCE],
    () => streamed((story, w) => story.snapshot(w, 1, [[X, "v"]]).delta(w, 2, [], [Y])),
  ],
  [
    "put and removed at once",
    [ONCE],
    () =>
      streamed((story, w) =>
        story
          .snapshot(w, 2, [
            [X, "v"],
            [Y, "w"],
          ])
          .delta(w, 3, [[X, "z"]], [X]),
      ),
  ],
  [
    "a change before the snapshot",
    [ORDER],
    () => streamed((story, w) => story.delta(w, 1, [[X, "v"]])),
  ],
  [
    "a mark before the snapshot",
    [streams("No gap")],
    () => streamed((story, w) => story.mark(w, 1).snapshot(w, 1, [[X, "v"]])),
  ],
  [
    "a mark of the past",
    [ORDER],
    () =>
      streamed((story, w) =>
        story
          .snapshot(w, 3, [
            [X, "z"],
            [Y, "w"],
          ])
          .mark(w, 2),
      ),
  ],
  [
    "a jump without a RESET",
    [MARKED],
    () =>
      streamed((story, w) =>
        story.snapshot(w, 1, [[X, "v"]]).snapshot(w, 3, [
          [X, "z"],
          [Y, "w"],
        ]),
      ),
  ],
  [
    "a snapshot of the past",
    [ORDER],
    () =>
      streamed((story, w) =>
        story
          .snapshot(w, 3, [
            [X, "z"],
            [Y, "w"],
          ])
          .snapshot(w, 1, [[X, "v"]], true),
      ),
  ],
  [
    "collapsed from the past",
    [ORDER],
    () =>
      streamed((story, w) =>
        story.snapshot(w, 1, [[X, "v"]]).collapsed(
          w,
          [0, 3],
          [
            [X, "z"],
            [Y, "w"],
          ],
        ),
      ),
  ],
  [
    "collapsed without its last frame",
    [MARKED],
    () =>
      streamed((story, w) =>
        story
          .snapshot(w, 0, [])
          .collapsed(w, [0, 2], [[X, "v"]], [], false)
          .delta(w, 3, [[X, "z"]]),
      ),
  ],
  [
    "unmarked though it stands for two changes",
    [NO_GAP, "exactly-once: Once"],
    () =>
      streamed((story, w) =>
        story.snapshot(w, 0, []).delta(w, 3, [
          [X, "z"],
          [Y, "w"],
        ]),
      ),
  ],
];

describe("watches", () => {
  test.each(kept)("kept: %s", (_, story) => {
    expect(story().broken).toEqual([]);
  });

  test.each(broken)("broken: %s", (_, promises, story) => {
    expect(story().broken.sort()).toEqual(promises.sort());
  });
});
