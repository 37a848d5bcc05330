import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Entry, HardState, PersistRequest } from "../../src/raft/types.ts";
import type { LoadedLog, Storage } from "../../src/storage/storage.ts";
import { AssertionError } from "../../src/util/assert.ts";
import { entriesBetween, entry, hardState, request } from "./fixture.ts";

export interface Disk {
  /** A start of the node; the one before was closed. */
  open(): Promise<{ readonly loaded: LoadedLog; readonly storage: Storage }>;
}

/** Carries out the requests in one start, then tells what the next one loads. */
export async function loadedAfter(
  makeDisk: () => Promise<Disk>,
  requests: readonly Partial<PersistRequest>[],
): Promise<LoadedLog> {
  const disk = await makeDisk();
  const { storage } = await disk.open();
  for (const [at, parts] of requests.entries()) await storage.persist(request(at + 1, parts));
  await storage.close();
  return reload(disk);
}

async function reload(disk: Disk): Promise<LoadedLog> {
  const { loaded, storage } = await disk.open();
  await storage.close();
  return loaded;
}

/** What every storage promises, run against each. */
export function describeStorage(kind: string, makeDisk: () => Promise<Disk>): void {
  const loadAfter = (requests: readonly Partial<PersistRequest>[]): Promise<LoadedLog> =>
    loadedAfter(makeDisk, requests);

  describe(`the storage contract, kept by ${kind}`, () => {
    it("loads nothing from a new disk", async () => {
      expect(await loadAfter([])).toEqual({
        hardState: { term: 0, vote: null },
        snapshot: null,
        logStart: { index: 0, term: 0 },
        entries: [],
        commitIndex: 0,
      });
    });

    it("loads the entries that were appended, byte for byte, in the order of their indices", async () => {
      const empty: Entry = { index: 1, term: 1, kind: "noop", data: new Uint8Array() };
      const large: Entry = { ...entry(2, 1), data: new Uint8Array(70_000).fill(0xa5) };
      const rest = entriesBetween(3, 400, 1);
      const loaded = await loadAfter([
        { hardState: hardState(1), entries: [empty] },
        { entries: [large, ...rest.slice(0, 10)] },
        { entries: rest.slice(10) },
      ]);
      expect(loaded.entries).toEqual([empty, large, ...rest]);
    });

    it("loads the last term and vote", async () => {
      const loaded = await loadAfter([
        { hardState: hardState(1) },
        { hardState: hardState(1, "a") },
        { hardState: hardState(7, "b") },
      ]);
      expect(loaded.hardState).toEqual({ term: 7, vote: "b" });
    });

    it("keeps a vote through starts that write none", async () => {
      const disk = await makeDisk();
      const { storage } = await disk.open();
      await storage.persist(request(1, { hardState: hardState(3, "a") }));
      await storage.close();
      for (let start = 0; start < 3; start += 1) {
        expect((await reload(disk)).hardState).toEqual({ term: 3, vote: "a" });
      }
    });

    it("replaces an entry and everything behind it", async () => {
      const loaded = await loadAfter([
        { hardState: hardState(1), entries: entriesBetween(1, 9, 1) },
        { hardState: hardState(2), entries: [entry(5, 2), entry(6, 2)] },
      ]);
      expect(loaded.entries).toEqual([...entriesBetween(1, 4, 1), entry(5, 2), entry(6, 2)]);
    });

    it("replaces the whole log", async () => {
      const loaded = await loadAfter([
        { hardState: hardState(1), entries: entriesBetween(1, 3, 1) },
        { hardState: hardState(2), entries: [entry(1, 2)] },
      ]);
      expect(loaded.entries).toEqual([entry(1, 2)]);
    });

    it("stores the commit index with the next entries, and never a lower one", async () => {
      const first = { hardState: hardState(1), entries: [entry(1, 1)], commitIndex: 0 };
      const second = { entries: [entry(2, 1)], commitIndex: 1 };
      const third = { entries: [entry(3, 1)], commitIndex: 0 };
      expect((await loadAfter([first])).commitIndex).toBe(0);
      expect((await loadAfter([first, second])).commitIndex).toBe(1);
      expect((await loadAfter([first, second, third])).commitIndex).toBe(1);
    });

    it("goes on where an earlier start ended", async () => {
      const disk = await makeDisk();
      for (let start = 1; start <= 4; start += 1) {
        const { loaded, storage } = await disk.open();
        expect(loaded.entries).toHaveLength((start - 1) * 2);
        const next = loaded.entries.length + 1;
        const term = hardState(start);
        await storage.persist(request(1, { hardState: term, entries: [entry(next, start)] }));
        await storage.persist(request(2, { entries: [entry(next + 1, start)] }));
        await storage.close();
      }
      expect((await reload(disk)).entries.map(({ term }) => term)).toEqual([
        1, 1, 2, 2, 3, 3, 4, 4,
      ]);
    });

    describe("holds a bug in its caller for a broken invariant:", () => {
      const stored = { hardState: hardState(2, "a"), entries: entriesBetween(1, 4, 2) };
      const committed = { entries: [entry(5, 2)], commitIndex: 3 };
      const bugs: readonly [string, Partial<PersistRequest>][] = [
        ["a gap", { entries: [entry(7, 2)] }],
        ["a gap inside", { entries: [entry(6, 2), entry(8, 2)] }],
        ["the truncation of what is committed", { entries: [entry(3, 2)] }],
        ["a term that goes back along the log", { entries: [entry(6, 1)] }],
        ["an entry of a term that is not stored", { entries: [entry(6, 3)] }],
        ["a commit index past the log", { entries: [entry(6, 2)], commitIndex: 7 }],
        ["a lower term", { hardState: hardState(1) }],
        ["a second vote in a term", { hardState: hardState(2, "b") }],
      ];
      it.each(bugs)("%s", async (_, bug) => {
        const { storage } = await (await makeDisk()).open();
        await storage.persist(request(1, stored));
        await storage.persist(request(2, committed));
        await expect(storage.persist(request(3, bug))).rejects.toThrow(AssertionError);
        await storage.close();
      });

      it("the truncation of what is committed, after a commit index that went back", async () => {
        const { storage } = await (await makeDisk()).open();
        await storage.persist(request(1, stored));
        await storage.persist(request(2, committed));
        await storage.persist(request(3, { entries: [entry(6, 2)], commitIndex: 0 }));
        const bug = request(4, { entries: [entry(3, 2)] });
        await expect(storage.persist(bug)).rejects.toThrow(AssertionError);
        await storage.close();
      });

      it("a second persist while one is out", async () => {
        const { storage } = await (await makeDisk()).open();
        const first = storage.persist(request(1, stored));
        await expect(storage.persist(request(2, committed))).rejects.toThrow(
          "one persist at a time",
        );
        await first;
        await storage.close();
      });

      it("a persist after close", async () => {
        const { storage } = await (await makeDisk()).open();
        await storage.close();
        await expect(storage.persist(request(1, stored))).rejects.toThrow("persist after close");
      });
    });

    it("agrees with a plain array over random appends, truncations, votes and starts", async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
          const disk = await makeDisk();
          const model = new NaiveLog();
          let { loaded, storage } = await disk.open();
          let write = 0;
          for (const each of steps) {
            if (each === "restart") {
              await storage.close();
              ({ loaded, storage } = await disk.open());
              write = 0;
              expect(model.differsFrom(loaded)).toBeNull();
              continue;
            }
            write += 1;
            await storage.persist({ ...model.next(each), write });
          }
          await storage.close();
          expect(model.differsFrom(await reload(disk))).toBeNull();
        }),
        { numRuns: 15 },
      );
    }, 60_000);
  });
}

