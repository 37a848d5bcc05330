import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { until } from "../../jepsen-lite/real/wait.ts";
import { connect, type Status } from "../../src/client/index.ts";
import { Cluster } from "./cluster.ts";
import { Follower, registerForEver } from "./registrations.ts";
import { Inbox } from "./wait.ts";

let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.start();
});

afterEach(async () => {
  await cluster.stop();
});

describe("kill -9 of the leader under a stream of registrations", () => {
  test("loses nothing acknowledged, breaks no watch, expires no living session", async () => {
    const provider = await connect({ servers: cluster.urls });
    const bystander = await connect({ servers: cluster.urls, ttlMs: 4_000, graceMs: 500 });
    const consumers = await Promise.all(
      cluster.urls.map((url, i) =>
        connect({ servers: [url, ...cluster.urls.filter((_, j) => j !== i)] }),
      ),
    );
    const ended: Status[] = [];
    const watchStatus = (statuses: AsyncIterable<Status>): Promise<void> =>
      (async () => {
        for await (const status of statuses) {
          if (status.type === "sessionExpired") {
            ended.push(status);
          }
        }
      })();
    const statuses = [watchStatus(provider.status()), watchStatus(bystander.status())];
    await bystander.provider.register({ application: "idle", protocol: "http", addr: "h:1" });
    const followers = consumers.map(() => new Follower());
    const reading = consumers.map(async (consumer, i) => {
      for await (const event of consumer.consumer.watch("busy")) {
        followers[i]?.take(event);
      }
    });
    const stream = registerForEver(
      (addr) => provider.provider.register({ application: "busy", protocol: "http", addr }),
      8,
      "busy.example",
    );
    await until(20_000, "200 registrations", async () =>
      stream.acknowledged.size >= 200 ? true : null,
    );

    const before = stream.acknowledged.size;
    const leader = await cluster.leader();
    const killedMs = performance.now();
    await leader.kill();
    await until(20_000, "a registration by the next leader", async () =>
      stream.acknowledged.size > before + 20 ? true : null,
    );
    console.info(
      `kill -9 of the leader to writes again: ${(performance.now() - killedMs).toFixed(0)} ms`,
    );
    leader.start();
    await until(20_000, "200 more registrations", async () =>
      stream.acknowledged.size >= before + 220 ? true : null,
    );
    await stream.stop();

    await cluster.leader();
    const { instances, revision } = await provider.consumer.get("busy");
    const found = new Set(instances.map(({ addr }) => addr));
    const lost = [...stream.acknowledged].filter((addr) => !found.has(addr));
    expect(lost).toEqual([]);
    const strange = [...found].filter(
      (addr) => !stream.acknowledged.has(addr) && !stream.indefinite.has(addr),
    );
    expect(strange).toEqual([]);
    for (const [i, follower] of followers.entries()) {
      await until(10_000, `watch ${i} to have everything up to ${revision}`, async () =>
        follower.addrs.size === found.size ? true : null,
      );
      expect(follower.faults).toEqual([]);
      expect([...follower.addrs].sort()).toEqual([...found].sort());
      expect(follower.resets).toBe(0);
    }
    expect(ended).toEqual([]);
    const idle = await provider.consumer.get("idle");
    expect(idle.instances.map(({ addr }) => addr)).toEqual(["h:1"]);
    await Promise.all([provider, bystander, ...consumers].map((client) => client.close()));
    await Promise.all([...reading, ...statuses]);
  });
});

describe("kill -9 of all three nodes", () => {
  test("loses nothing acknowledged, and living sessions resume", async () => {
    const client = await connect({ servers: cluster.urls, ttlMs: 10_000 });
    const statuses = new Inbox<Status>();
    const reading = (async () => {
      for await (const status of client.status()) {
        statuses.push(status);
      }
    })();
    for (let port = 1; port <= 50; port += 1) {
      const addr = `all.example:${port}`;
      await client.provider.register({ application: "all", protocol: "http", addr });
    }
    await Promise.all(cluster.nodes.map((node) => node.kill()));
    for (const node of cluster.nodes) {
      node.start();
    }
    await cluster.leader();
    const resumed = await statuses.next(
      20_000,
      "the session to resume",
      ({ type }) => type === "sessionResumed" || type === "sessionExpired",
    );
    expect(resumed).toMatchObject({ type: "sessionResumed", owned: 50 });
    const { instances } = await client.consumer.get("all");
    expect(instances).toHaveLength(50);
    await client.close();
    await reading;
  });
});
