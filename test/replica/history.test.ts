import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Change } from "../../src/registry/change.ts";
import type { Instance } from "../../src/registry/instance.ts";
import { changeBytes, History } from "../../src/replica/history.ts";
import { Queue } from "../../src/replica/queue.ts";
import { spec } from "./harness.ts";

function instance(application: string, addr: string, value: string): Instance {
  const at = { createdRevision: 1, modifiedRevision: 1, createdAtMs: 0, modifiedAtMs: 0 };
  const { isPersistent: _, ...content } = spec(addr, { application, meta: [["value", value]] });
  return { ...content, session: null, ...at };
}

/** Commands, each of some changes in some applications; the revision counts them. */
const commands = fc.array(
  fc.array(
    fc.record({
      application: fc.constantFrom("a", "b", "c"),
      addr: fc.constantFrom("h:1", "h:2", "h:3"),
      size: fc.nat(300),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  { maxLength: 60 },
);

function changesOf(
  command: readonly { application: string; addr: string; size: number }[],
  revision: number,
): Change[] {
  return command.map(({ application, addr, size }) => ({
    revision,
    before: null,
    after: instance(application, addr, "v".repeat(size)),
  }));
}

/** Keeps everything, and drops from the front by the same two bounds. */
class NaiveHistory {
  readonly #changesMax: number;
  readonly #bytesMax: number;
  #changes: Change[] = [];
  #floor = 0;

  constructor(changesMax: number, bytesMax: number) {
    this.#changesMax = changesMax;
    this.#bytesMax = bytesMax;
  }

  add(change: Change): void {
    this.#changes.push(change);
    const bytes = () => this.#changes.reduce((sum, kept) => sum + changeBytes(kept), 0);
    while (this.#changes.length > this.#changesMax || bytes() > this.#bytesMax) {
      this.#floor = this.#changes.shift()?.revision ?? 0;
    }
  }

  since(application: string, revision: number): readonly Change[] | null {
    if (revision < this.#floor) return null;
    return this.#changes.filter(
      (change) => change.revision > revision && change.after?.application === application,
    );
  }
}

describe("the history", () => {
  test("gives what a naive one gives, for every application and every revision", () => {
    fc.assert(
      fc.property(
        commands,
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 500, max: 9_000 }),
        (rows, changesMax, bytesMax) => {
          const history = new History({ changesMax, bytesMax }, 0);
          const naive = new NaiveHistory(changesMax, bytesMax);
          rows.forEach((row, at) => {
            for (const change of changesOf(row, at + 1)) {
              history.add(change);
              naive.add(change);
            }
            for (const application of ["a", "b", "c", "none"]) {
              for (let revision = 0; revision <= at + 1; revision += 1) {
                const name = { namespace: "default", application };
                expect(history.since(name, revision)).toEqual(naive.since(application, revision));
              }
            }
          });
        },
      ),
      { numRuns: 60 },
    );
  });

  test("does not answer for a command of which a part is gone", () => {
    const history = new History({ changesMax: 3, bytesMax: 1_000_000 }, 0);
    const name = { namespace: "default", application: "a" };
    for (const change of changesOf(
      [1, 2].map((at) => ({ application: "a", addr: `h:${at}`, size: 0 })),
      1,
    )) {
      history.add(change);
    }
    for (const change of changesOf(
      [3, 4].map((at) => ({ application: "a", addr: `h:${at}`, size: 0 })),
      2,
    )) {
      history.add(change);
    }
    expect(history.since(name, 0)).toBeNull();
    expect(history.since(name, 1)).toHaveLength(2);
  });

  test("starts at the revision of a state that it did not see come to be", () => {
    const history = new History({ changesMax: 10, bytesMax: 1_000_000 }, 40);
    const name = { namespace: "default", application: "a" };
    expect(history.since(name, 39)).toBeNull();
    expect(history.since(name, 40)).toEqual([]);
  });
});

describe("a queue", () => {
  test("gives what an array gives", () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.nat()), { maxLength: 600 }), (steps) => {
        const queue = new Queue<number>();
        const naive: number[] = [];
        let last = 0;
        for (const step of steps) {
          if (step === null) {
            if (naive.length > 0) expect(queue.shift()).toBe(naive.shift());
          } else {
            last += step % 3;
            queue.push(last);
            naive.push(last);
          }
          expect(queue.length).toBe(naive.length);
          expect(queue.first()).toBe(naive[0] ?? null);
        }
        expect([...queue]).toEqual(naive);
        expect(queue.from((value) => value > last / 2)).toEqual(
          naive.filter((value) => value > last / 2),
        );
      }),
    );
  });
});
