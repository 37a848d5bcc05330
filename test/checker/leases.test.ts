import { describe, expect, test } from "vitest";
import { check } from "../../jepsen-lite/checker/check.ts";
import { GRACE_MS, SLACK_MS, Story, TTL_MS, X } from "./story.ts";

const EARLY = "leases: Never early";
const LATE = "leases: Never late";
const OVER = "leases: For good";
/** More than a TTL and all slack, but not two. */
const LONG_MS = TTL_MS + 4 * SLACK_MS;

function told(driftMax = 0, electionMs = 0): Story {
  return new Story({ hasNodeEvents: true, driftMax, electionMs });
}

/** Undisturbed, and led by one node, from the start. */
function calm(driftMax = 0, electionMs = 0): Story {
  return told(driftMax, electionMs).record({ type: "calm" }).record({ type: "leader", node: "n1" });
}

/** On the connection on which `s` has said goodbye, which was the third of that. */
function successor(): Story {
  return new Story().open("s").touch("s", 3).bye("s", 1, 0).left("s").open("t");
}

const kept: [name: string, story: () => Story][] = [
  ["a TTL of silence", () => told().open("s").wait(TTL_MS).ended("s", "ttl")],
  [
    "a fast clock",
    () =>
      told(0.1)
        .open("s")
        .wait(TTL_MS * 0.91)
        .ended("s", "ttl"),
  ],
  [
    "a TTL after a keepalive",
    () => told().open("s").wait(900).touch("s").wait(TTL_MS).ended("s", "ttl"),
  ],
  [
    "a keepalive that was not confirmed",
    () => {
      const story = told().open("s").wait(900);
      story.invoke("s", { kind: "touch", session: "s", attach: 1 });
      return story.wait(100).ended("s", "ttl");
    },
  ],
  [
    "a grace after it was closed",
    () => told().open("s").closed("s").wait(GRACE_MS).ended("s", "grace"),
  ],
  ["goodbye at once", () => told().open("s").ended("s", "closed")],
  [
    "told its end after it",
    () => told().open("s").wait(TTL_MS).ended("s", "ttl", 3).told("s", "ttl", 3),
  ],
  [
    "an end that is forgotten",
    () => told().open("s").wait(TTL_MS).ended("s", "ttl", 2).told("s", "unknown", 3),
  ],
  [
    "told that nobody knows it, a TTL after its last sign of life",
    () => new Story().open("s").wait(500).touch("s").wait(TTL_MS).told("s", "unknown"),
  ],
  [
    "told that nobody knows it, a grace after it was closed",
    () => new Story().open("s").closed("s").wait(GRACE_MS).told("s", "unknown"),
  ],
  [
    "told that nobody knows it, by a fast clock",
    () =>
      new Story({ driftMax: 0.1 })
        .open("s")
        .wait(TTL_MS * 0.91)
        .told("s", "unknown"),
  ],
  [
    "told that nobody knows it after goodbye",
    () => new Story().open("s").left("s").told("s", "unknown"),
  ],
  [
    "told that nobody knows it, with its goodbye on its way",
    () => {
      const story = new Story().open("s");
      story.saying("s", 1);
      return story.told("s", "unknown");
    },
  ],
  [
    "told that nobody knows it, a TTL after another one said goodbye on its connection",
    () => successor().wait(TTL_MS).told("t", "unknown"),
  ],
  [
    "told that nobody knows it, a grace after its connection, which was another one's before",
    () => successor().closed("t", 1).wait(GRACE_MS).told("t", "unknown"),
  ],
  [
    "told that nobody knows it, and whoever opened it does not know either",
    () => {
      const story = told();
      const call = { kind: "open", session: "s", ttlMs: TTL_MS, graceMs: GRACE_MS } as const;
      story.invoke("s", call);
      return story.told("s", "unknown");
    },
  ],
  [
    "a keepalive in flight while it ends",
    () => {
      const story = told().open("s").wait(TTL_MS);
      story.invoke("s", { kind: "touch", session: "s", attach: 1 });
      return story.ended("s", "ttl");
    },
  ],
  [
    "left, and over in time",
    () => calm().open("s").left("s").wait(TTL_MS).ended("s", "ttl").wait(LONG_MS).open("t"),
  ],
  [
    "closed, and over in time",
    () => calm().open("s").closed("s").left("s").wait(GRACE_MS).ended("s", "grace"),
  ],
  [
    "left, and a slow clock",
    () =>
      calm(0.1)
        .open("s")
        .left("s")
        .wait(TTL_MS * 1.11)
        .ended("s", "ttl"),
  ],
  [
    "left, and a new leader",
    () =>
      calm()
        .open("s")
        .left("s")
        .wait(TTL_MS / 2)
        .record({ type: "leader", node: "n2" })
        .wait(TTL_MS)
        .ended("s", "ttl"),
  ],
  [
    "closed before a new leader, which gives a TTL",
    () =>
      calm()
        .open("s")
        .record({ type: "leader", node: "n2" })
        .closed("s")
        .left("s")
        .wait(TTL_MS)
        .ended("s", "grace"),
  ],
  [
    "late, but disturbed",
    () => told().record({ type: "leader", node: "n1" }).open("s").left("s").wait(LONG_MS).open("t"),
  ],
  [
    "closed before it was calm, and perhaps on a node that died",
    () =>
      told()
        .record({ type: "leader", node: "n1" })
        .open("s")
        .closed("s")
        .left("s")
        .record({ type: "calm" })
        .wait(TTL_MS)
        .ended("s", "ttl"),
  ],
  [
    "closed after it was opened twice, which gives a TTL",
    () => {
      const story = calm();
      const call = { kind: "open", session: "s", ttlMs: TTL_MS, graceMs: GRACE_MS } as const;
      const op = story.invoke("s", call);
      story.record({ type: "again", op }).record({ type: "ok", op, revision: 0 });
      return story.closed("s", 2).left("s").wait(TTL_MS).ended("s", "grace");
    },
  ],
  ["not left", () => calm().open("s").wait(LONG_MS).open("t")],
  [
    "left, and a new leader after an election that took a while",
    () =>
      calm(0, 2 * TTL_MS)
        .open("s")
        .left("s")
        .wait(2 * TTL_MS)
        .record({ type: "leader", node: "n2" })
        .wait(TTL_MS)
        .ended("s", "ttl"),
  ],
];

