import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { until } from "../../jepsen-lite/real/wait.ts";
import { connect, type RollcallClient, RollcallError } from "../../src/client/index.ts";
import { Cluster, type ClusterNode } from "./cluster.ts";
import { within } from "./wait.ts";

let cluster: Cluster;
let lonely: ClusterNode;
let client: RollcallClient;

beforeAll(async () => {
  cluster = await Cluster.start();
  lonely = (await cluster.followers())[0];
  client = await connect({ servers: [lonely.url] });
  await client.provider.register({ application: "before", protocol: "http", addr: "h:1" });
  cluster.cutOff(lonely);
  await until(10_000, "the lonely node to have no leader", async () => {
    const status = await lonely.status();
    return status?.leader === null ? true : null;
  });
});

afterAll(async () => {
  cluster.heal();
  await client.close();
  await cluster.stop();
});

/** What the node says to one request of a client that goes nowhere else. */
async function askedOf(node: ClusterNode, request: object): Promise<Record<string, unknown>> {
  const socket = new WebSocket(node.url, ["rollcall.v1.json"]);
  const replied = new Promise<Record<string, unknown>>((resolve, reject) => {
    socket.on("error", reject);
    socket.on("message", (data) => {
      const frame: unknown = JSON.parse(String(data));
      for (const message of [frame].flat() as Record<string, unknown>[]) {
        if (message["type"] === "reply") {
          resolve(message);
        }
      }
    });
  });
  const client = { name: "test", version: "1", language: "none" };
  socket.on("open", () =>
    socket.send(JSON.stringify([{ type: "hello", versions: [1], client }, request])),
  );
  try {
    return await within(5_000, "a reply", replied);
  } finally {
    socket.terminate();
  }
}

async function refusal(call: Promise<unknown>): Promise<RollcallError> {
  const error = await call.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof RollcallError)) {
    throw new Error(`not refused by the registry: ${String(error)}`);
  }
  return error;
}

describe("a node whose links to the others are stopped", () => {
  test("fails writes within their deadline, and says whether they may have happened", async () => {
    const startedMs = performance.now();
    const error = await refusal(
      client.provider.register(
        { application: "during", protocol: "http", addr: "h:2" },
        { timeoutMs: 1_500 },
      ),
    );
    expect(["NO_LEADER", "TIMEOUT"]).toContain(error.code);
    expect(error.definite).toBe(error.code === "NO_LEADER");
    expect(performance.now() - startedMs).toBeLessThan(3_000);
  });

  test("answers stale reads with their age, and refuses those that bound it", async () => {
    const selector = { application: "before" };
    const any = await askedOf(lonely, { type: "get", id: 1, selector, read: { staleMs: null } });
    expect(any).toMatchObject({ ok: true, endpoints: [{ addr: "h:1" }] });
    expect(any["ageMs"]).toBeGreaterThan(500);
    console.info(`age of the answer: ${any["ageMs"]} ms`);
    const fresh = { type: "get", id: 1, selector, read: { staleMs: 500 } };
    expect(await askedOf(lonely, fresh)).toMatchObject({ error: { code: "TOO_STALE" } });
  });

  test("refuses linearizable reads when their time is over, and says that it has no leader", async () => {
    const startedMs = performance.now();
    const get = { type: "get", id: 1, selector: { application: "before" }, timeoutMs: 1_000 };
    expect(await askedOf(lonely, get)).toMatchObject({ error: { code: "NO_LEADER" } });
    expect(performance.now() - startedMs).toBeLessThan(2_500);
  });

  test("is left by a client for a read that another can answer", async () => {
    const reads = [{ read: { staleMs: 2_000 } }, {}];
    for (const options of reads) {
      const other = await connect({ servers: [lonely.url] });
      await other.ready();
      const { instances, ageMs } = await other.consumer.get("before", options);
      expect(instances.map(({ addr }) => addr)).toEqual(["h:1"]);
      expect(ageMs).toBeLessThan(2_000);
      expect(other.state.connection).not.toMatchObject({ node: lonely.name });
      await other.close();
    }
  });

  test("leaves the others a leader, and follows again when it is back", async () => {
    const rest = cluster.nodes.filter((node) => node !== lonely);
    const other = await connect({ servers: rest.map((node) => node.url) });
    await other.provider.register({ application: "rest", protocol: "http", addr: "h:3" });
    cluster.heal();
    const { instances } = await client.consumer.get("rest", { timeoutMs: 10_000 });
    expect(instances.map(({ addr }) => addr)).toEqual(["h:3"]);
    await other.close();
  });
});
