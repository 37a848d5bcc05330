import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { run } from "../../src/cli/program.ts";
import { connect, type RollcallClient, type WatchEvent } from "../../src/client/index.ts";
import { LINEAGE_REVISIONS, TTL_MS_MIN } from "../../src/limits.ts";
import { captured } from "../cli/captured-world.ts";
import { Cluster } from "./world.ts";

let cluster: Cluster;
const clients: RollcallClient[] = [];

beforeEach(async () => {
  cluster = await Cluster.started(1, 2);
}, 20_000);

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await cluster.close();
});

async function client(...names: string[]): Promise<RollcallClient> {
  const servers = names.map((name) => `ws://${cluster.address(name)}`);
  const made = await connect({ servers, ttlMs: TTL_MS_MIN, graceMs: 0 });
  clients.push(made);
  return made;
}

async function snapshot(
  ...args: string[]
): Promise<{ exitCode: number; out: string; err: string }> {
  const { world, out, err } = captured(["snapshot", ...args], { cwd: cluster.root });
  return { exitCode: await run(world), out: out(), err: err() };
}

async function save(): Promise<void> {
  const at = ["-s", cluster.address("n1"), "--linearizable", "--force"];
  expect(await snapshot("save", "it.snap", ...at)).toMatchObject({ exitCode: 0 });
}

const restore = (directory: string, ...more: string[]) =>
  snapshot("restore", "it.snap", "--id", "n1", "--data", directory, ...more);

/** All that there is of the node is lost, and what was restored takes its place. */
async function loseAll(directory: string): Promise<void> {
  await cluster.nodes.get("n1")?.stop();
  await rm(cluster.dataDir("n1"), { recursive: true });
  await cluster.start("n1", { bootstrap: [], dataDir: join(cluster.root, directory) });
}

async function nextOf(events: AsyncIterator<WatchEvent>): Promise<WatchEvent> {
  const { value } = await events.next();
  return value;
}

async function until(
  events: AsyncIterator<WatchEvent>,
  isIt: (event: WatchEvent) => boolean,
): Promise<WatchEvent> {
  for (;;) {
    const event = await nextOf(events);
    if (isIt(event)) {
      return event;
    }
  }
}

const addrsOf = ({ instances }: WatchEvent) => instances.map(({ addr }) => addr);