const broken: [name: string, promises: string[], story: () => Story][] = [
  [
    "a millisecond early",
    [EARLY],
    () =>
      told()
        .open("s")
        .wait(TTL_MS - 4)
        .ended("s", "ttl"),
  ],
  [
    "earlier than a fast clock",
    [EARLY],
    () =>
      told(0.1)
        .open("s")
        .wait(TTL_MS * 0.9)
        .ended("s", "ttl"),
  ],
  [
    "early after a keepalive",
    [EARLY],
    () => told().open("s").wait(900).touch("s").wait(900).ended("s", "ttl"),
  ],
  [
    "early, as told to the client alone",
    [EARLY],
    () => new Story().open("s").wait(900).told("s", "ttl"),
  ],
  [
    "a short grace",
    [EARLY],
    () =>
      told()
        .open("s")
        .closed("s")
        .wait(GRACE_MS - 4)
        .ended("s", "grace"),
  ],
  ["a grace without a close", [EARLY], () => told().open("s").wait(TTL_MS).ended("s", "grace")],
  [
    "the grace of a connection that was replaced",
    [EARLY],
    () => told().open("s").closed("s", 1).touch("s", 2).wait(GRACE_MS).ended("s", "grace"),
  ],
  [
    "a keepalive that is confirmed after the end",
    [EARLY, OVER],
    () => told().open("s").wait(TTL_MS).ended("s", "ttl").touch("s"),
  ],
  [
    "a write that is acknowledged after the end",
    [OVER],
    () => told().open("s").wait(TTL_MS).ended("s", "ttl").remove("s", 1, X, 0),
  ],
  [
    "told its end too soon",
    [OVER],
    () => told().open("s").wait(TTL_MS).told("s", "ttl").ended("s", "ttl"),
  ],
  [
    "told another reason",
    [OVER],
    () => told().open("s").wait(TTL_MS).ended("s", "ttl").told("s", "closed"),
  ],
  ["left, and not over", [LATE], () => calm().open("s").left("s").wait(LONG_MS).open("t")],
  ["left, and over late", [LATE], () => calm().open("s").left("s").wait(LONG_MS).ended("s", "ttl")],
  [
    "closed, and not over after its grace",
    [LATE],
    () =>
      calm()
        .open("s")
        .closed("s")
        .left("s")
        .wait(GRACE_MS + 2 * SLACK_MS)
        .open("t"),
  ],
  [
    "told that nobody knows it, before its TTL",
    [EARLY],
    () => new Story().open("s").wait(500).touch("s").wait(600).told("s", "unknown"),
  ],
  [
    "told that nobody knows it, before its grace",
    [EARLY],
    () =>
      new Story()
        .open("s")
        .wait(500)
        .closed("s")
        .wait(GRACE_MS - 4)
        .told("s", "unknown"),
  ],
  [
    "told that nobody knows it, after the close of a connection that was replaced",
    [EARLY],
    () => new Story().open("s").closed("s", 1).touch("s", 2).wait(GRACE_MS).told("s", "unknown"),
  ],
  [
    "told that nobody knows it, and left only then",
    [EARLY],
    () => new Story().open("s").told("s", "unknown").left("s"),
  ],
  [
    "told that nobody knows it, and its goodbye was refused",
    [EARLY],
    () => {
      const story = new Story().open("s");
      return story.fail(story.saying("s", 1), "LIMIT").told("s", "unknown");
    },
  ],
  [
    "told that nobody knows it, and said goodbye only then",
    [EARLY],
    () => {
      const story = new Story().open("s").told("s", "unknown");
      story.saying("s", 1);
      return story;
    },
  ],
  [
    "told that nobody knows it, when another one has said goodbye on its connection",
    [EARLY],
    () => successor().told("t", "unknown"),
  ],
  [
    "told that nobody knows it, a grace after a close that was another one's",
    [EARLY],
    () => successor().closed("s", 3).wait(GRACE_MS).told("t", "unknown"),
  ],
  [
    "told that nobody knows it, and no node has ended it",
    [OVER],
    () => told().open("s").wait(TTL_MS).told("s", "unknown"),
  ],
  [
    "told that nobody knows it, of a revision before its end",
    [OVER],
    () => told().open("s").wait(TTL_MS).ended("s", "ttl", 3).told("s", "unknown", 2),
  ],
  [
    "left, and no new leader within an election",
    [LATE],
    () =>
      calm(0, TTL_MS / 2)
        .open("s")
        .left("s")
        .wait(2 * TTL_MS)
        .record({ type: "leader", node: "n2" })
        .wait(TTL_MS)
        .ended("s", "ttl"),
  ],
  [
    "what it owned is shown later",
    [LATE],
    () =>
      new Story()
        .record({ type: "calm" })
        .record({ type: "leader", node: "n1" })
        .open("s")
        .put("s", 1, [[X, "v"]], 1)
        .left("s")
        .wait(LONG_MS)
        .read("r", 1, [[X, "v"]]),
  ],
];

