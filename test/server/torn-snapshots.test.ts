import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SNAPSHOT_LIMITS } from "../../src/replica/snapshot-taker.ts";
import type { NodeEnd } from "../../src/server/node-environment.ts";
import { ENTRY_KEYS } from "../../src/storage/layout.ts";
import { openLevelStore } from "../../src/storage/level-store.ts";
import {
  CHUNK_KEYS,
  chunkKey,
  decodePointer,
  POINTER_KEY,
} from "../../src/storage/snapshot-layout.ts";
import { must } from "../../src/util/assert.ts";
import { BareClient, Cluster } from "./world.ts";

/** A log of a few hundred writes is long with these, and behind a snapshot nothing of it stays. */
Object.assign(SNAPSHOT_LIMITS, {
  ...{ logBytesMin: 16 * 1024, tailBytes: 0, laggardBytesMax: 0, chunkBytes: 4 * 1024 },
});

const INSTANCES = 400;

let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.started(3);
}, 20_000);

afterEach(() => cluster.close());

/** Until each node has a snapshot, and has cut its log behind it. */
async function fill(): Promise<void> {
  const provider = await BareClient.open(cluster.address("n1"));
  for (let port = 1; port <= INSTANCES; port += 1) {
    const meta = { note: "x".repeat(200) };
    provider.send({
      application: "shop",
      protocol: "http",
      addr: `h:${port}`,
      meta,
      persistent: true,
    });
    await provider.next();
  }
  await cluster.until(() =>
    [...cluster.nodes.values()].every((node) => (node.status()?.firstIndex ?? 0) > 64),
  );
  await provider.close();
}

/** For good: a deletion alone leaves what it deletes in an older file. The index of its snapshot. */
async function loseChunk(name: string, chunk: number): Promise<number> {
  const store = await openLevelStore(join(cluster.dataDir(name), "db"), { create: false });
  const { snapshot } = must(decodePointer(must(await store.get(POINTER_KEY))));
  await store.batch([{ type: "del", key: chunkKey(snapshot, chunk) }]);
  for (const range of [CHUNK_KEYS, ENTRY_KEYS]) await store.compact(range);
  await store.close();
  return snapshot.index;
}

function said(text: RegExp): number {
  return cluster.log.lines.filter(({ message }) => text.test(message)).length;
}

function stopAll(): Promise<unknown> {
  return Promise.all([...cluster.nodes.values()].map((node) => node.stop()));
}

describe("nodes whose snapshots are damaged", () => {
  it("have that of the one that is whole, where nobody can be elected without them", async () => {
    await fill();
    await stopAll();
    for (const name of ["n2", "n3"]) expect(await loseChunk(name, 3)).toBeGreaterThan(64);
    await Promise.all(cluster.names.map((name) => cluster.start(name)));
    await cluster.until(() => cluster.names.every((name) => cluster.isReady(name)), 30_000);
    expect(said(/the log is whole again/)).toBe(2);
    expect(said(/set aside/)).toBe(0);
    for (const node of cluster.nodes.values()) {
      expect(node.status()).toMatchObject({ instances: INSTANCES, isReturning: false });
    }
  }, 60_000);

  it("say what they lack as long as nobody has it, end when they are told to, and heal later", async () => {
    await fill();
    await stopAll();
    const index = await loseChunk("n2", 3);
    const node = await cluster.start("n2");
    await cluster.log.said(
      new RegExp(
        `entry \\d+, or chunk 3 of the snapshot at entry ${index} is asked for \\(\\d+ of \\d+ chunks are here\\); .*n[13]:`,
      ),
    );
    const stoppedMs = performance.now();
    await node.stop();
    expect(performance.now() - stoppedMs).toBeLessThan(2_000);
    expect(await node.ended).toEqual({ exitCode: 0, error: null } satisfies NodeEnd);
    await Promise.all(cluster.names.map((name) => cluster.start(name)));
    await cluster.until(() => cluster.names.every((name) => cluster.isReady(name)), 30_000);
    expect(said(/the log is whole again/)).toBe(1);
  }, 60_000);
});
