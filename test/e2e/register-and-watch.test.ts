import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect, type RollcallClient } from "../../src/client/index.ts";
import { Cluster } from "./cluster.ts";
import { PlainClient } from "./plain-client.ts";
import { within } from "./wait.ts";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
});

afterAll(async () => {
  await cluster.stop();
});

describe("the JSON shapes that users were promised, sent as they stand", () => {
  test("register, subscribe and push work without a hello", async () => {
    const [first, second] = await cluster.followers();
    const consumer = await PlainClient.open(first.url);
    consumer.send({
      subscribes: [
        {
          provider: "provider_test",
          protocol: "http",
          meta: { cluster: "small", idc: "shanghai" },
        },
        { provider: "test_provider2", protocol: "http", meta: { tag: "read" } },
      ],
    });
    expect(await consumer.answer()).toMatchObject({ ok: true });
    await consumer.push("an empty list of the first", (push) => push.watch === 0);
    await consumer.push("an empty list of the second", (push) => push.watch === 1);

    const provider = await PlainClient.open(second.url);
    provider.send({
      application: "provider_test",
      protocol: "http",
      addr: "127.0.0.1:8080",
      meta: { cluster: "small", idc: "shanghai", tag: "read" },
    });
    const answer = await provider.answer();
    expect(answer).toEqual({ ok: true, version: expect.any(String) });

    const push = await consumer.push("the instance", ({ endpoints }) => endpoints?.length === 1);
    expect(push).toMatchObject({
      version: answer.version,
      watch: 0,
      endpoints: [
        {
          application: "provider_test",
          protocol: "http",
          addr: "127.0.0.1:8080",
          meta: { cluster: "small", idc: "shanghai", tag: "read" },
        },
      ],
    });

    provider.send({
      unregister: { application: "provider_test", protocol: "http", addr: "127.0.0.1:8080" },
    });
    expect(await provider.answer()).toMatchObject({ ok: true });
    await consumer.push("an empty list again", ({ endpoints }) => endpoints?.length === 0);
    await Promise.all([provider.close(), consumer.close()]);
  });
});

describe("the SDK", () => {
  async function withClients(
    urls: readonly string[],
    use: (...clients: RollcallClient[]) => Promise<void>,
  ): Promise<void> {
    const clients = await Promise.all(urls.map((url) => connect({ servers: [url] })));
    try {
      await Promise.all(clients.map((client) => client.ready()));
      await use(...clients);
    } finally {
      await Promise.all(clients.map((client) => client.close()));
    }
  }

  test("reads on another node at once what it registered on a follower", async () => {
    const leader = await cluster.leader();
    const [follower] = await cluster.followers();
    await withClients([follower.url, leader.url], async (provider, consumer) => {
      for (let port = 1; port <= 20; port += 1) {
        const addr = `10.0.0.1:${port}`;
        await provider?.provider.register({ application: "orders", protocol: "http", addr });
        const { instances } = (await consumer?.consumer.get("orders")) ?? { instances: [] };
        expect(instances.map((instance) => instance.addr)).toContain(addr);
      }
    });
  });

  test("is pushed to on the third node within milliseconds", async () => {
    const [first, second] = await cluster.followers();
    await withClients([first.url, second.url], async (provider, consumer) => {
      const stream = consumer?.consumer.watch("payments");
      expect(stream).toBeDefined();
      await within(5_000, "a snapshot", Promise.resolve(stream?.next()));
      const latenciesMs: number[] = [];
      for (let port = 1; port <= 50; port += 1) {
        const startedMs = performance.now();
        const addr = `10.0.0.2:${port}`;
        const registering = provider?.provider.register({
          application: "payments",
          protocol: "http",
          addr,
        });
        const event = await within(5_000, "a push", Promise.resolve(stream?.next()));
        latenciesMs.push(performance.now() - startedMs);
        expect(event?.value.put.map((instance: { addr: string }) => instance.addr)).toEqual([addr]);
        await registering;
      }
      latenciesMs.sort((a, b) => a - b);
      const [p50, p99] = [latenciesMs[24], latenciesMs[49]].map((ms) => ms?.toFixed(1));
      console.info(`register on one follower to push on the other: p50 ${p50} ms, max ${p99} ms`);
    });
  });
});