describe("leases", () => {
  test.each(kept)("kept: %s", (_, story) => {
    expect(story().broken).toEqual([]);
  });

  test.each(broken)("broken: %s", (_, promises, story) => {
    expect(story().broken.sort()).toEqual(promises.sort());
  });

  test("say what was allowed before an end was late, and what was left of it", () => {
    const story = calm(0, 300).open("s").open("t").left("s").left("t");
    story.wait(TTL_MS / 2).record({ type: "leader", node: "n2" });
    story.wait(TTL_MS).ended("s", "ttl").ended("t", "ttl");
    const named = { ttlMs: TTL_MS, graceMs: GRACE_MS, closeNoticeMs: 10, driftMax: 0 };
    const changes = { leaderChanges: 1, electionMs: 300, expirySlackMs: SLACK_MS };
    const { bounds } = check(story.events);
    expect(bounds).toEqual([{ sessions: 2, ...named, ...changes, spareMs: SLACK_MS - 2 }]);
  });

  test("of which nobody saw anything, nothing is left to say", () => {
    const story = new Story().record({ type: "calm" }).record({ type: "leader", node: "n1" });
    const { bounds } = check(story.open("s").left("s").wait(LONG_MS).open("t").events);
    expect(bounds).toMatchObject([{ sessions: 1, leaderChanges: 0, spareMs: null }]);
  });
});
