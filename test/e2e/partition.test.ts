import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect, type RollcallClient, RollcallError } from "../../src/client/index.ts";
import { Cluster, type ClusterNode } from "./cluster.ts";
import { until } from "./wait.ts";

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
  test("fails linearizable reads within their deadline, with a code of the table", async () => {
    const startedMs = performance.now();
    const error = await refusal(client.consumer.get("before", { timeoutMs: 1_500 }));
    expect(["NO_LEADER", "TIMEOUT"]).toContain(error.code);
    expect(performance.now() - startedMs).toBeLessThan(3_000);
  });

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
    const { instances, ageMs } = await client.consumer.get("before", { read: { staleMs: null } });
    expect(instances.map(({ addr }) => addr)).toEqual(["h:1"]);
    expect(ageMs).toBeGreaterThan(500);
    console.info(`age of the answer: ${ageMs} ms`);
    const error = await refusal(client.consumer.get("before", { read: { staleMs: 100 } }));
    expect(error.code).toBe("TOO_STALE");
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
