import { describe, expect, it, vi } from "vitest";
import type { Snapshot } from "../../src/raft/types.ts";
import type { LogHost, LogQuestions } from "../../src/server/log-page.ts";
import { decodePointer, encodePointer } from "../../src/storage/snapshot-layout.ts";
import type { RepairSource, SealedChunk } from "../../src/storage/snapshot-source.ts";
import { must } from "../../src/util/assert.ts";
import { chunksOf, hardState, snapshotAt } from "../storage/fixture.ts";
import {
  healing,
  LINEAGE,
  none,
  OWN,
  reopened,
  serve,
  torn,
  withSnapshot,
} from "./healing-world.ts";

describe("a member whose snapshot is damaged", () => {
  it("has that of a peer in its place, and its own log, where nobody leads", async () => {
    const other = snapshotAt(6, 2, 99);
    const peer = await reopened(await withSnapshot(other, []));
    await peer.open();
    const one = await torn([2]);
    expect(one.damage.message).toMatch(/chunk 2 of the snapshot at entry 6 is missing/);
    const place = await serve(() => ({ source: peer.source, lineage: LINEAGE, leader: null }));
    const { healing: heals } = await healing(one, place);
    expect(await heals.run()).toBe(true);
    await one.directory.close();
    const again = await reopened(one.directory.path);
    const { loaded, storage } = await again.open();
    expect(loaded).toMatchObject({ hardState: hardState(2, "b"), snapshot: other });
    expect(loaded.entries.map(({ index }) => index)).toEqual([7, 8, 9]);
    const chunks: string[] = [];
    for await (const chunk of storage.chunks()) chunks.push(String(chunk));
    expect(chunks).toEqual(chunksOf(other, 0, other.chunks).map(String));
    expect(again.returning).toBeNull();
  });

  it("has each chunk from whoever has kept it, where both were sent the same one", async () => {
    const [one, two] = [await torn([0, 3]), await torn([1, 4])];
    const salvaged: LogHost[] = [];
    const places = await Promise.all(
      [0, 1].map((at) =>
        serve(() => salvaged[at] ?? { source: none, lineage: LINEAGE, leader: null }),
      ),
    );
    const [first, second] = [
      await healing(one, places[1] ?? null),
      await healing(two, places[0] ?? null),
    ];
    salvaged.push(first.healing.logHost, second.healing.logHost);
    expect(first.healing.waitingFor()).toMatch(
      /or chunk 0 of the snapshot at entry 6 is asked for/,
    );
    expect(await Promise.all([first.healing.run(), second.healing.run()])).toEqual([true, true]);
    for (const { directory } of [one, two]) {
      await directory.close();
      const again = await reopened(directory.path);
      expect((await again.open()).loaded).toMatchObject({ snapshot: OWN });
    }
  });

  it("takes none that is not the state that it says, nor one of another log", async () => {
    const peer = await reopened(await withSnapshot(snapshotAt(6, 2, 99), []));
    await peer.open();
    let source: RepairSource = peer.source;
    const place = await serve(() => ({ source, lineage: LINEAGE, leader: null }));
    const {
      healing: heals,
      log,
      salvage,
    } = await healing(await torn([2]), place, {
      isState: async () => false,
    });
    const run = heals.run();
    await log.said(/has a snapshot at entry 6 that is not what it says/);
    const record = await peer.source.readPointer();
    const pointer = record === null ? null : decodePointer(record);
    if (pointer === null) throw new Error("no snapshot");
    const strange = encodePointer({
      ...pointer,
      snapshot: { ...pointer.snapshot, nonce: 5 },
      chain: "f".repeat(16),
    });
    const asked: number[] = [];
    let told = 0;
    let onTold = (): void => {};
    const toldTwice = new Promise<void>((resolve) => (onTold = resolve));
    source = {
      ...none,
      readPointer: async () => {
        told += 1;
        if (told === 2) onTold();
        return "value" in strange ? strange.value : null;
      },
      readChunksFrom: async ({ nonce }) => {
        asked.push(nonce);
        return [];
      },
    };
    await toldTwice;
    expect(salvage.snapshots.find({ index: 6, nonce: 5 })).not.toBeNull();
    heals.stop();
    expect(await run).toBe(false);
    expect([...new Set(asked)]).toEqual([OWN.nonce]);
  });
});

