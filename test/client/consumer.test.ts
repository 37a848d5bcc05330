import { describe, expect, test } from "vitest";
import type { WatchEvent } from "../../src/client/watch-fold.ts";
import type { DeltaMessage, RegisterBody } from "../../src/wire/messages.ts";
import { settle } from "./fake-time.ts";
import { World } from "./world.ts";

function web(number: number, more: Partial<RegisterBody> = {}): RegisterBody {
  return { application: "web", protocol: "http", addr: `10.9.9.${number}:80`, ...more };
}

function register(world: World, number: number, more: Partial<RegisterBody> = {}): void {
  world.registry.byOther({ register: web(number, more) });
}

function deregister(world: World, number: number): void {
  world.registry.byOther({ deregister: web(number) });
}

async function next(world: World, watch: AsyncIterator<WatchEvent>): Promise<WatchEvent> {
  const result = await world.wait(watch.next());
  if (result.done === true) {
    throw new Error("the watch has ended");
  }
  return result.value;
}

const addresses = (event: WatchEvent): string[] => event.instances.map(({ addr }) => addr);

describe("get", () => {
  test("tells instances, revision, age and source", async () => {
    const world = new World();
    register(world, 1);
    const client = world.client();
    const result = await world.wait(client.consumer.get("web"));
    expect(result).toMatchObject({ revision: 1, ageMs: 0, source: "registry" });
    expect(result.instances.map(({ addr }) => addr)).toEqual(["10.9.9.1:80"]);
  });

  test("passes the selector and the consistency that was asked for", async () => {
    const world = new World();
    const client = world.client({ namespace: "shop" });
    const selector = { provider: "web", protocol: "http", meta: { tag: "read" } };
    await world.wait(client.consumer.get(selector, { read: { staleMs: 500 } }));
    expect(world.node.link.ofType("get")[0]).toMatchObject({
      selector: { namespace: "shop", application: "web", protocol: "http", meta: { tag: "read" } },
      read: { staleMs: 500 },
    });
  });

  test("is asked again on another node when the connection breaks", async () => {
    const world = new World();
    const client = world.client();
    await world.wait(client.ready());
    world.node.hold("get");
    const call = client.consumer.get("web");
    await world.time.advance(10);
    world.node.die();
    await world.wait(call, 1_000);
  });

  test("a pause that one node asked for is not kept with another", async () => {
    const world = new World();
    const client = world.client();
    await world.wait(client.ready());
    world.node.refuse("get", "OVERLOADED", 1, 4_000);
    const call = client.consumer.get("web");
    await world.time.advance(10);
    world.node.die();
    await world.wait(call, 500);
  });

  test.for([300, 1_000, 2_500, 5_000, 60_000])(
    "without a leader ends in NO_LEADER, which the node says within the deadline of %i ms",
    async (timeoutMs) => {
      const world = new World(1);
      const client = world.client();
      await world.wait(client.ready());
      world.node.loseLeader();
      const before = world.time.monotonicMs();
      const call = client.consumer.get("web", { timeoutMs });
      await expect(world.wait(call, 61_000)).rejects.toMatchObject({
        code: "NO_LEADER",
        definite: true,
      });
      expect(world.time.monotonicMs() - before).toBeLessThanOrEqual(timeoutMs);
    },
  );

  test("is asked on another node where one has no leader", async () => {
    const world = new World();
    const client = world.client();
    await world.wait(client.ready());
    const leaderless = world.node;
    leaderless.refuse("get", "NO_LEADER", 1_000);
    await world.wait(client.consumer.get("web"), 500);
    expect(leaderless.links[0]?.ofType("get").length).toBe(1);
    expect(world.node).not.toBe(leaderless);
  });

  test("leaves a node the time to find a leader, and the call the time to ask elsewhere", async () => {
    const world = new World();
    const client = world.client();
    await world.wait(client.ready());
    const leaderless = world.node;
    leaderless.intercept = (link, message) => {
      if (message.type !== "get") {
        return false;
      }
      const error = { code: "NO_LEADER", message: "no leader before the deadline" } as const;
      world.time.after(message.timeoutMs ?? 0, () =>
        link.send({ type: "reply", id: message.id, ok: false, error }),
      );
      return true;
    };
    await world.wait(client.consumer.get("web"), 3_000);
    expect(world.node).not.toBe(leaderless);
  });

  test("is asked again while no node has a leader, and rejects with that at the deadline", async () => {
    const world = new World();
    const client = world.client();
    await world.wait(client.ready());
    for (const node of world.all) {
      node.refuse("get", "NO_LEADER", 1_000);
    }
    const before = world.dials.length;
    await expect(
      world.wait(client.consumer.get("web", { timeoutMs: 4_000 })),
    ).rejects.toMatchObject({ code: "NO_LEADER", definite: true });
    // One round over all servers, and then it stays where it is.
    expect(world.dials.length - before).toBe(2);
    for (const node of world.all) {
      expect(node.links[0]?.ofType("get").length).toBeGreaterThan(0);
      node.behave();
    }
    await world.wait(client.consumer.get("web"));
  });

  test("TOO_STALE is asked elsewhere, once a node, and then for the caller to decide on", async () => {
    const world = new World();
    const client = world.client();
    await world.wait(client.ready());
    const stale = world.node;
    stale.refuse("get", "TOO_STALE", 1_000);
    const read = { staleMs: 500 };
    await world.wait(client.consumer.get("web", { read }), 500);
    expect(world.node).not.toBe(stale);

    await world.time.advance(60_000);
    for (const node of world.all) {
      node.refuse("get", "TOO_STALE", 1_000);
    }
    const [before, beginMs] = [world.dials.length, world.time.monotonicMs()];
    const all = client.consumer.get("web", { read });
    await expect(world.wait(all)).rejects.toMatchObject({ code: "TOO_STALE" });
    expect(world.dials.length - before).toBe(2);
    expect(world.time.monotonicMs() - beginMs).toBeLessThan(1_000);
    // Who asks for what no node has is not sent round again.
    const again = client.consumer.get("web", { read });
    await expect(world.wait(again)).rejects.toMatchObject({ code: "TOO_STALE" });
    expect(world.dials.length - before).toBe(2);
  });

  test("TOO_STALE is said at once where no other node can be reached", async () => {
    const world = new World();
    const client = world.client();
    await world.wait(client.ready());
    for (const node of world.all) {
      node.isReachable = node === world.node;
    }
    world.node.refuse("get", "TOO_STALE", 1_000);
    const call = client.consumer.get("web", { read: { staleMs: 1 } });
    await expect(world.wait(call, 1_000)).rejects.toMatchObject({ code: "TOO_STALE" });
  });

  test("never goes back behind what was seen: an older answer is asked for elsewhere", async () => {
    const world = new World();
    for (let number = 1; number <= 5; number += 1) {
      register(world, number);
    }
    const client = world.client();
    expect((await world.wait(client.consumer.get("web"))).revision).toBe(5);
    const behind = world.node;
    behind.intercept = (link, message) => {
      if (message.type === "get") {
        const { id } = message;
        link.send({ type: "reply", id, ok: true, revision: 3, endpoints: [] });
        return true;
      }
      return false;
    };
    const result = await world.wait(client.consumer.get("web"));
    expect(result.revision).toBe(5);
    expect(world.node).not.toBe(behind);
    const hello = world.node.link.ofType("hello")[0];
    expect(hello).toMatchObject({ revision: 5, lineage: "c1" });
  });

  test("never hangs: a node that does not answer costs the deadline", async () => {
    const world = new World(1);
    const client = world.client();
    await world.wait(client.ready());
    world.node.hold("get");
    const before = world.time.monotonicMs();
    await expect(world.wait(client.consumer.get("web"))).rejects.toMatchObject({
      code: "TIMEOUT",
      definite: true,
    });
    expect(world.time.monotonicMs() - before).toBeLessThanOrEqual(5_010);
  });

  test("reads beyond their share of the connection wait for their turn", async () => {
    const world = new World(1);
    world.requestsInFlightMax = 20;
    const client = world.client();
    await world.wait(client.ready());
    world.node.hold("get");
    const calls = Array.from({ length: 10 }, () => client.consumer.get("web"));
    await world.time.advance(100);
    const link = world.node.link;
    expect(link.ofType("get").length).toBe(4);
    world.node.behave();
    for (const message of link.ofType("get")) {
      world.node.onMessage(link, message);
    }
    await Promise.all(calls.map((call) => world.wait(call)));
  });
});

