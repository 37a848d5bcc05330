import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type WatchEvent, WatchFold } from "../../src/client/watch-fold.ts";
import type { Endpoint } from "../../src/wire/messages.ts";

type State = ReadonlyMap<string, Endpoint>;

function endpoint(number: number, revision: number): Endpoint {
  return {
    ...{ namespace: "default", application: "web", protocol: "http", addr: `h${number}:80` },
    ...{ meta: {}, weight: revision % 1_000, status: "up", session: "s" },
    ...{ createdRevision: 1, modifiedRevision: revision, createdAtMs: 0, modifiedAtMs: 0 },
  };
}

/** One command: addresses that are put, and such that are removed. */
const command = fc.record({
  put: fc.uniqueArray(fc.nat({ max: 12 }), { maxLength: 3 }),
  remove: fc.uniqueArray(fc.nat({ max: 12 }), { maxLength: 2 }),
});

/** What happens to the stream after a command was applied in the registry. */
const step = fc.record({
  command,
  how: fc.constantFrom("delta", "delta", "delta", "delta", "collapse", "snapshot", "cut", "mark"),
  /** Events that the reader takes then. */
  takes: fc.nat({ max: 3 }),
  frames: fc.integer({ min: 1, max: 3 }),
});

interface Run {
  readonly events: readonly WatchEvent[];
  readonly fold: WatchFold;
  /** The state at each revision. */
  readonly states: readonly State[];
}

/**
 * A node, written the plain way: it keeps every state, and sends what the step says. After a cut it
 * resumes from where the fold says that it is.
 */
class Node {
  readonly states: State[] = [new Map()];
  readonly fold = new WatchFold();
  readonly events: WatchEvent[] = [];
  /** What the stream has carried. */
  #sent = 0;

  get revision(): number {
    return this.states.length - 1;
  }

  apply({ put, remove }: { put: readonly number[]; remove: readonly number[] }): void {
    const revision = this.revision + 1;
    const next = new Map(this.states.at(-1));
    for (const number of remove) {
      next.delete(`h${number}:80`);
    }
    for (const number of put) {
      next.set(`h${number}:80`, endpoint(number, revision));
    }
    this.states.push(next);
  }

  snapshot(reset: boolean): void {
    const endpoints = [...(this.states.at(-1) as State).values()];
    const { revision } = this;
    this.fold.snapshot({
      type: "snapshot",
      watch: 1,
      revision,
      endpoints,
      ...(reset && { reset }),
    });
    this.#sent = revision;
  }

  deltas(): void {
    for (let revision = this.#sent + 1; revision <= this.revision; revision += 1) {
      const delta = this.#between(revision - 1, revision);
      if (delta.put.length + delta.remove.length > 0) {
        this.fold.delta({ type: "delta", watch: 1, revision, ...delta });
      }
    }
    this.#sent = this.revision;
  }

  /** In so many frames; the last one is lost where the stream is cut first. */
  collapse(frames: number, isCut: boolean): void {
    const from = this.#sent;
    const { revision } = this;
    const { put, remove } = this.#between(from, revision);
    for (let frame = 0; frame < frames; frame += 1) {
      const last = frame === frames - 1;
      if (last && isCut) {
        return;
      }
      this.fold.delta({
        ...{ type: "delta", watch: 1, revision, collapsed: { from, last } },
        put: put.filter((_endpoint, position) => position % frames === frame),
        remove: remove.filter((_endpoint, position) => position % frames === frame),
      });
    }
    this.#sent = revision;
  }

  cut(isHistoryGone: boolean): void {
    this.fold.interrupted();
    const { resumeFrom } = this.fold;
    if (resumeFrom === null || isHistoryGone) {
      this.snapshot(resumeFrom !== null);
      return;
    }
    this.#sent = resumeFrom;
    this.deltas();
  }

  take(count: number): void {
    for (let taken = 0; taken < count; taken += 1) {
      const event = this.fold.take();
      if (event === null) {
        return;
      }
      this.events.push(event);
    }
  }

  #between(from: number, to: number): { put: Endpoint[]; remove: Endpoint[] } {
    const before = this.states[from] as State;
    const after = this.states[to] as State;
    return {
      put: [...after.values()].filter(
        ({ addr, modifiedRevision }) => before.get(addr)?.modifiedRevision !== modifiedRevision,
      ),
      remove: [...before.values()].filter(({ addr }) => !after.has(addr)),
    };
  }
}

function play(steps: readonly (typeof step extends fc.Arbitrary<infer S> ? S : never)[]): Run {
  const node = new Node();
  node.snapshot(false);
  for (const { command: change, how, takes, frames } of steps) {
    node.apply(change);
    switch (how) {
      case "delta":
        node.deltas();
        break;
      case "collapse":
        node.collapse(frames, false);
        break;
      case "snapshot":
        node.snapshot(true);
        break;
      case "mark":
        node.deltas();
        node.fold.mark(node.revision);
        break;
      case "cut":
        node.collapse(frames, true);
        node.cut(frames === 3);
        break;
    }
    node.take(takes);
  }
  node.deltas();
  node.take(Number.POSITIVE_INFINITY);
  return { events: node.events, fold: node.fold, states: node.states };
}

