import { describe, expect, test } from "vitest";
import { World } from "./world.ts";

const WEB = { application: "web", protocol: "http", addr: "10.9.9.1:80" };

describe("connecting", () => {
  test("ready resolves when a node has welcomed the client, and at once afterwards", async () => {
    const world = new World();
    const client = world.client();
    expect(client.state.connection).toEqual({ tag: "connecting" });
    await world.wait(client.ready());
    expect(client.state.connection).toMatchObject({ tag: "connected" });
    await client.ready();
  });

  test("ready gives up at its deadline and names why no node could be reached", async () => {
    const world = new World(1);
    world.all[0]!.isReachable = false;
    const client = world.client();
    const ready = client.ready({ timeoutMs: 300 });
    await expect(world.wait(ready)).rejects.toMatchObject({
      code: "TIMEOUT",
      definite: true,
      cause: { message: "ws://10.0.0.1:7420: connect ECONNREFUSED" },
    });
  });

  test("the first retry is at once and on another node", async () => {
    const world = new World(3);
    for (const node of world.all) {
      node.isReachable = false;
    }
    world.client();
    await world.time.advance(0);
    expect(world.dials.length).toBe(2);
    expect(world.dials[0]?.url).not.toBe(world.dials[1]?.url);
    expect(world.dials[0]?.atMs).toBe(world.dials[1]?.atMs);
  });

  test("it goes on for ever, over all nodes, never more than two seconds apart", async () => {
    const world = new World(3);
    for (const node of world.all) {
      node.isReachable = false;
    }
    const client = world.client();
    await world.time.advance(10 * 60_000);
    const gaps = world.dials.slice(1).map(({ atMs }, index) => atMs - world.dials[index]!.atMs);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(2_000);
    expect(new Set(world.dials.map(({ url }) => url)).size).toBe(3);
    world.all[2]!.isReachable = true;
    await world.wait(client.ready({ timeoutMs: 10_000 }));
  });

  test("what goes wrong is said once, however many tries it takes", async () => {
    const world = new World(3);
    const client = world.client();
    await world.wait(client.ready());
    await world.time.advance(5_000);
    for (const node of world.all) {
      node.die();
    }
    await world.time.advance(60_000);
    expect(world.typesOf()).toEqual(["connected", "disconnected", "reconnecting"]);
    const loud = world.logged
      .filter(({ level }) => level !== "debug")
      .map(({ message }) => message);
    expect(loud).toEqual(["connected", "disconnected"]);
  });

  test("when its node is killed it is with another at once", async () => {
    const world = new World(3);
    const client = world.client();
    await world.wait(client.ready());
    await world.time.advance(5_000);
    const first = world.node;
    first.die();
    await world.time.advance(0);
    expect(world.node).not.toBe(first);
    expect(client.state.connection.tag).toBe("connected");
  });

  test("members that a welcome names are tried too", async () => {
    const world = new World(3);
    const client = world.client({ servers: "10.0.0.1:7420" });
    await world.wait(client.ready());
    await world.time.advance(5_000);
    world.all[0]!.die();
    await world.time.advance(100);
    expect(world.isConnected).toBe(true);
    expect(world.dials[0]?.url).toBe("ws://10.0.0.1:7420");
    expect(world.dials.at(-1)?.url).not.toBe("ws://10.0.0.1:7420");
  });

  test("a node that drops every connection at once is not dialled in a tight loop", async () => {
    const world = new World(1);
    const node = world.all[0]!;
    node.intercept = (link, message) => {
      if (message.type === "hello") {
        node.behave();
        node.onMessage(link, message);
        node.intercept = world.all[0]!.intercept;
        world.time.after(1, () => link.cut());
      }
      return true;
    };
    const swallow = node.intercept;
    const keep = setIntercept(world, swallow);
    world.client();
    await world.time.advance(10_000);
    keep();
    expect(world.dials.length).toBeLessThan(100);
  });

  test("Retry-After of a swamped node is obeyed", async () => {
    const world = new World(1);
    world.all[0]!.retryAfterMs = 7_000;
    world.client();
    await world.time.advance(6_900);
    expect(world.dials.length).toBe(1);
    await world.time.advance(2_200);
    expect(world.dials.length).toBe(2);
  });

  test("a node that takes the connection and does not welcome is left", async () => {
    const world = new World(2);
    world.all[0]!.isFrozen = true;
    world.all[1]!.isReachable = false;
    const client = world.client();
    await world.time.advance(2_500);
    world.all[1]!.isReachable = true;
    await world.wait(client.ready(), 10_000);
    expect(world.all[0]!.links[0]?.leftBy).toBe("terminate");
  });

  test("a frame that cannot be read costs the link and nothing else", async () => {
    const world = new World(3);
    const client = world.client();
    await world.wait(client.ready());
    await world.time.advance(5_000);
    const bad = world.node.link;
    bad.sendRaw(Uint8Array.from([0xc1, 0xff]));
    await world.time.advance(10);
    expect(bad.leftBy).toBe("terminate");
    expect(client.state.connection.tag).toBe("connected");
    expect(world.node.link).not.toBe(bad);
  });

  test("a message of a type that it does not know is ignored", async () => {
    const world = new World(1);
    const client = world.client();
    await world.wait(client.ready());
    const link = world.node.link;
    link.send({ type: "weather", sunny: true } as never);
    await world.time.advance(10);
    expect(link.isOpen).toBe(true);
  });

  test("a message that lacks what it must have costs the link, and throws at nobody", async () => {
    const world = new World(3);
    const client = world.client();
    const watch = client.consumer.watch("web");
    await world.wait(watch.next());
    await world.time.advance(5_000);
    const link = world.node.link;
    link.send({ type: "snapshot", watch: 1, revision: 5 } as never);
    await world.time.advance(10);
    expect(link.leftBy).toBe("terminate");
    expect(client.state.connection.tag).toBe("connected");
  });

  test("a logger that throws changes nothing", async () => {
    const world = new World(1);
    const logger = { debug: boom, info: boom, warn: boom, error: boom };
    const client = world.client({ logger });
    await world.wait(client.ready());
    expect(client.state.connection.tag).toBe("connected");
  });
});