describe("watch", () => {
  test("begins with a snapshot, an empty one too", async () => {
    const world = new World();
    const watch = world.client().consumer.watch("web");
    const first = await next(world, watch);
    expect(first).toMatchObject({ type: "snapshot", instances: [], revision: 0 });
    expect(first).not.toHaveProperty("reset");
  });

  test("then tells every change once, in order, with the list of then", async () => {
    const world = new World();
    register(world, 1);
    const watch = world.client().consumer.watch("web");
    await next(world, watch);
    register(world, 2);
    register(world, 1, { weight: 5 });
    deregister(world, 2);
    const events = [await next(world, watch), await next(world, watch), await next(world, watch)];
    expect(events.map(({ revision }) => revision)).toEqual([2, 3, 4]);
    expect(events.map(addresses)).toEqual([
      ["10.9.9.1:80", "10.9.9.2:80"],
      ["10.9.9.1:80", "10.9.9.2:80"],
      ["10.9.9.1:80"],
    ]);
    expect(events[2]).toMatchObject({ type: "change", remove: [{ addr: "10.9.9.2:80" }] });
  });

  test("outlives its node: it resumes elsewhere with what it saw, and misses nothing", async () => {
    const world = new World();
    const watch = world.client().consumer.watch("web");
    await next(world, watch);
    register(world, 1);
    expect((await next(world, watch)).revision).toBe(1);
    await world.time.advance(5_000);
    for (const node of world.all) {
      node.isReachable = false;
    }
    world.node.die();
    register(world, 2);
    register(world, 3);
    await world.time.advance(3_000);
    for (const node of world.all) {
      node.isReachable = true;
    }
    const second = await next(world, watch);
    const third = await next(world, watch);
    expect([second.revision, third.revision]).toEqual([2, 3]);
    expect(second.type).toBe("change");
    expect(world.node.link.ofType("subscribe")[0]).toMatchObject({ from: 1 });
  });

  test("is told RESET where the history is gone, as the difference to what it had", async () => {
    const world = new World();
    register(world, 1);
    register(world, 2);
    const watch = world.client().consumer.watch("web");
    await next(world, watch);
    world.node.die();
    deregister(world, 1);
    register(world, 3);
    world.historyFrom = 100;
    const event = await next(world, watch);
    expect(event).toMatchObject({
      ...{ type: "snapshot", reset: true, revision: 4 },
      put: [{ addr: "10.9.9.3:80" }],
      remove: [{ addr: "10.9.9.1:80" }],
    });
  });

  test("a changed lineage resets it, though revisions went down", async () => {
    const world = new World();
    register(world, 1);
    register(world, 2);
    const watch = world.client().consumer.watch("web");
    await next(world, watch);
    for (const node of world.all) {
      node.lineage = "c2";
    }
    world.registry.instances.clear();
    world.registry.revision = 0;
    world.node.die();
    const event = await next(world, watch);
    expect(event).toMatchObject({ type: "snapshot", reset: true, revision: 0, instances: [] });
    expect(event).toMatchObject({ lineageChanged: true });
    expect(world.node.link.ofType("subscribe")[0]).not.toHaveProperty("from");
  });

  test("a changed lineage drops the floor: what is read now is not held against what was", async () => {
    const world = new World(1);
    for (let number = 1; number <= 5; number += 1) {
      register(world, number);
    }
    const client = world.client();
    await world.wait(client.consumer.get("web"));
    world.node.lineage = "c2";
    world.registry.instances.clear();
    world.registry.revision = 2;
    world.node.link.cut();
    await world.until("lineage", () => world.typesOf().includes("lineageChanged"));
    const link = world.node.link;
    expect((await world.wait(client.consumer.get("web"), 100)).revision).toBe(2);
    expect(link.isOpen).toBe(true);
    world.node.link.cut();
    await world.until("back", () => world.isConnected);
    await world.time.advance(10);
    expect(world.node.link.ofType("hello")[0]).toMatchObject({ revision: 2, lineage: "c2" });
  });

  test("a collapsed delivery is applied as a whole, and its half is no place to resume", async () => {
    const world = new World();
    register(world, 1);
    const watch = world.client().consumer.watch("web");
    await next(world, watch);
    const half: DeltaMessage = {
      ...{ type: "delta", watch: 1, revision: 9, put: [], remove: [web(1)] },
      collapsed: { from: 1, last: false },
    };
    world.node.link.send(half);
    let isGiven = false;
    const given = watch.next().then((result) => {
      isGiven = true;
      return result;
    });
    await world.time.advance(10);
    expect(isGiven).toBe(false);
    world.node.link.cut();
    await world.time.advance(100);
    expect(isGiven).toBe(false);
    expect(world.node.link.ofType("subscribe")[0]).toMatchObject({ from: 1 });
    // The new node sends other halves: what was lost with the old one is no part of them.
    const { modifiedRevision, ...first } = world.registry.select({ application: "web" })[0]!;
    const second = { ...first, addr: "10.9.9.2:80", modifiedRevision: modifiedRevision + 1 };
    world.node.link.send(
      { ...half, remove: [], put: [second] },
      { ...half, remove: [], put: [], collapsed: { from: 1, last: true } },
    );
    const { value } = await world.wait(given);
    expect(value).toMatchObject({ type: "change", revision: 9, collapsed: { from: 1 } });
    expect(addresses(value)).toEqual(["10.9.9.1:80", "10.9.9.2:80"]);
  });

  test("progress marks move the place to resume from, but for the first after a subscribe", async () => {
    const world = new World();
    const watch = world.client().consumer.watch("web");
    await next(world, watch);
    world.node.link.send({ type: "mark", revision: 40 });
    await settle();
    world.node.link.cut();
    await world.until("back", () => world.isConnected);
    await world.time.advance(10);
    expect(world.node.link.ofType("subscribe")[0]).toMatchObject({ from: 0 });
    world.node.link.send({ type: "mark", revision: 50 }, { type: "mark", revision: 60 });
    await world.time.advance(10);
    world.node.link.cut();
    await world.time.advance(200);
    expect(world.node.link.ofType("subscribe")[0]).toMatchObject({ from: 60 });
  });

  test("a mark in the middle of a collapsed delivery is no place to resume", async () => {
    const world = new World();
    register(world, 1);
    const watch = world.client().consumer.watch("web");
    await next(world, watch);
    world.node.link.send(
      { type: "mark", revision: 2 },
      { type: "mark", revision: 3 },
      {
        ...{ type: "delta", watch: 1, revision: 9, put: [], remove: [web(1)] },
        collapsed: { from: 3, last: false },
      },
      { type: "mark", revision: 8 },
    );
    await world.time.advance(10);
    world.node.link.cut();
    await world.time.advance(200);
    expect(world.node.link.ofType("subscribe")[0]).toMatchObject({ from: 3 });
  });

  test("a slow reader gets its changes collapsed, and memory is bounded", async () => {
    const world = new World();
    const watch = world.client().consumer.watch("web");
    await next(world, watch);
    for (let round = 0; round < 400; round += 1) {
      register(world, round % 7, { weight: round });
    }
    await settle();
    let last: WatchEvent | null = null;
    let events = 0;
    let isCollapsed = false;
    while (last === null || last.revision < 400) {
      last = await next(world, watch);
      isCollapsed ||= last.type === "change" && last.collapsed !== undefined;
      events += 1;
    }
    expect(isCollapsed).toBe(true);
    expect(events).toBeLessThanOrEqual(257);
    expect(last.instances.map(({ weight }) => weight).sort()).toEqual([
      393, 394, 395, 396, 397, 398, 399,
    ]);
  });

  test("ends on break, and the node is told", async () => {
    const world = new World();
    const client = world.client();
    for await (const event of client.consumer.watch("web")) {
      expect(event.type).toBe("snapshot");
      break;
    }
    await world.time.advance(10);
    expect(world.node.link.ofType("unsubscribe").length).toBe(1);
    expect(world.node.link.watches.size).toBe(0);
  });

  test("ends when its signal aborts, when it is disposed of and when the client closes", async () => {
    const world = new World();
    const client = world.client();
    const abort = new AbortController();
    const watches = [
      client.consumer.watch("web", { signal: abort.signal }),
      client.consumer.watch("web"),
      client.consumer.watch("web"),
    ];
    for (const watch of watches) {
      await next(world, watch);
    }
    const ends = watches.map((watch) => watch.next());
    abort.abort();
    await watches[1]![Symbol.asyncDispose]();
    await world.wait(client.close());
    for (const end of ends) {
      expect((await end).done).toBe(true);
    }
    expect((await watches[0]!.next()).done).toBe(true);
  });

  test("a watch that is ended while its subscribe is on the way is taken back", async () => {
    const world = new World();
    const client = world.client();
    await world.wait(client.ready());
    const watch = client.consumer.watch("web");
    await watch.return?.();
    await world.time.advance(50);
    expect(world.node.link.watches.size).toBe(0);
  });

  test("is asked for again where the node refuses for the moment", async () => {
    const world = new World();
    const client = world.client();
    await world.wait(client.ready());
    world.node.refuse("subscribe", "OVERLOADED", 2);
    await next(world, client.consumer.watch("web"));
  });

  test("a refusal for good reaches its reader as an error", async () => {
    const world = new World();
    const client = world.client();
    await world.wait(client.ready());
    world.node.refuse("subscribe", "DENIED");
    const watch = client.consumer.watch("web");
    await expect(world.wait(watch.next())).rejects.toMatchObject({ code: "DENIED" });
    expect((await watch.next()).done).toBe(true);
  });
});

describe("acknowledging", () => {
  test("acks are coalesced, and name what every reader has had", async () => {
    const world = new World();
    const client = world.client();
    const fast = client.consumer.watch("web");
    const slow = client.consumer.watch("web");
    await next(world, fast);
    await next(world, slow);
    for (let number = 1; number <= 10; number += 1) {
      register(world, number);
    }
    for (let number = 1; number <= 10; number += 1) {
      await next(world, fast);
    }
    await next(world, slow);
    await world.time.advance(100);
    const acks = world.node.link.ofType("ack");
    expect(acks.length).toBeLessThanOrEqual(2);
    expect(acks.at(-1)).toEqual({ type: "ack", revision: 1 });
    for (let number = 2; number <= 10; number += 1) {
      await next(world, slow);
    }
    await world.time.advance(100);
    expect(world.node.link.ofType("ack").at(-1)).toEqual({ type: "ack", revision: 10 });
  });
});