interface Change {
  readonly back: number;
  readonly count: number;
  readonly bytes: Uint8Array;
  readonly commit: number;
}

const change: fc.Arbitrary<Change> = fc.record({
  back: fc.nat(3),
  count: fc.nat(4),
  bytes: fc.uint8Array({ maxLength: 40 }),
  commit: fc.nat(3),
});
const step = fc.oneof(
  { weight: 6, arbitrary: change },
  { weight: 1, arbitrary: fc.constant("restart" as const) },
);

class NaiveLog {
  #entries: Entry[] = [];
  #hardState: HardState = { term: 0, vote: null };
  #commitIndex = 0;

  /** Every change is a term of its own, so that any truncation is legal. */
  next(change: Change): Omit<PersistRequest, "write"> {
    const term = this.#hardState.term + 1;
    this.#hardState = { term, vote: term % 2 === 0 ? "a" : null };
    const keep = Math.max(this.#commitIndex, this.#entries.length - change.back);
    if (change.count === 0) {
      return {
        hardState: this.#hardState,
        entries: [],
        commitIndex: this.#commitIndex,
        snapshot: null,
      };
    }
    const kind = term % 3 === 0 ? "noop" : "commands";
    const entries = Array.from({ length: change.count }, (_, at): Entry => {
      return { index: keep + 1 + at, term, kind, data: change.bytes };
    });
    this.#entries = [...this.#entries.slice(0, keep), ...entries];
    const commitIndex = Math.min(this.#commitIndex + change.commit, this.#entries.length);
    this.#commitIndex = Math.max(this.#commitIndex, commitIndex);
    return { hardState: this.#hardState, entries, commitIndex, snapshot: null };
  }

  differsFrom(loaded: LoadedLog): string | null {
    const own = { hardState: this.#hardState, entries: this.#entries };
    const theirs = { hardState: loaded.hardState, entries: loaded.entries };
    const [a, b] = [JSON.stringify(own), JSON.stringify(theirs)];
    if (a !== b) return `${a} is not ${b}`;
    // A truncation may have taken the entry that told of the last commit index with it.
    return loaded.commitIndex <= this.#commitIndex ? null : "an invented commit index";
  }
}