function boom(): never {
  throw new Error("boom");
}

/** Keeps the interception of the only node through its own resets. */
function setIntercept(world: World, swallow: World["all"][number]["intercept"]): () => void {
  const node = world.all[0]!;
  node.intercept = swallow;
  let isKept = true;
  const keep = (): void => {
    if (isKept) {
      node.intercept = swallow;
      world.time.after(1, keep);
    }
  };
  keep();
  return () => {
    isKept = false;
  };
}

describe("keepalive", () => {
  test("pings go out every third of the TTL", async () => {
    const world = new World(1);
    const client = world.client({ ttlMs: 9_000 });
    await world.wait(client.provider.register(WEB));
    await world.time.advance(30_000);
    const pings = world.node.link.ofType("ping").length;
    expect(pings).toBe(10);
  });

  test("a half-open connection is found by its missing pong, not by TCP", async () => {
    const world = new World(3);
    const client = world.client({ ttlMs: 9_000 });
    await world.wait(client.provider.register(WEB));
    const frozen = world.node;
    frozen.isFrozen = true;
    await world.until("it is elsewhere", () => world.node !== frozen, 3_000 + 1_500 + 50);
    expect(frozen.links[0]?.leftBy).toBe("terminate");
    expect(client.state.connection.tag).toBe("connected");
  });

  test("the lease runs from the sending of the last confirmed ping", async () => {
    const world = new World(1);
    const client = world.client({ ttlMs: 9_000 });
    await world.wait(client.provider.register(WEB));
    world.node.intercept = (link, message) => {
      if (message.type !== "ping") {
        return false;
      }
      world.time.after(1_000, () => {
        link.send({ type: "pong", id: message.id, confirmed: true, revision: 1 });
      });
      return true;
    };
    await world.until("a ping", () => world.node.link.ofType("ping").length === 1);
    await world.time.advance(1_000);
    // 8 s, not 9: a second has passed since the ping was sent.
    const { leaseMsLeft } = client.state.session as { leaseMsLeft: number };
    expect(leaseMsLeft).toBeGreaterThan(7_900);
    expect(leaseMsLeft).toBeLessThanOrEqual(8_010);
  });

  test("the lease runs from the sending of the open, however late its answer is", async () => {
    const world = new World(1);
    const client = world.client({ ttlMs: 9_000 });
    await world.wait(client.ready());
    const node = world.node;
    node.intercept = (link, message) => {
      if (message.type === "open") {
        node.behave();
        world.time.after(1_000, () => node.onMessage(link, message));
        return true;
      }
      return false;
    };
    await world.wait(client.provider.register(WEB));
    const { leaseMsLeft } = client.state.session as { leaseMsLeft: number };
    expect(leaseMsLeft).toBeGreaterThan(7_900);
    expect(leaseMsLeft).toBeLessThanOrEqual(8_000);
  });

  test("the lease runs from the sending of the hello, however late it is resumed", async () => {
    const world = new World(1);
    const client = world.client({ ttlMs: 9_000 });
    await world.wait(client.provider.register(WEB));
    const node = world.node;
    node.confirms = false;
    node.link.cut();
    await world.until("back", () => node.isConnected);
    await world.time.advance(1_000);
    node.confirm(node.link);
    await world.until("resumed", () => world.typesOf().includes("sessionResumed"), 100);
    const { leaseMsLeft } = client.state.session as { leaseMsLeft: number };
    expect(leaseMsLeft).toBeGreaterThan(7_900);
    expect(leaseMsLeft).toBeLessThanOrEqual(8_000);
  });

  test("without confirmation it is said and the client goes to another node in time", async () => {
    const world = new World(3);
    const client = world.client({ ttlMs: 9_000 });
    await world.wait(client.provider.register(WEB));
    await world.time.advance(9_100);
    const cutOff = world.node;
    cutOff.confirms = false;
    const beginMs = world.time.monotonicMs();
    await world.until("it is elsewhere", () => world.node !== cutOff, 9_000);
    expect(world.time.monotonicMs() - beginMs).toBeLessThanOrEqual(6_100);
    await world.time.advance(10);
    expect(client.state.session).toMatchObject({ tag: "open" });
    expect(world.typesOf()).toEqual([
      ...["connected", "sessionOpened", "sessionUnconfirmed"],
      ...["disconnected", "connected", "sessionResumed"],
    ]);
  });

  test("when no node confirms, every one is asked and then the hurry ends", async () => {
    const world = new World(3);
    const client = world.client({ ttlMs: 9_000 });
    await world.wait(client.provider.register(WEB));
    for (const node of world.all) {
      node.confirms = false;
    }
    const before = world.dials.length;
    await world.time.advance(600_000);
    const hops = world.dials.slice(before);
    expect(new Set(hops.slice(0, 2).map(({ url }) => url)).size).toBe(2);
    expect(hops.length).toBeGreaterThan(4);
    expect(hops.length).toBeLessThan(20);
    const over = world.statuses.filter(
      (status) => status.type === "sessionUnconfirmed" && status.isLeaseOver,
    );
    expect(over.length).toBe(1);
    expect(client.state.session).toMatchObject({ tag: "unconfirmed", leaseMsLeft: 0 });
  });

  test("a client that only watches leaves a node that has lost its leader", async () => {
    const world = new World(3);
    const client = world.client({ ttlMs: 9_000 });
    await world.wait(client.ready());
    const cutOff = world.node;
    cutOff.confirms = false;
    await world.until("it is elsewhere", () => world.node !== cutOff, 20_000);
  });

  test("a process that was stopped reads what lies in its socket before it judges the link", async () => {
    const world = new World(2);
    const client = world.client({ ttlMs: 9_000 });
    await world.wait(client.provider.register(WEB));
    const link = world.node.link;
    // It stops between the ping and its pong, and wakes when every timer of it is long due.
    world.node.hold("ping");
    await world.until("a ping", () => link.ofType("ping").length === 1);
    world.node.behave();
    await world.time.stall(60_000);
    await world.time.advance(1_000);
    expect(link.isOpen).toBe(true);
    expect(world.logged.map(({ message }) => message)).toContain(
      "this process did not run for a while",
    );
  });
});