describe("a cluster that is restored", () => {
  test("is not made where its sessions could not come back, unless they are dropped", async () => {
    const provider = await client("n1");
    await provider.provider.register({ application: "shop", protocol: "http", addr: "a:1" });
    await save();
    const refused = await restore("low", "--disk-low", "1000TiB", "--dry-run");
    expect(refused).toMatchObject({ exitCode: 78, err: expect.stringContaining("would be low") });
    expect((await restore("low", "--disk-low", "1000TiB")).exitCode).toBe(78);
    expect(await readdir(cluster.root)).not.toContain("low");
    expect((await restore("low", "--disk-low", "much")).exitCode).toBe(2);
    const dropped = await restore("low", "--disk-low", "1000TiB", "--drop-sessions");
    expect(dropped.exitCode).toBe(0);
    expect((await restore("never", "--disk-low", "0")).exitCode).toBe(0);
  });

  test("resets a watch of before, is told of living providers, and drops the dead ones", async () => {
    const consumer = await client("n1");
    const alive = await client("n1");
    const dead = await client("n1");
    await alive.provider.register({ application: "shop", protocol: "http", addr: "alive:1" });
    await dead.provider.register({ application: "shop", protocol: "http", addr: "dead:1" });
    const watch = consumer.consumer.watch("shop")[Symbol.asyncIterator]();
    const seen = await until(watch, ({ instances }) => instances.length === 2);
    await save();
    // What comes after the backup is not in it, and is put back by who is alive.
    await alive.provider.register({ application: "shop", protocol: "http", addr: "late:1" });
    await until(watch, ({ instances }) => instances.length === 3);
    expect((await restore("new")).exitCode).toBe(0);
    await cluster.nodes.get("n1")?.stop();
    await dead.close();
    await loseAll("new");

    const reset = await until(watch, ({ type }) => type === "snapshot");
    expect(reset).toMatchObject({ reset: true, lineageChanged: true });
    expect(reset.revision).toBeGreaterThanOrEqual(seen.revision + LINEAGE_REVISIONS);
    expect(addrsOf(reset)).toEqual(expect.arrayContaining(["alive:1", "dead:1"]));
    // Who lives may have put its own back before the watch is there again.
    let last = reset;
    while (addrsOf(last).includes("dead:1")) last = await nextOf(watch);
    expect(addrsOf(last)).toEqual(["alive:1", "late:1"]);
    expect(await consumer.consumer.get("shop")).toMatchObject({ instances: [{}, {}] });
    // The session of before has ended as well, though its client lives and has another one.
    await cluster.until(() => cluster.nodes.get("n1")?.status()?.sessions === 1);
    expect((await consumer.consumer.get("shop")).instances).toHaveLength(2);
  }, 40_000);

  test("without its sessions has what is persistent, and what lives comes back", async () => {
    const provider = await client("n1");
    await provider.provider.register({ application: "shop", protocol: "http", addr: "alive:1" });
    await provider.provider.register({
      ...{ application: "shop", protocol: "http", addr: "persistent:1", persistent: true },
    });
    await save();
    const { out } = await restore("new", "--drop-sessions");
    expect(out).toMatch(/ {2}1 instance, 0 sessions; \d sessions? and 1 instance left out\n/);
    await loseAll("new");
    await cluster.until(() => cluster.nodes.get("n1")?.status()?.instances === 2);
  }, 20_000);

  test("grows to three by nodes that join it", async () => {
    const provider = await client("n1", "n2", "n3");
    await provider.provider.register({ application: "shop", protocol: "http", addr: "alive:1" });
    await save();
    await restore("new");
    await loseAll("new");
    await cluster.until(() => cluster.isReady("n1"));
    for (const name of ["n2", "n3"]) {
      await cluster.join(name);
      await cluster.until(() => cluster.isReady(name) && cluster.membershipOf(name) === "voter");
    }
    const digests = () => [...cluster.nodes.values()].map((node) => node.status()?.digest);
    await cluster.until(() => new Set(digests()).size === 1);
    expect(cluster.nodes.get("n3")?.status()).toMatchObject({ instances: 1 });
    // What was restored once is restored from again.
    await save();
    expect(JSON.parse((await restore("again", "-o", "json")).out).revision).toBeGreaterThan(
      2 * LINEAGE_REVISIONS,
    );
  }, 40_000);
});

describe("snapshot restore", () => {
  test("makes nothing in a dry run, but checks all and says what would be", async () => {
    await save();
    const { exitCode, out } = await restore("dry", "--dry-run");
    expect(exitCode).toBe(0);
    expect(out).toMatch(
      /^would make .*dry: node n1, the only member of a new cluster; nothing was/,
    );
    expect(await readdir(cluster.root)).not.toContain("dry");
  });

  test("touches nothing where the file is not whole, or the place is not free", async () => {
    await save();
    const taken = await restore("n1");
    expect(taken).toMatchObject({ exitCode: 78, err: expect.stringContaining("already") });
    await writeFile(join(cluster.root, "it.snap"), "rollcall snapshot\n");
    const cut = await restore("new");
    expect(cut).toMatchObject({ exitCode: 1, err: expect.stringContaining("is cut off") });
    expect(await readdir(cluster.root)).not.toContain("new");
  });

  test("that was cut short is no directory to start on, and is made anew", async () => {
    await save();
    expect((await restore("new")).exitCode).toBe(0);
    const directory = join(cluster.root, "new");
    await writeFile(join(directory, "unfinished"), "");
    await cluster.nodes.get("n1")?.stop();
    const start = cluster.start("n1", { bootstrap: [], dataDir: directory });
    await expect(start).rejects.toThrow(/not complete: a restore or a recovery into it/);
    await rm(join(directory, "mark"));
    expect((await restore("new")).exitCode).toBe(0);
    await cluster.start("n1", { bootstrap: [], dataDir: directory });
    await cluster.until(() => cluster.isReady("n1"));
  });

  test("asks which node is to be made", async () => {
    const { exitCode, err } = await snapshot("restore", "it.snap", "--id", "n1");
    expect([exitCode, err]).toEqual([2, expect.stringContaining("--id and --data, both")]);
  });
});
