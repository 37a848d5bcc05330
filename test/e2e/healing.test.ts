import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { voteOnDisk } from "../../jepsen-lite/real/vote-on-disk.ts";
import { until } from "../../jepsen-lite/real/wait.ts";
import { connect, type RollcallClient } from "../../src/client/index.ts";
import { Cluster, type ClusterNode } from "./cluster.ts";

const INSTANCES = 900;
const META = { note: "x".repeat(400) };

let cluster: Cluster;
let provider: RollcallClient;

beforeAll(async () => {
  cluster = await Cluster.start();
  provider = await connect({ servers: cluster.urls });
  for (let first = 0; first < INSTANCES; first += 100) {
    await Promise.all(Array.from({ length: 100 }, (_, at) => register(first + at)));
  }
}, 60_000);

afterAll(async () => {
  await provider.close();
  await cluster.stop();
});

function register(number: number): Promise<unknown> {
  const addr = `h:${number + 1}`;
  return provider.provider.register({ application: "shop", protocol: "http", addr, meta: META });
}

/** One bit in every 300 bytes of a third of each file that LevelDB keeps records in. */
async function damageThird({ dataDir }: ClusterNode, third: number): Promise<number> {
  const database = await databaseOf(dataDir);
  let flipped = 0;
  for (const file of await readdir(database)) {
    if (!/\.(?:log|ldb)$/.test(file)) continue;
    const path = join(database, file);
    const content = await readFile(path);
    const [from, to] = [third, third + 1].map((count) => Math.floor((content.length * count) / 3));
    for (let at = from ?? 0; at < (to ?? 0); at += 300) {
      content[at] = (content[at] ?? 0) ^ 4;
      flipped += 1;
    }
    await writeFile(path, content);
  }
  return flipped;
}

async function databaseOf(dataDir: string): Promise<string> {
  const numbers = (await readdir(dataDir)).flatMap((file) => {
    const [, digits] = /^db(?:\.(\d+))?$/.exec(file) ?? [];
    return /^db(?:\.\d+)?$/.test(file) ? [Number(digits ?? 0)] : [];
  });
  const last = Math.max(...numbers);
  return join(dataDir, last === 0 ? "db" : `db.${last}`);
}

/** How often it has said so, over all its starts. */
async function timesHealed(node: ClusterNode): Promise<number> {
  return (await node.log()).filter(({ msg }) => msg.includes("the log is whole again")).length;
}

async function everythingIsThere(): Promise<void> {
  await cluster.leader();
  for (const node of cluster.nodes) {
    const client = await connect({ servers: [node.url] });
    expect(await client.consumer.get("shop")).toHaveProperty("instances.length", INSTANCES);
    await client.close();
  }
}

describe("a node whose log is damaged", () => {
  test("has it again from its peers, with its votes, and is whole at the next start", async () => {
    const [node] = await cluster.followers();
    await node.kill();
    const vote = await voteOnDisk(node.dataDir);
    expect(await damageThird(node, 1)).toBeGreaterThan(100);
    node.start();
    await node.votes();
    expect(await timesHealed(node)).toBe(1);
    expect((await voteOnDisk(node.dataDir))?.term).toBeGreaterThanOrEqual(vote?.term ?? 0);
    await everythingIsThere();
    await node.kill();
    node.start();
    await node.votes();
    await everythingIsThere();
    expect(await timesHealed(node)).toBe(1);
  }, 60_000);

  test("has it again without its database", async () => {
    const [node] = await cluster.followers();
    const before = await timesHealed(node);
    await node.kill();
    await rm(await databaseOf(node.dataDir), { recursive: true });
    node.start();
    await node.votes();
    expect(await timesHealed(node)).toBe(before + 1);
    await everythingIsThere();
  }, 60_000);

  test("waits for somebody who has what it lacks, and says so", async () => {
    const leader = await cluster.leader();
    const [node, other] = await cluster.followers();
    const before = await timesHealed(node);
    await Promise.all([leader.kill(), node.kill(), other.kill()]);
    await damageThird(node, 1);
    node.start();
    await until(20_000, "the node to say what it waits for", async () => {
      const text = (await node.readiness())?.text ?? "";
      return /\[-\]log failed: the log is damaged: \d+ of \d+ entries/.test(text) ? true : null;
    });
    expect(await node.status()).toBeNull();
    leader.start();
    other.start();
    await node.votes();
    expect(await timesHealed(node)).toBe(before + 1);
    await everythingIsThere();
  }, 60_000);

  test("is made whole where every node has lost another third and nobody leads", async () => {
    const before = await Promise.all(cluster.nodes.map(timesHealed));
    await Promise.all(cluster.nodes.map((node) => node.kill()));
    for (const [third, node] of cluster.nodes.entries()) await damageThird(node, third);
    for (const node of cluster.nodes) node.start();
    await everythingIsThere();
    const after = await Promise.all(cluster.nodes.map(timesHealed));
    expect(after).toEqual(before.map((times) => times + 1));
  }, 60_000);

  test("gives up an older copy of its directory, and says so at every start", async () => {
    const [node] = await cluster.followers();
    await node.kill();
    const [now, copy] = [node.dataDir, `${node.dataDir}.copy`];
    await cp(now, copy, { recursive: true });
    node.start();
    await node.votes();
    await register(INSTANCES + 1);
    await register(INSTANCES);
    await cluster.leader();
    await node.kill();
    await rm(now, { recursive: true });
    await cp(copy, now, { recursive: true });
    for (const start of ["the first", "a later"]) {
      node.start();
      expect(await node.exited(), start).toMatchObject({ code: 74 });
    }
    expect(await node.errors()).toMatch(/older copy.*had acknowledged entry/);
  }, 60_000);
});