describe("goaway and moving", () => {
  test("a goaway is obeyed at a random moment within its spread, towards its addresses", async () => {
    const world = new World(4);
    const client = world.client();
    await world.wait(client.provider.register(WEB));
    const old = world.node;
    const target = world.all.find((node) => node !== old)!;
    old.link.send({
      ...{ type: "goaway", reason: "draining", spreadMs: 2_000 },
      addresses: [target.url.slice(5)],
    });
    await world.until("it has moved", () => world.node === target, 2_010);
    await world.until("resumed", () => world.typesOf().at(-1) === "sessionResumed");
    expect(world.typesOf()).toContain("goaway");
    expect(world.registry.addresses("web")).toEqual([WEB.addr]);
  });

  test("the old socket is closed before the new one says hello, and attach only grows", async () => {
    const world = new World(3);
    const client = world.client();
    await world.wait(client.provider.register(WEB));
    let open = 0;
    for (let move = 0; move < 5; move += 1) {
      const old = world.node.link;
      for (const node of world.all) {
        node.intercept = (_link, message) => {
          if (message.type === "hello") {
            open = world.all.flatMap(({ links }) => links).filter(({ isOpen }) => isOpen).length;
          }
          return false;
        };
      }
      old.send({ type: "goaway", reason: "rebalancing", addresses: [], spreadMs: 0 });
      await world.until("it has moved", () => world.node.link !== old);
      await world.time.advance(10);
      expect(open).toBe(1);
    }
    expect(world.attachFaults).toBe(0);
    const hellos = world.heard.filter((message) => message.type === "hello");
    expect(hellos.slice(1).map(({ session }) => session?.attach)).toEqual([2, 3, 4, 5, 6]);
  });

  test("while no other node can be reached it stays where it is", async () => {
    const world = new World(3);
    const client = world.client();
    await world.wait(client.ready());
    const old = world.node;
    for (const node of world.all) {
      node.isReachable = node === old;
    }
    old.link.send({ type: "goaway", reason: "draining", addresses: [], spreadMs: 0 });
    await world.time.advance(300);
    expect(old.isConnected).toBe(true);
    const other = world.all.find((node) => node !== old)!;
    other.isReachable = true;
    await world.until("it has moved", () => other.isConnected || old.links.length > 1, 10_000);
  });

  test("a node that refuses with DRAINING is left", async () => {
    const world = new World(3);
    const client = world.client();
    await world.wait(client.provider.register(WEB));
    const old = world.node;
    old.refuse("register", "DRAINING", 1_000);
    const other = client.provider.register({ ...WEB, addr: "10.9.9.2:80" });
    await world.wait(other, 3_000);
    expect(world.node).not.toBe(old);
  });
});

