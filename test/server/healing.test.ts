import { rm } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterEach, describe, expect, it, onTestFinished } from "vitest";
import { nodeClock, nodeRandom, nodeTimers } from "../../src/env/node-env.ts";
import { Healing } from "../../src/server/healing.ts";
import { type LogHost, logPage } from "../../src/server/log-page.ts";
import { LogDamaged } from "../../src/storage/damage.ts";
import { type DataDirectory, openDirectory } from "../../src/storage/directory.ts";
import {
  birthOf,
  entriesBetween,
  hardState,
  random,
  request,
  temporaryDirectory,
} from "../storage/fixture.ts";
import { LogBook } from "./world.ts";

interface Damaged {
  readonly directory: DataDirectory;
  readonly damage: LogDamaged;
}

const LINEAGE = "c.1";
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
  monotonicMs = nodeClock.monotonicMs,
): Promise<{ healing: Healing; log: LogBook }> {
  const log = new LogBook();
  const options = { damage, lineage: LINEAGE, name: "n1", logger: log };
  const salvage = await directory.salvage();
  const placesOf = () => (place === null ? [] : [place]);
  const env = { clock: { ...nodeClock, monotonicMs }, timers: nodeTimers, random: nodeRandom };
  const members = salvage.members.map(({ name }) => name);
  return { healing: new Healing({ ...options, ...env, salvage, members, placesOf }), log };
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
    const place = await serve(() => ({ source: peer, lineage: LINEAGE, leader: "n2" }));
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
    const former = await peer.readDownFrom(9, 1_000_000);
    const asked: number[] = [];
    const kept = {
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
    const none = { readDownFrom: async () => [], readFormerDownFrom: async () => [] };
    const place = await serve(() => {
      onAsked();
      return { source: none, lineage: LINEAGE, leader };
    });
    const one = await damaged();
    const { healing: heals, log } = await healing(one, place, () => nowMs);
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
    const place = await serve(() => ({ source: peer, lineage: "other.1", leader: "n2" }));
    const { healing: heals, log } = await healing(await damaged(), place);
    const run = heals.run();
    await log.said(/no member of this cluster/);
    expect(heals.waitingFor()).toMatch(/0 of 9 entries are whole, entry 9 is asked for/);
    heals.stop();
    expect(await run).toBe(false);
  });
});
