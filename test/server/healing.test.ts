import { readdir, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterEach, describe, expect, it, onTestFinished } from "vitest";
import { nodeClock, nodeRandom, nodeTimers } from "../../src/env/node-env.ts";
import { CALL_TIMEOUT_MS_DEFAULT } from "../../src/limits.ts";
import type { Snapshot } from "../../src/raft/types.ts";
import { Healing } from "../../src/server/healing.ts";
import { type LogHost, logPage } from "../../src/server/log-page.ts";
import { LogDamaged } from "../../src/storage/damage.ts";
import { type DataDirectory, openDirectory } from "../../src/storage/directory.ts";
import { ENTRY_KEYS } from "../../src/storage/layout.ts";
import { openLevelStore } from "../../src/storage/level-store.ts";
import type { Salvage } from "../../src/storage/salvage.ts";
import {
  chunkKey,
  chunkRange,
  decodePointer,
  encodePointer,
} from "../../src/storage/snapshot-layout.ts";
import type { RepairSource } from "../../src/storage/snapshot-source.ts";
import {
  birthOf,
  chunksOf,
  entriesBetween,
  hardState,
  random,
  request,
  snapshotAt,
  stage,
  switchTo,
  temporaryDirectory,
} from "../storage/fixture.ts";
import { LogBook } from "./world.ts";

interface Damaged {
  readonly directory: DataDirectory;
  readonly damage: LogDamaged;
}

const LINEAGE = "c.1";
const none: RepairSource = {
  readDownFrom: async () => [],
  readFormerDownFrom: async () => [],
  readPointer: async () => null,
  readChunksFrom: async () => [],
};
const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

/** Of n1, with entries up to 9 of the terms 1 and 2: every one has the same log. */
async function directoryOf(parent: string, others: readonly string[]): Promise<DataDirectory> {
  const directory = await openDirectory(join(parent, "n1"), "n1", random);
  const birth = birthOf(directory);
  const members = others.map((name) => ({ name, incarnation: name }));
  await directory.bear({ ...birth, members: [...birth.members, ...members] });
  const { storage } = await directory.open();
  const entries = [...entriesBetween(1, 5, 1), ...entriesBetween(6, 9, 2)];
  await storage.persist(request(1, { hardState: hardState(2, "b"), entries }));
  return directory;
}

/** Opened again, without its database. */
async function damaged(others = ["n2"]): Promise<Damaged> {
  const parent = await temporaryDirectory();
  await (await directoryOf(parent, others)).close();
  await rm(join(parent, "n1", "db"), { recursive: true });
  const directory = await openDirectory(join(parent, "n1"), "n1", random);
  open.push(directory);
  const damage = await directory.open().catch((error: unknown) => error);
  if (!(damage instanceof LogDamaged)) throw new Error(`not damaged: ${damage}`);
  return { directory, damage };
}

async function twin(): Promise<DataDirectory> {
  const directory = await directoryOf(await temporaryDirectory(), []);
  open.push(directory);
  return directory;
}

