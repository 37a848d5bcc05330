import { expect, test } from "vitest";
import type { WatchEvent } from "../../src/client/watch-fold.ts";
import { World } from "./world.ts";

const WEB = { application: "web", protocol: "http", addr: "10.9.9.1:80" };

/** The first node of a list of three was started while it was cut off from the others. */
async function onAnAgelessNode() {
  const world = new World(3);
  world.registry.byOther({ register: WEB });
  const client = world.client();
  await world.wait(client.ready());
  const ageless = world.node;
  ageless.knowsAge = false;
  ageless.link.cut();
  for (const node of world.all) {
    node.isReachable = node === ageless;
  }
  await world.until("back", () => ageless.isConnected);
  return { world, client, ageless };
}

async function next(world: World, watch: AsyncIterator<WatchEvent>): Promise<WatchEvent> {
  const { value } = await world.wait(watch.next());
  return value as WatchEvent;
}

test("a client that only reads leaves a node that cannot tell how old its copy is", async () => {
  const world = new World(3);
  const client = world.client();
  await world.wait(client.ready());
  client.consumer.watch("web");
  const first = world.node;
  first.intercept = (link, message) => {
    if (message.type !== "ping") {
      return false;
    }
    link.send({ type: "pong", id: message.id, confirmed: false, revision: 0 });
    return true;
  };
  await world.time.advance(60_000);
  expect(world.node).not.toBe(first);
});

test("a client that comes to a node without an age leaves it before the next ping is due", async () => {
  const world = new World(3);
  const [first, ...others] = world.all;
  first!.knowsAge = false;
  for (const node of others) {
    node.isReachable = false;
  }
  const client = world.client();
  await world.until("connected", () => first!.isConnected, 1_000);
  for (const node of others) {
    node.isReachable = true;
  }
  await world.until("it has left", () => !first!.isConnected, 2_100);
  expect(client.state.connection).toMatchObject({ tag: "connected" });
});

test("a watch takes nothing from a node without an age while another node has one", async () => {
  const world = new World(3);
  world.registry.byOther({ register: WEB });
  for (const ageless of world.all) {
    for (const node of world.all) {
      node.knowsAge = node !== ageless;
    }
    const client = world.client();
    const event = await next(world, client.consumer.watch("web"));
    expect(event).toMatchObject({ type: "snapshot", ageMs: 0 });
    await world.wait(client.close());
  }
});

test("where no node has an age, all are asked, and then a list without one is better than none", async () => {
  const world = new World(3);
  world.registry.byOther({ register: WEB });
  for (const node of world.all) {
    node.knowsAge = false;
  }
  const client = world.client();
  const watch = client.consumer.watch("web");
  const event = await next(world, watch);
  expect(event.instances.map(({ addr }) => addr)).toEqual([WEB.addr]);
  expect(event).not.toHaveProperty("ageMs");
  expect(world.all.every(({ links }) => links.length > 0)).toBe(true);
  expect(world.typesOf()).toContain("ageUnknown");
  // The watch that was refused an unknown age is gone, and what is late of it means nothing.
  const { link } = world.node;
  expect([...link.watches.keys()]).toEqual([2]);
  link.send({ type: "delta", watch: 1, revision: 9, put: [], remove: [WEB] });
  world.registry.byOther({ register: { ...WEB, addr: "10.9.9.2:80" } });
  expect(await next(world, watch)).toMatchObject({ type: "change", revision: 2 });
  // A watch that comes later has not to find that out again.
  await next(world, client.consumer.watch("web"));
});

test("where only a node without an age can be reached, its list is taken, said, and left", async () => {
  const { world, client, ageless } = await onAnAgelessNode();
  const watch = client.consumer.watch("web");
  expect(await next(world, watch)).not.toHaveProperty("ageMs");
  expect(world.typesOf()).toContain("ageUnknown");
  expect(ageless.link.watches.size).toBe(1);
  const before = world.typesOf().length;

  for (const node of world.all) {
    node.isReachable = true;
  }
  await world.until("it has left", () => !ageless.isConnected, 2_100);
  await world.until("it says so", () => world.typesOf().includes("ageKnown"));
  expect(world.typesOf().slice(before)).toEqual(["disconnected", "connected", "ageKnown"]);
  world.registry.byOther({ register: { ...WEB, addr: "10.9.9.2:80" } });
  expect(await next(world, watch)).toMatchObject({ type: "change", revision: 2 });
});

test("a node that has got an age while nobody else could be reached is stayed with", async () => {
  const { world, client, ageless } = await onAnAgelessNode();
  await next(world, client.consumer.watch("web"));
  ageless.knowsAge = true;
  await world.until("it says so", () => world.typesOf().includes("ageKnown"), 10_000);
  await world.time.advance(30_000);
  expect(ageless.isConnected).toBe(true);
  const later = client.consumer.watch("web");
  expect(await next(world, later)).toMatchObject({ ageMs: 0 });
  expect(ageless.link.ofType("subscribe").at(-1)).toMatchObject({ allowUnknownAge: false });
});

test("nodes without an age are not run between", async () => {
  const world = new World(3);
  for (const node of world.all) {
    node.knowsAge = false;
  }
  const client = world.client({ ttlMs: 9_000 });
  await next(world, client.consumer.watch("web"));
  const before = world.dials.length;
  await world.time.advance(600_000);
  expect(world.dials.length - before).toBeGreaterThan(4);
  expect(world.dials.length - before).toBeLessThan(20);
});

test("a provider that watches leaves a node without an age too", async () => {
  const world = new World(3);
  const client = world.client();
  await world.wait(client.provider.register(WEB));
  const watch = client.consumer.watch("web");
  await next(world, watch);
  const first = world.node;
  const others = world.all.filter((node) => node !== first);
  others[0]!.knowsAge = false;
  others[1]!.isReachable = false;
  first.die();
  await world.until("elsewhere", () => others[0]!.isConnected);
  others[1]!.isReachable = true;
  await world.until("where an age is", () => others[1]!.isConnected, 2_100);
  await world.until("resumed", () => world.typesOf().includes("sessionResumed"));
});