describe("a member whose question for a snapshot fails", () => {
  /** Of n2, which leads and has `record`; the questions are answered once they are let. */
  async function askedOf(
    record: Uint8Array | null,
    given: readonly SealedChunk[],
    { lost = [2], leader = "n2" }: { lost?: number[]; leader?: string | null } = {},
  ) {
    const failing = new Set(["snapshotRecord", "chunks"]);
    let rounds = 0;
    let nowMs = 0;
    const answer = async <Answer>(question: string, value: Answer): Promise<Answer> => {
      if (failing.has(question)) throw new Error("503 of a node that has no time");
      return value;
    };
    const ask: LogQuestions = {
      entries: async () => {
        rounds += 1;
        nowMs += 60_000;
        return { leader, values: [] };
      },
      snapshotRecord: () => answer("snapshotRecord", record),
      chunks: () => answer("chunks", given),
    };
    const one = await torn(lost);
    const { healing: heals, log } = await healing(one, "n2:1", {
      ask,
      members: ["n2"],
      monotonicMs: () => nowMs,
    });
    return { one, heals, log, failing, rounds: () => rounds };
  }

  it("does not take silence for having none, and has the one that a leader tells of at last", async () => {
    const other = snapshotAt(6, 2, 99);
    const peer = await reopened(await withSnapshot(other, []));
    await peer.open();
    const chunks = await peer.source.readChunksFrom(other, 0, 1_000_000);
    const record = await peer.source.readPointer();
    const { one, heals, log, failing, rounds } = await askedOf(record, chunks);
    const run = heals.run();
    await log.said(
      /n2: led by n2, .*has not told of its snapshot \(503 of a node that has no time\)/,
    );
    await vi.waitFor(() => expect(rounds()).toBeGreaterThanOrEqual(3), 10_000);
    failing.delete("snapshotRecord");
    await log.said(/n2: .*has not given chunk 0 of the snapshot at entry 6 \(503 of a node/);
    const told = rounds();
    await vi.waitFor(() => expect(rounds()).toBeGreaterThanOrEqual(told + 2), 10_000);
    failing.delete("chunks");
    expect(await run).toBe(true);
    await one.directory.close();
    const again = await reopened(one.directory.path);
    expect((await again.open()).loaded).toMatchObject({ snapshot: other });
    expect(again.returning).toBeNull();
  }, 30_000);

  it("gives its log up once all of them are answered, and there is none", async () => {
    const { one, heals, log, failing } = await askedOf(null, []);
    const run = heals.run();
    await log.said(/has not told of its snapshot/);
    failing.clear();
    expect(await run).toBe(true);
    await one.directory.close();
    expect((await reopened(one.directory.path)).returning).toMatchObject({ lostEnd: { index: 9 } });
  }, 30_000);

  it("says how much of a snapshot is here, and that nobody has more once all have said so", async () => {
    const other = snapshotAt(6, 2, 99);
    const peer = await reopened(await withSnapshot(other, []));
    await peer.open();
    const chunks = await peer.source.readChunksFrom(other, 0, 1_000_000);
    const record = await peer.source.readPointer();
    const given = { lost: [0, 1, 2, 3], leader: null };
    const { heals, log, failing } = await askedOf(record, chunks.slice(0, 3), given);
    const run = heals.run();
    await log.said(
      /chunk 0 of the snapshot at entry 6 is asked for \(1 of 5 chunks are here\); n2/,
    );
    failing.delete("snapshotRecord");
    await log.said(/has not given chunk 0/);
    expect(heals.waitingFor()).not.toMatch(/every other member has answered/);
    failing.delete("chunks");
    await vi.waitFor(
      () =>
        expect(heals.waitingFor()).toMatch(
          /\(3 of 5 chunks are here\); every other member has answered, and none has it, or a whole snapshot that fits; n2/,
        ),
      10_000,
    );
    heals.stop();
    expect(await run).toBe(false);
  }, 30_000);
});

/** What a peer has of a snapshot at entry 6 that fits. */
async function whole(snapshot: Snapshot) {
  const peer = await reopened(await withSnapshot(snapshot, []));
  await peer.open();
  const record = must(await peer.source.readPointer());
  const chunks = await peer.source.readChunksFrom(snapshot, 0, 1_000_000);
  return { record, chunks };
}

describe("a member that is offered a snapshot", () => {
  const OTHER = snapshotAt(6, 2, 99);
  const silent = async (): Promise<never> => {
    throw new Error("no answer");
  };

  it("has it also from one that cannot find entries in time", async () => {
    const { record, chunks } = await whole(OTHER);
    const ask: LogQuestions = {
      entries: silent,
      snapshotRecord: async () => record,
      chunks: async () => chunks,
    };
    const one = await torn([2]);
    const { healing: heals } = await healing(one, "n2:1", { ask, members: ["n2"] });
    expect(await heals.run()).toBe(true);
    await one.directory.close();
    const again = await reopened(one.directory.path);
    expect((await again.open()).loaded).toMatchObject({ snapshot: OTHER });
  });

  it("is not kept from giving its log up by one that is not there at all", async () => {
    let nowMs = 0;
    const ofN2 = <Answer>(place: string, answer: Answer) =>
      place === "n2:1" ? Promise.resolve(answer) : silent();
    const ask: LogQuestions = {
      entries: (place) => {
        nowMs += 60_000;
        return ofN2(place, { leader: "n2", values: [] });
      },
      snapshotRecord: (place) => ofN2(place, null),
      chunks: (place) => ofN2(place, []),
    };
    const one = await torn([2]);
    const { healing: heals, log } = await healing(one, null, {
      ...{ ask, members: ["n2", "n3"], placesOf: (name: string) => [`${name}:1`] },
      monotonicMs: () => nowMs,
    });
    expect(await heals.run()).toBe(true);
    await log.said(/set aside/);
    expect(log.lines.map(({ message }) => message).join()).toMatch(/; n3: no answer/);
  });

  it("takes none whose size is another than it says, and takes one later that could not be judged", async () => {
    const { record, chunks } = await whole(OTHER);
    const pointer = must(decodePointer(record));
    const { bytes } = pointer.snapshot;
    const longer = encodePointer({
      ...pointer,
      snapshot: { ...pointer.snapshot, bytes: bytes + 1 },
    });
    if (!("value" in longer)) throw new Error("a record is written");
    let offered = longer.value;
    let judged = 0;
    const ask: LogQuestions = {
      entries: async () => ({ leader: null, values: [] }),
      snapshotRecord: async () => offered,
      chunks: async () => chunks,
    };
    const isState = async (): Promise<boolean> => {
      judged += 1;
      if (judged === 1) throw new Error("no memory");
      return true;
    };
    const first = await healing(await torn([2]), "n2:1", { ask, members: ["n2"], isState });
    const run = first.healing.run();
    await first.log.said(/has a snapshot at entry 6 that is not what it says/);
    expect(judged).toBe(0);
    first.healing.stop();
    expect(await run).toBe(false);

    offered = record;
    const second = await healing(await torn([2]), "n2:1", { ask, members: ["n2"], isState });
    expect(await second.healing.run()).toBe(true);
    expect(second.log.lines.map(({ message }) => message).join()).toMatch(
      /the snapshot at entry 6 could not be judged \(no memory\)/,
    );
    expect(judged).toBe(2);
  });
});
