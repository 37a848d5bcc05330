import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PersistRequest } from "../../src/raft/types.ts";
import type { LoadedLog } from "../../src/storage/storage.ts";
import { AssertionError } from "../../src/util/assert.ts";
import { type Disk, loadedAfter } from "./contract.ts";
import {
  chunkOf,
  chunksOf,
  entriesBetween,
  entry,
  hardState,
  request,
  snapshotAt,
  stage,
  switchTo,
} from "./fixture.ts";
import { action, SnapshotModel } from "./snapshot-model.ts";

/** What every storage promises of snapshots, run against each. */
export function describeSnapshots(kind: string, makeDisk: () => Promise<Disk>): void {
  describe(`snapshots, kept by ${kind}`, () => {
    const loadAfter = (requests: readonly Partial<PersistRequest>[]): Promise<LoadedLog> =>
      loadedAfter(makeDisk, requests);
    const log = { hardState: hardState(2), entries: entriesBetween(1, 8, 1) };
    const committed = { entries: [entry(9, 2)], commitIndex: 8 };
    const taken = snapshotAt(6, 1, 1);
    const installed = snapshotAt(20, 2, 2);
    const chain = "00112233445566ff";
    const take = [{ snapshot: stage(taken) }, { snapshot: switchTo(taken) }];
    const install = [{ snapshot: stage(installed) }, { snapshot: switchTo(installed, chain) }];

    it("that were taken are loaded with the log, which stays as it is", async () => {
      const loaded = await loadAfter([log, committed, ...take]);
      expect(loaded).toEqual({
        hardState: hardState(2),
        snapshot: taken,
        logStart: { index: 0, term: 0 },
        entries: [...entriesBetween(1, 8, 1), entry(9, 2)],
        commitIndex: 8,
      });
    });

    it("that were taken know what is committed, whatever the entries say", async () => {
      expect((await loadAfter([log, ...take])).commitIndex).toBe(6);
    });

    it("that were received replace the log", async () => {
      expect(await loadAfter([log, committed, ...install])).toEqual({
        hardState: hardState(2),
        snapshot: installed,
        logStart: { index: 20, term: 2 },
        entries: [],
        commitIndex: 20,
      });
      const next = entriesBetween(21, 23, 2);
      const loaded = await loadAfter([log, ...install, { entries: next }]);
      expect(loaded.entries).toEqual(next);
    });

    it("cut the log, at most at their index", async () => {
      const cut = (index: number) => ({ snapshot: { type: "cut" as const, index } });
      const after = await loadAfter([log, committed, ...take, cut(4), cut(2)]);
      expect(after.logStart).toEqual({ index: 4, term: 1 });
      expect(after.entries).toEqual([...entriesBetween(5, 8, 1), entry(9, 2)]);
      const all = await loadAfter([log, committed, ...take, cut(6)]);
      expect(all.logStart).toEqual({ index: 6, term: 1 });
      expect(all.entries.map(({ index }) => index)).toEqual([7, 8, 9]);
    });

    it("are the same ones when a switch is told twice, and the log behind it stays", async () => {
      const again = install.slice(1);
      const loaded = await loadAfter([log, ...install, { entries: [entry(21, 2)] }, ...again]);
      expect(loaded.snapshot).toEqual(installed);
      expect(loaded.entries).toEqual([entry(21, 2)]);
      expect((await loadAfter([log, committed, ...take, ...take.slice(1)])).snapshot).toEqual(
        taken,
      );
    });

    it("are looked up in the log on disk, in every way that it may be told there", async () => {
      const disk = await makeDisk();
      const { storage } = await disk.open();
      const later = snapshotAt(9, 2, 5);
      const requests: Partial<PersistRequest>[] = [
        log,
        ...take,
        // In the same request as its entry, and before any entry tells that it is committed.
        { snapshot: stage(later) },
        { entries: [entry(9, 2)], snapshot: switchTo(later) },
        { entries: [entry(10, 2)], commitIndex: 9 },
        { snapshot: { type: "cut", index: 5 } },
        { snapshot: { type: "cut", index: 6 } },
        { snapshot: { type: "cut", index: 9 } },
      ];
      for (const [at, parts] of requests.entries()) await storage.persist(request(at + 1, parts));
      const own = (await storage.readChunk(later, 0))?.chain;
      await storage.close();
      const again = await disk.open();
      expect(again.loaded.logStart).toEqual({ index: 9, term: 2 });
      expect(again.loaded.entries).toEqual([entry(10, 2)]);
      expect((await again.storage.readChunk(later, 0))?.chain).toBe(own);
      await again.storage.close();
    });

    it("are read chunk by chunk, with the chain checksum of the log at their index", async () => {
      const disk = await makeDisk();
      const { storage } = await disk.open();
      const requests = [log, ...take, ...install.slice(0, 1)];
      for (const [at, parts] of requests.entries()) await storage.persist(request(at + 1, parts));
      const [first, last] = [await storage.readChunk(taken, 0), await storage.readChunk(taken, 4)];
      expect(first?.data).toEqual(chunkOf(taken, 0));
      expect(last?.data).toEqual(chunkOf(taken, 4));
      expect(first?.chain).toMatch(/^[0-9a-f]{16}$/);
      expect(first?.chain).not.toBe("0".repeat(16));
      expect(await storage.readChunk(installed, 0)).toBeNull();

      await storage.persist(request(9, install[1]!));
      expect(await storage.readChunk(installed, 3)).toEqual({
        data: chunkOf(installed, 3),
        chain,
      });
      expect((await storage.readChunk(taken, 4))?.data).toEqual(chunkOf(taken, 4));
      await storage.persist(
        request(10, { snapshot: { type: "drop", id: { index: 6, nonce: 1 } } }),
      );
      expect(await storage.readChunk(taken, 4)).toBeNull();
      await expect(storage.readChunk(installed, 5)).rejects.toThrow(AssertionError);
      await storage.close();

      const again = (await disk.open()).storage;
      expect(await collect(again.chunks())).toEqual(chunksOf(installed, 0, 5));
      expect(await again.readChunk(installed, 0)).toEqual({ data: chunkOf(installed, 0), chain });
      expect(await again.readChunk(taken, 0)).toBeNull();
      await again.close();
    });

    it("are none on a new disk", async () => {
      const { storage } = await (await makeDisk()).open();
      expect(await collect(storage.chunks())).toEqual([]);
      expect(await storage.readChunk(taken, 0)).toBeNull();
      await storage.close();
    });

    describe("hold a bug in the caller for a broken invariant:", () => {
      const cut = (index: number) => ({ snapshot: { type: "cut" as const, index } });
      const current = { index: 6, nonce: 1 };
      const other = snapshotAt(5, 1, 3);
      const bugs: readonly [string, readonly Partial<PersistRequest>[]][] = [
        ["a cut behind the snapshot", [...take, cut(7)]],
        ["a cut without a snapshot", [cut(3)]],
        [
          "the drop of the current snapshot",
          [...take, { snapshot: { type: "drop", id: current } }],
        ],
        ["a chunk before its turn", [{ snapshot: stage(taken, 1, 2) }]],
        ["a chunk twice", [{ snapshot: stage(taken, 0, 2) }, { snapshot: stage(taken, 1, 3) }]],
        [
          "a chunk of another snapshot",
          [{ snapshot: stage(taken, 0, 2) }, { snapshot: stage(installed, 2, 3) }],
        ],
        ["chunks of the current snapshot", [...take, { snapshot: stage(taken) }]],
        ["a switch to what is not staged", [{ snapshot: switchTo(taken) }]],
        ["a switch before the last chunk", [{ snapshot: stage(taken, 0, 4) }, take[1]!]],
        [
          "a switch to other bytes than are staged",
          [take[0]!, { snapshot: switchTo({ ...taken, bytes: taken.bytes + 1 }) }],
        ],
        [
          "a switch back to an older snapshot",
          [...take, { snapshot: stage(other) }, { snapshot: switchTo(other) }],
        ],
        [
          "a term that the log does not have there",
          [take[0]!, { snapshot: switchTo({ ...taken, term: 2 }) }],
        ],
        [
          "a snapshot past the log",
          [{ snapshot: stage(installed) }, { snapshot: switchTo(installed) }],
        ],
        [
          "an install below what is committed",
          [{ snapshot: stage(other) }, { snapshot: switchTo(other, chain) }],
        ],
        [
          "an install of a term that is not stored",
          [install[0]!, { snapshot: switchTo({ ...installed, term: 3 }, chain) }],
        ],
        ["the truncation of what a snapshot covers", [...take, { entries: [entry(6, 2)] }]],
      ];
      it.each(bugs)("%s", async (_, requests) => {
        const { storage } = await (await makeDisk()).open();
        await storage.persist(request(1, log));
        await storage.persist(request(2, { entries: [entry(9, 2)], commitIndex: 5 }));
        for (const [at, parts] of requests.slice(0, -1).entries()) {
          await storage.persist(request(at + 3, parts));
        }
        const bug = request(99, requests.at(-1)!);
        await expect(storage.persist(bug)).rejects.toThrow(AssertionError);
        await storage.close();
      });

      it("an install where the log fits the snapshot and goes on behind it", async () => {
        const { storage } = await (await makeDisk()).open();
        const fitting = snapshotAt(8, 1, 4);
        const own = snapshotAt(8, 1, 5);
        const requests = [log, committed, { snapshot: stage(own) }, { snapshot: switchTo(own) }];
        for (const [at, parts] of requests.entries()) {
          await storage.persist(request(at + 1, parts));
        }
        const found = (await storage.readChunk(own, 0))!.chain;
        await storage.close();

        const { storage: follower } = await (await makeDisk()).open();
        await follower.persist(request(1, { ...log, entries: [...log.entries, entry(9, 2)] }));
        await follower.persist(request(2, { snapshot: stage(fitting) }));
        const bug = request(3, { snapshot: switchTo(fitting, found) });
        await expect(follower.persist(bug)).rejects.toThrow("goes on to 9");
        await follower.close();
      });
    });

    it("agree with plain arrays over random writes and starts", async () => {
      const step = fc.oneof(
        { weight: 6, arbitrary: action },
        { weight: 1, arbitrary: fc.constant("restart" as const) },
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
          const disk = await makeDisk();
          const model = new SnapshotModel();
          let { loaded, storage } = await disk.open();
          let write = 0;
          for (const each of [...steps, "restart" as const]) {
            if (each !== "restart") {
              for (const parts of model.requests(each)) {
                write += 1;
                await storage.persist({ ...parts, write });
              }
              continue;
            }
            for (const id of model.complete) {
              expect((await storage.readChunk(id, 2))?.data).toEqual(chunkOf(id, 2));
            }
            await storage.close();
            ({ loaded, storage } = await disk.open());
            write = 0;
            const { hardState: _, commitIndex, ...rest } = loaded;
            expect(rest).toEqual(model.expected());
            expect(model.isCommitIndexRight(commitIndex)).toBe(true);
            expect(await collect(storage.chunks())).toEqual(model.chunks());
            model.restart(loaded);
          }
          await storage.close();
        }),
        { numRuns: 15 },
      );
    }, 60_000);
  });
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const collected: Uint8Array[] = [];
  for await (const chunk of chunks) collected.push(chunk);
  return collected;
}