/** A node that answers for its log; its address. */
async function serve(host: () => LogHost): Promise<string> {
  const server = createServer(async (incoming, response) => {
    const { searchParams } = new URL(incoming.url ?? "", "http://localhost");
    const page = await logPage(host(), searchParams);
    response.writeHead(page === null ? 400 : 200).end(page?.body ?? "{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return `127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
}

async function healing(
  { directory, damage }: Damaged,
  place: string | null,
  given: { monotonicMs?: () => number; isState?: () => Promise<boolean> } = {},
): Promise<{ healing: Healing; log: LogBook; salvage: Salvage }> {
  const { monotonicMs = nodeClock.monotonicMs, isState = async () => true } = given;
  const log = new LogBook();
  const options = { damage, lineage: LINEAGE, name: "n1", logger: log, isState };
  const salvage = await directory.salvage();
  const placesOf = () => (place === null ? [] : [place]);
  const env = { clock: { ...nodeClock, monotonicMs }, timers: nodeTimers, random: nodeRandom };
  const members = salvage.members.map(({ name }) => name);
  return { healing: new Healing({ ...options, ...env, salvage, members, placesOf }), log, salvage };
}

async function reopened(path: string): Promise<DataDirectory> {
  const directory = await openDirectory(path, "n1", random);
  open.push(directory);
  return directory;
}

describe("a member that heals", () => {
  it("has again the log that it had, with term and vote", async () => {
    const peer = await twin();
    const one = await damaged();
    const place = await serve(() => ({ source: peer.source, lineage: LINEAGE, leader: "n2" }));
    const { directory } = one;
    const { healing: heals } = await healing(one, place);
    expect(await heals.run()).toBe(true);
    await directory.close();
    const again = await reopened(directory.path);
    const { loaded } = await again.open();
    expect(loaded.hardState).toEqual(hardState(2, "b"));
    expect(loaded.entries.map(({ index, term }) => [index, term]).at(-1)).toEqual([9, 2]);
    expect(loaded.entries).toHaveLength(9);
    expect(again.returning).toBeNull();
  });

  it("has what a peer does not use any more from the log that it kept, where nobody leads", async () => {
    const peer = await twin();
    const former = await peer.source.readDownFrom(9, 1_000_000);
    const asked: number[] = [];
    const kept = {
      ...none,
      readDownFrom: async () => [],
      readFormerDownFrom: async (to: number) => {
        asked.push(to);
        return former.slice(9 - to);
      },
    };
    let leader: string | null = "n2";
    let onAsked = (): void => {};
    const askedLed = new Promise<void>((resolve) => (onAsked = resolve));
    const one = await damaged();
    const place = await serve(() => {
      onAsked();
      return { source: kept, lineage: LINEAGE, leader };
    });
    const { healing: heals } = await healing(one, place);
    const healed = heals.run();
    await askedLed;
    expect(asked).toEqual([]);
    leader = null;
    expect(await healed).toBe(true);
    expect(asked[0]).toBe(9);
  });

  it("sets its log aside where a leader says so of itself, and goes on to, and only then", async () => {
    let leader: string | null = null;
    let nowMs = 0;
    let onAsked = (): void => {};
    const asked = () => new Promise<void>((resolve) => (onAsked = resolve));
    const place = await serve(() => {
      onAsked();
      return { source: none, lineage: LINEAGE, leader };
    });
    const one = await damaged();
    const { healing: heals, log } = await healing(one, place, { monotonicMs: () => nowMs });
    const run = heals.run();
    for (const other of [null, "n1", "n3"]) {
      leader = other;
      await log.said(other === null ? /without a leader/ : new RegExp(`led by ${other}, lacks`));
      nowMs += 60_000;
      for (let rounds = 0; rounds < 2; rounds += 1) await asked();
    }
    leader = "n2";
    await log.said(/led by n2, lacks entry 9/);
    for (let rounds = 0; rounds < 2; rounds += 1) await asked();
    expect(log.lines.map(({ message }) => message).join()).not.toMatch(/set aside/);
    nowMs += 60_000;
    expect(await run).toBe(true);
    await one.directory.close();
    const again = await reopened(one.directory.path);
    expect(again.returning).toMatchObject({ lostEnd: { index: 9, term: 2 } });
    expect((await again.open()).loaded).toMatchObject({
      hardState: hardState(2, "b"),
      entries: [],
    });
  }, 30_000);

  it("refuses where there is nobody to ask", async () => {
    const one = await damaged([]);
    const { healing: heals } = await healing(one, null);
    await expect(heals.run()).rejects.toBe(one.damage);
    expect(one.damage).toMatchObject({
      code: "DAMAGED",
      message: expect.stringMatching(/db is missing/),
    });
  });

  it("takes nothing from another cluster, says so, and can be stopped", async () => {
    const peer = await twin();
    const place = await serve(() => ({ source: peer.source, lineage: "other.1", leader: "n2" }));
    const { healing: heals, log } = await healing(await damaged(), place);
    const run = heals.run();
    await log.said(/no member of this cluster/);
    expect(heals.waitingFor()).toMatch(/0 of 9 entries are whole, entry 9 is asked for/);
    heals.stop();
    expect(await run).toBe(false);
  });
});

const OWN = snapshotAt(6, 2, 77);

/** As `directoryOf`, with a snapshot at 6 and nothing of the log before it. Closed. */
async function withSnapshot(snapshot: Snapshot, lost: readonly number[]): Promise<string> {
  const parent = await temporaryDirectory();
  const directory = await directoryOf(parent, ["n2"]);
  await directory.close();
  const { path } = directory;
  const again = await openDirectory(path, "n1", random);
  const { storage } = await again.open();
  await storage.persist(request(1, { snapshot: stage(snapshot) }));
  await storage.persist(request(2, { snapshot: switchTo(snapshot) }));
  await storage.persist(request(3, { snapshot: { type: "cut", index: 6 } }));
  await again.close();
  const store = await openLevelStore(join(path, "db"), { create: false });
  await store.batch(lost.map((chunk) => ({ type: "del", key: chunkKey(snapshot, chunk) })));
  for (const { from, to } of [chunkRange(snapshot), ENTRY_KEYS]) await store.compact({ from, to });
  await store.close();
  return path;
}

/** Opened, and found to be without some of its chunks. */
async function torn(lost: readonly number[]): Promise<Damaged> {
  const directory = await reopened(await withSnapshot(OWN, lost));
  const damage = await directory.open().catch((error: unknown) => error);
  if (!(damage instanceof LogDamaged)) throw new Error(`not damaged: ${damage}`);
  return { directory, damage };
}

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

describe("a member that is stopped while it heals", () => {
  it("ends while it waits for an answer that does not come", async () => {
    let onAsked = (): void => {};
    const asked = new Promise<void>((resolve) => (onAsked = resolve));
    const silent = {
      ...none,
      readDownFrom: () => {
        onAsked();
        return new Promise<never>(() => {});
      },
    };
    const place = await serve(() => ({ source: silent, lineage: LINEAGE, leader: null }));
    const { healing: heals } = await healing(await damaged(), place);
    const run = heals.run();
    await asked;
    const stoppedMs = performance.now();
    heals.stop();
    expect(await run).toBe(false);
    expect(performance.now() - stoppedMs).toBeLessThan(CALL_TIMEOUT_MS_DEFAULT / 2);
  });

  it("leaves what it had, from which the next start heals anew, when it is cut short in the middle of writing", async () => {
    const peer = await twin();
    const one = await damaged();
    const place = await serve(() => ({ source: peer.source, lineage: LINEAGE, leader: null }));
    const { healing: heals, salvage } = await healing(one, place);
    const { repair } = salvage;
    const entries = repair.entries.bind(repair);
    repair.entries = function* () {
      for (const entry of entries()) {
        if (entry.entry.index === 5) heals.stop();
        yield entry;
      }
    };
    expect(await heals.run()).toBe(false);
    const { path } = one.directory;
    const left = (await readdir(path)).filter((file) => /^(db|mark)/.test(file));
    expect(left.sort()).toEqual(["mark"]);
    await one.directory.close();
    const directory = await reopened(path);
    const damage = await directory.open().catch((error: unknown) => error);
    if (!(damage instanceof LogDamaged)) throw new Error(`not damaged: ${damage}`);
    const next = await healing({ directory, damage }, place);
    expect(await next.healing.run()).toBe(true);
    await directory.close();
    expect((await (await reopened(path)).open()).loaded.entries).toHaveLength(9);
  });
});
