import { rm } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { nodeClock, nodeRandom, nodeTimers } from "../../src/env/node-env.ts";
import type { Snapshot } from "../../src/raft/types.ts";
import { parseNodeConfig } from "../../src/server/config.ts";
import { Healing, type HealingOptions } from "../../src/server/healing.ts";
import { answerHttp, type HttpHost } from "../../src/server/http.ts";
import type { LogHost } from "../../src/server/log-page.ts";
import { LogReads } from "../../src/server/log-reads.ts";
import { Metrics } from "../../src/server/metrics.ts";
import { WebAccess } from "../../src/server/web-access.ts";
import { LogDamaged } from "../../src/storage/damage.ts";
import { type DataDirectory, openDirectory } from "../../src/storage/directory.ts";
import { ENTRY_KEYS } from "../../src/storage/layout.ts";
import { openLevelStore } from "../../src/storage/level-store.ts";
import type { Salvage } from "../../src/storage/salvage.ts";
import { chunkKey, chunkRange } from "../../src/storage/snapshot-layout.ts";
import type { RepairSource } from "../../src/storage/snapshot-source.ts";
import {
  birthOf,
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

export interface Damaged {
  readonly directory: DataDirectory;
  readonly damage: LogDamaged;
}

export const LINEAGE = "c.1";
export const none: RepairSource = {
  readDownFrom: async () => [],
  readFormerDownFrom: async () => [],
  readPointer: async () => null,
  readChunksFrom: async () => [],
};
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
export async function damaged(others = ["n2"]): Promise<Damaged> {
  const parent = await temporaryDirectory();
  await (await directoryOf(parent, others)).close();
  await rm(join(parent, "n1", "db"), { recursive: true });
  const directory = await openDirectory(join(parent, "n1"), "n1", random);
  onTestFinished(() => directory.close());
  const damage = await directory.open().catch((error: unknown) => error);
  if (!(damage instanceof LogDamaged)) throw new Error(`not damaged: ${damage}`);
  return { directory, damage };
}

export async function twin(): Promise<DataDirectory> {
  const directory = await directoryOf(await temporaryDirectory(), []);
  onTestFinished(() => directory.close());
  return directory;
}

/** As much of a node as its page for the log takes. */
export function httpHostOf(log: () => LogHost, logReads = new LogReads(nodeTimers)): HttpHost {
  const config = parseNodeConfig({ id: "n1", dataDir: "n1", listen: "127.0.0.1:7400" });
  const given = { access: new WebAccess(config), metrics: new Metrics(), logReads, log };
  return given as unknown as HttpHost;
}

/** A node that answers for its log; its address. */
export async function serve(log: () => LogHost): Promise<string> {
  const host = httpHostOf(log);
  const server = createServer(async (incoming, response) => {
    const { pathname: path, searchParams: query } = new URL(incoming.url ?? "", "http://n1");
    const over = new AbortController();
    response.once("close", () => over.abort());
    const request = { method: "GET", host: null, origin: null, path, query, over: over.signal };
    const { status, body } = await answerHttp(host, request);
    response.writeHead(status).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return `127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
}

/** Of a member that heals on real time. */
export function environment() {
  return { clock: nodeClock, timers: nodeTimers, random: nodeRandom, logger: new LogBook() };
}

export async function healing(
  { directory, damage }: Damaged,
  place: string | null,
  given: Partial<HealingOptions> & { monotonicMs?: () => number } = {},
): Promise<{ healing: Healing; log: LogBook; salvage: Salvage }> {
  const { monotonicMs = nodeClock.monotonicMs, ...rest } = given;
  const log = new LogBook();
  const options = { damage, lineage: LINEAGE, name: "n1", logger: log, isState: async () => true };
  const salvage = await directory.salvage();
  const placesOf = () => (place === null ? [] : [place]);
  const env = { clock: { ...nodeClock, monotonicMs }, timers: nodeTimers, random: nodeRandom };
  const members = salvage.members.map(({ name }) => name);
  const heals = new Healing({ ...options, ...env, salvage, members, placesOf, ...rest });
  return { healing: heals, log, salvage };
}

export async function reopened(path: string): Promise<DataDirectory> {
  const directory = await openDirectory(path, "n1", random);
  onTestFinished(() => directory.close());
  return directory;
}

export const OWN = snapshotAt(6, 2, 77);

/** As `directoryOf`, with a snapshot at 6 and nothing of the log before it. Closed. */
export async function withSnapshot(snapshot: Snapshot, lost: readonly number[]): Promise<string> {
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
export async function torn(lost: readonly number[]): Promise<Damaged> {
  const directory = await reopened(await withSnapshot(OWN, lost));
  const damage = await directory.open().catch((error: unknown) => error);
  if (!(damage instanceof LogDamaged)) throw new Error(`not damaged: ${damage}`);
  return { directory, damage };
}
