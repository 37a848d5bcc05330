import { afterEach, describe, expect, it } from "vitest";
import { BareClient, Cluster, HELLO } from "./world.ts";

describe("drain", () => {
  let cluster: Cluster | null = null;

  afterEach(async () => {
    await cluster?.close();
    cluster = null;
  });

  it("tells clients where else to go, serves those that stay, then ends with 0", async () => {
    const draining = await Cluster.started(3);
    cluster = draining;
    const node = draining.nodes.get("n2");
    const client = await BareClient.open(draining.address("n2"), ["rollcall.v1.json"]);
    client.send(HELLO);
    await client.next();
    const drained = node?.drain();
    expect(await client.next()).toEqual({
      type: "goaway",
      reason: "draining",
      addresses: [draining.address("n1"), draining.address("n3")],
      spreadMs: 0,
    });
    const readiness = await fetch(`http://${draining.address("n2")}/readyz`);
    expect([readiness.status, await readiness.text()]).toEqual([
      503,
      expect.stringContaining("[-]serving failed: draining"),
    ]);
    await expect(BareClient.open(draining.address("n2"))).rejects.toThrow("503");
    client.send({ type: "get", id: 1, selector: { application: "x" } });
    expect(await client.next()).toMatchObject({ type: "reply", id: 1, ok: true });
    await client.close();
    await drained;
    expect(await node?.ended).toEqual({ exitCode: 0, error: null });
  });

  it("closes who has not left when the time is over, and keeps their sessions", async () => {
    const draining = await Cluster.started(3);
    cluster = draining;
    await draining.nodes.get("n1")?.stop();
    const node = await draining.start("n1", { drainMs: 50 });
    await draining.until(() => draining.isReady("n1"));
    const provider = await BareClient.open(draining.address("n1"));
    provider.send({ application: "kept", protocol: "http", addr: "127.0.0.1:1" });
    expect(await provider.next()).toMatchObject({ ok: true });
    await node.drain();
    expect(await provider.closed).toEqual({ code: 1001, reason: "the node stops" });
    const watcher = await BareClient.open(draining.address("n2"));
    watcher.send({ subscribes: [{ application: "kept" }] });
    const push = await watcher.next((message) => "endpoints" in message);
    expect(push["endpoints"]).toHaveLength(1);
    // The grace is 2 s; a session whose node went keeps its TTL of 10 s.
    await expect(watcher.next(() => true, 4_000)).rejects.toThrow("no such message");
  }, 20_000);

  it("asks them to leave at once where it knows of no leader, as one that has removed itself", async () => {
    const removing = await Cluster.make(3);
    cluster = removing;
    const { names } = removing;
    await Promise.all(names.map((name) => removing.start(name, { goawaySpreadMs: 1_000 })));
    await removing.until(() => names.every((name) => removing.isReady(name)));
    const spreadOf = async (name: string): Promise<unknown> => {
      const client = await BareClient.open(removing.address(name), ["rollcall.v1.json"]);
      client.send(HELLO);
      await client.next();
      expect((await removing.operate(`operation=remove&member=${name}`)).status).toBe(200);
      const { spreadMs } = await client.next(({ type }) => type === "goaway");
      await client.close();
      expect((await removing.nodes.get(name)?.ended)?.exitCode).toBe(78);
      removing.nodes.delete(name);
      return spreadMs;
    };
    const leader = removing.leader();
    const follower = names.find((name) => name !== leader) ?? "";
    expect(await spreadOf(follower)).toBe(1_000);
    expect(await spreadOf(leader)).toBe(0);
  });

  it("stops in the middle of a birth", async () => {
    cluster = await Cluster.make(3);
    const node = await cluster.start("n1");
    await node.drain();
    expect((await node.ended).exitCode).toBe(0);
  });
});
