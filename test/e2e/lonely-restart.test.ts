import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../../jepsen-lite/real/wait.ts";
import { connect, type RollcallClient, type WatchEvent } from "../../src/client/index.ts";
import { Cluster, type ClusterNode } from "./cluster.ts";
import { PlainClient } from "./plain-client.ts";

let cluster: Cluster;
let lonely: ClusterNode;
let provider: RollcallClient;

/** The lonely node knows of h:1, the others of h:2 too. */
beforeAll(async () => {
  cluster = await Cluster.start();
  lonely = (await cluster.followers())[0];
  const others = cluster.nodes.filter((node) => node !== lonely);
  provider = await connect({ servers: others.map((node) => node.url) });
  await provider.provider.register({ application: "shop", protocol: "http", addr: "h:1" });
  await lonely.kill();
  cluster.cutOff(lonely);
  lonely.start();
  await provider.provider.register({ application: "shop", protocol: "http", addr: "h:2" });
  await until(10_000, "the lonely node to serve what it has", async () => {
    const status = await lonely.status();
    return status !== null && status.leader === null && status.ageMs === null ? true : null;
  });
});

afterAll(async () => {
  cluster.heal();
  await provider.close();
  await cluster.stop();
});

async function firstOf(client: RollcallClient): Promise<WatchEvent> {
  for await (const event of client.consumer.watch("shop")) {
    return event;
  }
  throw new Error("the watch has ended");
}

const addresses = ({ instances }: { readonly instances: readonly { readonly addr: string }[] }) =>
  instances.map(({ addr }) => addr);

describe("a node that was restarted while it was cut off", () => {
  test("keeps no client that can reach another node, and gives it no list", async () => {
    const clients = await Promise.all(
      Array.from({ length: 6 }, () => connect({ servers: cluster.urls })),
    );
    const alone = await connect({ servers: [lonely.url] });
    for (const client of [...clients, alone]) {
      const startedMs = performance.now();
      const event = await firstOf(client);
      expect(addresses(event)).toEqual(["h:1", "h:2"]);
      expect(event).toHaveProperty("ageMs");
      expect(addresses(await client.consumer.get("shop"))).toEqual(["h:1", "h:2"]);
      expect(performance.now() - startedMs).toBeLessThan(3_000);
      expect(client.state.connection).not.toMatchObject({ node: lonely.name });
    }
    await Promise.all([...clients, alone].map((client) => client.close()));
  });

  test("marks what it pushes to a plain client, until it has caught up", async () => {
    const plain = await PlainClient.open(lonely.url);
    plain.send({ subscribes: [{ application: "shop" }, { application: "nothing" }] });
    expect(await plain.answer()).toMatchObject({ ok: true });
    const marked = await plain.push("a marked list", ({ watch }) => watch === 1);
    expect(marked).toMatchObject({ ageUnknown: true, endpoints: [] });
    cluster.heal();
    const later = await plain.push(
      "the same list without the mark",
      (push) => push.watch === 1 && !("ageUnknown" in push),
    );
    expect(later.endpoints).toEqual([]);
    await plain.close();
  });
});
