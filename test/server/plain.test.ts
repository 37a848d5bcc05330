import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BareClient, Cluster } from "./world.ts";

const REGISTER = {
  application: "provider_test",
  protocol: "http",
  addr: "127.0.0.1:8080",
  meta: { cluster: "small", idc: "shanghai", tag: "read" },
};

describe("plain mode", () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await Cluster.started(3);
  }, 20_000);

  afterAll(() => cluster.close());

  it("registers on one node, and a subscriber of another is pushed the instance", async () => {
    const consumer = await BareClient.open(cluster.address("n3"));
    consumer.send({
      subscribes: [
        { provider: "provider_test", protocol: "http", meta: { cluster: "small" } },
        { provider: "somebody_else" },
      ],
    });
    expect(await consumer.next()).toMatchObject({ ok: true, version: expect.any(String) });
    const empty = [await consumer.next(), await consumer.next()];
    expect(empty.map((push) => push["endpoints"])).toEqual([[], []]);
    expect(empty.map((push) => push["watch"]).sort()).toEqual([0, 1]);

    const provider = await BareClient.open(cluster.address("n1"));
    provider.send(REGISTER);
    const answer = await provider.next();
    expect(answer).toEqual({ ok: true, version: expect.stringMatching(/^[0-9a-f]{32}\.1\.\d+$/) });
    const push = await consumer.next((message) => message["watch"] === 0);
    expect(push["endpoints"]).toEqual([expect.objectContaining(REGISTER)]);
    expect(push["version"]).toBe(answer["version"]);

    provider.send({
      unregister: { application: "provider_test", protocol: "http", addr: "127.0.0.1:8080" },
    });
    expect(await provider.next()).toMatchObject({ ok: true });
    expect((await consumer.next())["endpoints"]).toEqual([]);
    await Promise.all([provider.close(), consumer.close()]);
  });

  it("pushes usable instances only", async () => {
    const client = await BareClient.open(cluster.address("n2"));
    client.send({ application: "mixed", protocol: "http", addr: "127.0.0.1:1", status: "down" });
    client.send({ application: "mixed", protocol: "http", addr: "127.0.0.1:2" });
    client.send({ subscribes: [{ application: "mixed" }] });
    expect(await client.next()).toMatchObject({ ok: true });
    expect(await client.next()).toMatchObject({ ok: true });
    expect(await client.next()).toMatchObject({ ok: true });
    const push = await client.next();
    expect(push["endpoints"]).toEqual([expect.objectContaining({ addr: "127.0.0.1:2" })]);
    await client.close();
  });

  it("answers in the order of the requests, with a refusal in its place", async () => {
    const client = await BareClient.open(cluster.address("n2"));
    client.send({ application: "ordered", protocol: "http", addr: "127.0.0.1:1" });
    client.send({ application: "ordered", protocol: "http", addr: "no address" });
    client.send({ application: "ordered", protocol: "http", addr: "127.0.0.1:3", color: "red" });
    client.send({ application: "ordered", protocol: "http", addr: "127.0.0.1:4" });
    const answers = [];
    for (let i = 0; i < 4; i += 1) {
      answers.push(await client.next());
    }
    expect(answers).toMatchObject([
      { ok: true },
      { ok: false, error: { code: "INVALID", field: "addr" } },
      { ok: false, error: { code: "INVALID", field: "color" } },
      { ok: true },
    ]);
    await client.close();
  });

  it("ends the session at once when the client closes in due form", async () => {
    const watcher = await BareClient.open(cluster.address("n1"));
    watcher.send({ subscribes: [{ application: "leaving" }] });
    await watcher.next((message) => "endpoints" in message);
    const provider = await BareClient.open(cluster.address("n2"));
    provider.send({ application: "leaving", protocol: "http", addr: "127.0.0.1:1" });
    await watcher.next((message) => (message["endpoints"] as unknown[])?.length === 1);
    await provider.close();
    // The grace of a broken connection is 2 s.
    await watcher.next((message) => (message["endpoints"] as unknown[])?.length === 0, 1_000);
    await watcher.close();
  });

  it("gives the grace, and not the TTL, to a client that vanishes", async () => {
    const watcher = await BareClient.open(cluster.address("n1"));
    watcher.send({ subscribes: [{ application: "vanishing" }] });
    await watcher.next((message) => "endpoints" in message);
    const provider = await BareClient.open(cluster.address("n3"));
    provider.send({ application: "vanishing", protocol: "http", addr: "127.0.0.1:1" });
    await watcher.next((message) => (message["endpoints"] as unknown[])?.length === 1);
    const brokenAtMs = performance.now();
    provider.ws.terminate();
    await watcher.next((message) => (message["endpoints"] as unknown[])?.length === 0);
    const goneMs = performance.now() - brokenAtMs;
    expect(goneMs).toBeGreaterThan(1_900);
    expect(goneMs).toBeLessThan(6_000);
    await watcher.close();
  });

  it("leaves the TTL to a client whose node closes the connection", async () => {
    const leaving = await Cluster.started(3);
    try {
      const node = leaving.names.find((name) => name !== leaving.leader()) as string;
      const watcher = await BareClient.open(leaving.address(leaving.leader()));
      watcher.send({ subscribes: [{ application: "stays" }] });
      await watcher.next((message) => "endpoints" in message);
      const provider = await BareClient.open(leaving.address(node));
      provider.send({ application: "stays", protocol: "http", addr: "127.0.0.1:1" });
      await watcher.next((message) => (message["endpoints"] as unknown[])?.length === 1);
      // Its closing handshake takes its time, and the node still writes meanwhile.
      const slow = await BareClient.open(leaving.address(node));
      slow.send({ subscribes: [{ application: "stays" }] });
      await slow.next((message) => "endpoints" in message);
      slow.ws.pause();
      await leaving.nodes.get(node)?.stop();
      expect(await provider.closed).toMatchObject({ code: 1001 });
      // Longer than the grace, shorter than the TTL.
      await expect(watcher.next(() => true, 4_000)).rejects.toThrow("no such message");
      await watcher.close();
    } finally {
      await leaving.close();
    }
  }, 30_000);

  it("keeps a client by pings for longer than its TTL", async () => {
    const watcher = await BareClient.open(cluster.address("n1"));
    watcher.send({ subscribes: [{ application: "quiet" }] });
    await watcher.next((message) => "endpoints" in message);
    const provider = await BareClient.open(cluster.address("n2"));
    provider.send({ application: "quiet", protocol: "http", addr: "127.0.0.1:1" });
    await watcher.next((message) => (message["endpoints"] as unknown[])?.length === 1);
    await expect(watcher.next(() => true, 12_500)).rejects.toThrow("no such message");
    await provider.close();
    await watcher.close();
  }, 20_000);
});