const story = fc.array(step, { maxLength: 60 });

describe("the fold of a watch", () => {
  test("every event's list is the registry's state at the event's revision", () => {
    fc.assert(
      fc.property(story, (steps) => {
        const { events, states } = play(steps);
        for (const { instances, revision } of events) {
          const state = states[revision] as State;
          expect(new Set(instances)).toEqual(new Set(state.values()));
        }
      }),
    );
  });

  test("what the reader had, with put and remove applied, is the list it is given", () => {
    fc.assert(
      fc.property(story, (steps) => {
        const held = new Map<string, Endpoint>();
        for (const { put, remove, instances } of play(steps).events) {
          for (const { addr } of remove) {
            expect(held.delete(addr)).toBe(true);
          }
          for (const one of put) {
            held.set(one.addr, one);
          }
          expect(new Set(held.values())).toEqual(new Set(instances));
          expect(remove.filter(({ addr }) => held.has(addr))).toEqual([]);
        }
      }),
    );
  });

  test("revisions only grow, and the reader ends with the latest state", () => {
    fc.assert(
      fc.property(story, (steps) => {
        const { events, states } = play(steps);
        const revisions = events.map(({ revision }) => revision);
        for (const [position, revision] of revisions.entries()) {
          expect(revision).toBeGreaterThanOrEqual(revisions[position - 1] ?? 0);
        }
        const last = events.at(-1) as WatchEvent;
        expect(new Set(last.instances)).toEqual(new Set((states.at(-1) as State).values()));
      }),
    );
  });

  test("an event that is neither a snapshot nor collapsed is one command, and none is left out", () => {
    fc.assert(
      fc.property(story, (steps) => {
        const { events, states } = play(steps);
        let before = 0;
        for (const event of events) {
          const isOne = event.type === "change" && event.collapsed === undefined;
          for (let between = before + 1; isOne && between < event.revision; between += 1) {
            expect(states[between]).toEqual(states[before]);
          }
          before = event.revision;
        }
      }),
    );
  });

  test("only the first snapshot is no reset", () => {
    fc.assert(
      fc.property(story, (steps) => {
        const snapshots = play(steps).events.filter(({ type }) => type === "snapshot");
        expect(snapshots.map((event) => "reset" in event && event.reset)).toEqual(
          snapshots.map((_event, position) => position > 0),
        );
      }),
    );
  });

  test("a snapshot of another lineage says so, once, though another one comes before it is read", () => {
    const fold = new WatchFold();
    const snapshot = (revision: number) =>
      fold.snapshot({ type: "snapshot", watch: 1, revision, endpoints: [] });
    snapshot(5);
    expect(fold.take()).not.toHaveProperty("lineageChanged");
    fold.forgetRevisions();
    snapshot(2 ** 32);
    snapshot(2 ** 32 + 1);
    expect(fold.take()).toMatchObject({ reset: true, lineageChanged: true });
    snapshot(2 ** 32 + 2);
    expect(fold.take()).not.toHaveProperty("lineageChanged");
    const first = new WatchFold();
    first.forgetRevisions();
    first.snapshot({ type: "snapshot", watch: 1, revision: 7, endpoints: [] });
    expect(first.take()).not.toHaveProperty("lineageChanged");
  });

  test("a reader that never reads holds no more than what it saw and what there is", () => {
    const node = new Node();
    node.apply({ put: [1, 2, 3], remove: [] });
    node.snapshot(false);
    node.take(1);
    for (let round = 0; round < 5_000; round += 1) {
      // One that comes and goes, and a new one every time.
      const [put, remove] = round % 5 === 1 ? [[], [1]] : [[1], []];
      node.apply({ put: [100 + round, ...put], remove: [99 + round, ...remove] });
      node.deltas();
      expect(node.fold.waitingCount).toBeLessThan(1_000);
    }
    node.take(Number.POSITIVE_INFINITY);
    expect(node.events.length).toBeLessThanOrEqual(257);
    for (const { remove, instances } of node.events) {
      expect(remove.filter((gone) => instances.some(({ addr }) => addr === gone.addr))).toEqual([]);
    }
    const mentioned = node.events.flatMap(({ put, remove }) => [...put, ...remove]);
    expect(mentioned.length).toBeLessThan(1_000);
    expect(node.events.at(-1)?.instances.map(({ addr }) => addr)).toEqual([
      ...["h1:80", "h2:80", "h3:80", "h5099:80"],
    ]);
  });
});