describe("session state", () => {
  test("a session that is denied is given up for a new one", async () => {
    const world = new World(3);
    const client = world.client();
    const registration = await world.wait(client.provider.register(WEB));
    const { id } = client.state.session as { id: string };
    for (const node of world.all) {
      node.intercept = (link, message) => {
        if (message.type === "hello" && message.session?.id === id) {
          node.behave();
          node.onMessage(link, { ...message, session: undefined } as never);
          link.send({ type: "session", id, state: "denied" });
          return true;
        }
        return false;
      };
    }
    world.node.link.cut();
    await world.until("denied", () => world.typesOf().includes("sessionExpired"));
    await world.until("registered again", () => registration.state.tag === "registered");
    expect((client.state.session as { id: string }).id).not.toBe(id);
    expect(world.registry.select({ application: "web" })[0]?.session).not.toBe(id);
  });

  test("a session that another connection has taken is left to it, and not fought for", async () => {
    const world = new World(1);
    const client = world.client();
    const registration = await world.wait(client.provider.register(WEB));
    const { id } = client.state.session as { id: string };
    world.node.hold("register");
    const write = client.provider.register({ ...WEB, addr: "10.9.9.2:80", persistent: true });
    await world.time.advance(10);
    world.node.behave();
    world.node.link.send({ type: "session", id, state: "denied", attach: 9 });
    await expect(world.wait(write)).rejects.toMatchObject({ definite: false });
    await world.until("registered again", () => registration.state.tag === "registered");
    expect((client.state.session as { id: string }).id).not.toBe(id);
    expect(world.statuses).toContainEqual({
      type: "sessionExpired",
      session: id,
      reason: "denied",
    });
    world.node.link.cut();
    await world.until("resumed", () => world.typesOf().includes("sessionResumed"));
    expect(world.registry.sessions.get(id)?.attach).toBe(1);
  });

  test("a session message for another session is ignored", async () => {
    const world = new World(1);
    const client = world.client();
    await world.wait(client.provider.register(WEB));
    const { id } = client.state.session as { id: string };
    world.node.link.send({
      ...{ type: "session", id: "f".repeat(32), state: "expired", reason: "ttl", revision: 1 },
    });
    await world.time.advance(100);
    expect((client.state.session as { id: string }).id).toBe(id);
  });

  test("a changed lineage drops the floor, begins a new session and puts everything back", async () => {
    const world = new World(3);
    const client = world.client();
    const registration = await world.wait(client.provider.register(WEB));
    const { id } = client.state.session as { id: string };
    for (const node of world.all) {
      node.lineage = "c2";
    }
    world.registry.instances.clear();
    world.node.link.cut();
    await world.until("lineage", () => world.typesOf().includes("lineageChanged"));
    await world.until("registered again", () => registration.state.tag === "registered");
    expect((client.state.session as { id: string }).id).not.toBe(id);
    expect(world.registry.addresses("web")).toEqual([WEB.addr]);
  });

  test("status ends with the iteration and holds at most its bound", async () => {
    const world = new World(1);
    const client = world.client();
    await world.wait(client.ready());
    const slow = client.status();
    for (let cut = 0; cut < 300; cut += 1) {
      world.node.link.cut();
      await world.until("back", () => world.isConnected);
    }
    await world.wait(client.close());
    let seen = 0;
    for await (const _status of slow) {
      seen += 1;
    }
    expect(seen).toBe(256);
  });
});
