import { execFile } from "node:child_process";
import { access, readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../../jepsen-lite/real/wait.ts";
import { connect, type RollcallClient } from "../../src/client/index.ts";
import { CHECKPOINT_ENTRIES } from "../../src/limits.ts";
import { BIN, Cluster, type ClusterNode } from "./cluster.ts";
import { falsify } from "./wrong-log.ts";

const WRONG = "10.0.0.1:1";

let cluster: Cluster;
let wrong: ClusterNode;
let others: readonly ClusterNode[];
let client: RollcallClient;

beforeAll(async () => {
  cluster = await Cluster.start();
  [wrong] = await cluster.followers();
  others = cluster.nodes.filter((node) => node !== wrong);
  client = await connect({ servers: others.map(({ url }) => url) });
  await register(WRONG);
});

afterAll(async () => {
  await client.close();
  await cluster.stop();
});

async function register(addr: string): Promise<void> {
  await client.provider.register({ application: "shop", protocol: "http", addr });
}

/** One entry each, to behind the next checkpoint. */
async function writeOn(port: number): Promise<void> {
  for (let entry = 1; entry <= CHECKPOINT_ENTRIES; entry += 1) {
    await register(`10.0.0.${entry}:${port}`);
  }
}

/** As every node has it in its own copy. */
async function weightsOn(node: ClusterNode): Promise<number[]> {
  const reader = await connect({ servers: [node.url] });
  const { instances } = await reader.consumer.get("shop", { read: { staleMs: null } });
  await reader.close();
  return instances.filter(({ addr }) => addr === WRONG).map(({ weight }) => weight);
}

test("a node whose state is wrong stops itself, and the others go on", async () => {
  wrong.signal("SIGTERM");
  await wrong.exited();
  await falsify(wrong.dataDir, wrong.name, WRONG);
  wrong.start();
  await cluster.leader();
  expect(await weightsOn(wrong)).toEqual([7]);
  await writeOn(2);
  expect((await wrong.exited()).code).toBe(76);
  await access(join(wrong.dataDir, "diverged"));
  await register("10.0.0.2:3");
});

test("started again it takes their state, keeps its own aside, and counts again", async () => {
  wrong.start();
  await until(20_000, "the node to be back", async () =>
    (await wrong.readiness())?.isReady === true ? true : null,
  );
  expect(await weightsOn(wrong)).toEqual([100]);
  expect(await readdir(wrong.dataDir)).toEqual(expect.arrayContaining(["db", "db.1"]));
  const text = (await wrong.log()).map(({ msg }) => msg);
  expect(text).toContainEqual(expect.stringContaining("its log is set aside"));
  expect(text).toContainEqual(expect.stringContaining("back: the state of a peer"));

  // With one of the others away, nothing is elected or committed without it.
  await (await cluster.leader()).kill();
  await cluster.leader();
  await writeOn(4);
  const status = await wrong.status();
  expect(status?.instances).toBe(2 * CHECKPOINT_ENTRIES + 2);
});

test("told to by an operator, a node that is stopped does the same", async () => {
  const [other] = others.filter((node) => node.isRunning);
  if (other === undefined) throw new Error("none of the others runs");
  for (const node of others) if (!node.isRunning) node.start();
  await cluster.leader();
  other.signal("SIGTERM");
  await other.exited();
  const args = ["discard-state", "--id", other.name, "--data", other.dataDir];
  const { stdout } = await promisify(execFile)(process.execPath, [BIN, ...args]);
  expect(stdout).toBe(`${other.name} takes the state of the other members at its next start\n`);
  other.start();
  await until(20_000, "the node to be back", async () =>
    (await other.readiness())?.isReady === true ? true : null,
  );
  const text = (await other.log()).map(({ msg }) => msg);
  expect(text).toContainEqual(expect.stringContaining("back: the state of a peer"));
  await register("10.0.0.2:5");
});

test("stopped and started once more it is a node like any other", async () => {
  wrong.signal("SIGTERM");
  await wrong.exited();
  wrong.start();
  await cluster.leader();
  expect(await weightsOn(wrong)).toEqual([100]);
  const statuses = await Promise.all(cluster.nodes.map((node) => node.status()));
  expect(new Set(statuses.map((status) => status?.digest)).size).toBe(1);
});
