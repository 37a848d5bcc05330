import { describe, expect, test } from "vitest";
import { registered, WEB } from "./registered.ts";
import { World } from "./world.ts";

describe("a registration is put back after any loss", () => {
  test("after EXPIRED, in a new session, with its content of then", async () => {
    const world = new World();
    const client = world.client();
    const registration = await registered(world, client);
    await world.wait(registration.update({ weight: 7 }));
    const before = (client.state.session as { id: string }).id;
    world.registry.end(before, "ttl");
    world.node.link.cut();
    await world.until("it is back", () => world.registry.addresses("web").length === 1);
    await world.until("it says so", () => registration.state.tag === "registered");
    expect(world.registry.select({ application: "web" })[0]?.weight).toBe(7);
    expect((client.state.session as { id: string }).id).not.toBe(before);
    expect(world.typesOf()).toContain("sessionExpired");
  });

  test("when the session ends under a living connection", async () => {
    const world = new World();
    const client = world.client();
    const registration = await registered(world, client);
    const link = world.node.link;
    const { id } = client.state.session as { id: string };
    world.registry.end(id, "ttl");
    link.send({ type: "session", id, state: "expired", reason: "ttl", revision: 9 });
    await world.until("it is back", () => world.registry.addresses("web").length === 1);
    await world.until("it says so", () => registration.state.tag === "registered");
    expect(world.node.link).toBe(link);
  });

  test("when a resume tells another count than the SDK knows", async () => {
    const world = new World();
    const client = world.client();
    const kept = await registered(world, client);
    const gone = await registered(world, client, "10.9.9.2:80");
    world.registry.byOther({ deregister: { ...WEB, addr: "10.9.9.2:80" } });
    world.node.link.cut();
    // Sooner than any ping could tell.
    await world.until("it is back", () => world.registry.addresses("web").length === 2, 1_000);
    await world.until("it says so", () => gone.state.tag === "registered");
    expect(kept.state.tag).toBe("registered");
  });

  test("within a third of the TTL when somebody removes it under a living connection", async () => {
    const world = new World();
    const client = world.client({ ttlMs: 9_000 });
    const registration = await registered(world, client);
    world.registry.byOther({ deregister: WEB });
    await world.until("it is back", () => world.registry.addresses("web").length === 1, 3_500);
    await world.until("it says so", () => registration.state.tag === "registered");
    const before = world.heard.filter(({ type }) => type === "get").length;
    await world.time.advance(30_000);
    expect(world.heard.filter(({ type }) => type === "get").length).toBe(before);
  });

  test("when the count is right, but not the revision of the last change", async () => {
    const world = new World();
    const client = world.client({ ttlMs: 9_000 });
    await registered(world, client);
    const { id } = client.state.session as { id: string };
    const session = world.registry.sessions.get(id)!;
    world.registry.byOther({ deregister: WEB });
    world.registry.write(id, {
      ...{ type: "register", ...WEB, addr: "10.9.9.8:80", id: 1 },
      ...{ seq: session.lastSeq + 1, low: session.lastSeq + 1 },
    });
    session.replies.clear();
    session.lastSeq -= 1;
    await world.until("it is back", () => world.registry.addresses("web")[0] === WEB.addr, 3_500);
    await world.until("all is well", () => world.registry.addresses("web").length === 1, 100);
  });

  test("at once after a resume with unanswered writes, though their numbers hide it", async () => {
    const world = new World();
    const client = world.client();
    await registered(world, client);
    // Applied, and not answered; a later write is, so that no revision is news.
    const second = { ...WEB, addr: "10.9.9.2:80" };
    world.node.intercept = (link, message) => {
      const isSecond = message.type === "register" && message.seq === 2;
      if (isSecond) {
        world.registry.write(link.session ?? "", message);
      }
      return isSecond;
    };
    world.registry.byOther({ deregister: WEB });
    const call = client.provider.register(second);
    await world.time.advance(10);
    await world.wait(
      client.provider.register({ ...WEB, addr: "10.9.9.3:80", persistent: true }),
      100,
    );
    world.node.link.cut();
    await world.wait(call, 500);
    await world.until(
      "it is back",
      () => world.registry.addresses("web").includes(WEB.addr),
      1_000,
    );
  });

  test("but nothing is listed for a keepalive while a write is unanswered", async () => {
    const world = new World(1);
    const client = world.client({ ttlMs: 9_000 });
    await registered(world, client);
    world.node.intercept = (link, message) => {
      if (message.type === "register") {
        world.registry.write(link.session ?? "", message);
      }
      return message.type === "register";
    };
    const second = { ...WEB, addr: "10.9.9.2:80" };
    void client.provider.register(second, { timeoutMs: 60_000 });
    await world.until("a pong", () => world.node.link.ofType("ping").length === 2);
    await world.time.advance(10);
    expect(world.node.link.ofType("get")).toEqual([]);
  });

  test("when the list that tells what is missing was refused at first", async () => {
    const world = new World();
    const client = world.client({ ttlMs: 9_000 });
    await registered(world, client);
    world.node.refuse("get", "DENIED");
    world.registry.byOther({ deregister: WEB });
    await world.until("it is back", () => world.registry.addresses("web").length === 1, 6_500);
  });

  test("a resume that tells what the SDK knows lists nothing", async () => {
    const world = new World();
    const client = world.client();
    await registered(world, client);
    world.node.link.cut();
    await world.until("resumed", () => world.typesOf().includes("sessionResumed"));
    await world.time.advance(20_000);
    expect(world.heard.map(({ type }) => type)).not.toContain("get");
    expect(world.heard.filter(({ type }) => type === "register").length).toBe(1);
  });

  test("what the session owns and nobody declares is removed", async () => {
    const world = new World();
    const client = world.client();
    await registered(world, client);
    const { id } = client.state.session as { id: string };
    const session = world.registry.sessions.get(id);
    world.registry.write(id, {
      ...{ type: "register", ...WEB, addr: "10.9.9.8:80" },
      ...{ id: 1, seq: (session?.lastSeq ?? 0) + 1, low: 1 },
    });
    // The SDK does not know of that number; let it count on from there.
    session?.replies.clear();
    (session as { lastSeq: number }).lastSeq = 1;
    world.node.link.cut();
    await world.until(
      "the stray is gone",
      () => !world.registry.addresses("web").includes("10.9.9.8:80"),
    );
    expect(world.registry.addresses("web")).toEqual([WEB.addr]);
  });

  test("when an update finds that it is gone, and the update follows", async () => {
    const world = new World();
    const client = world.client();
    const registration = await registered(world, client);
    world.registry.byOther({ deregister: WEB });
    await world.wait(registration.update({ weight: 3 }), 1_000);
    expect(world.registry.select({ application: "web" })[0]?.weight).toBe(3);
  });

  test("a refusal to take it back is tried again with longer waits, and said once a try", async () => {
    const world = new World();
    const client = world.client();
    const registration = await registered(world, client);
    for (const node of world.all) {
      node.refuse("register", "DISK_LOW", 5);
    }
    const { id } = client.state.session as { id: string };
    world.registry.end(id, "ttl");
    world.node.link.cut();
    await world.until("restoring", () => registration.state.tag === "restoring", 100);
    await world.until("it is back", () => registration.state.tag === "registered");
    const said = world.logged.filter(({ message }) => message === "an instance is not taken back");
    expect(said.length).toBe(5);
  });
});

describe("superseded", () => {
  test("a registration that a newer session took is said so once and not put back", async () => {
    const world = new World();
    const client = world.client({ ttlMs: 9_000 });
    const registration = await registered(world, client);
    const other = world.registry.byOther({ register: WEB });
    await world.until("superseded", () => registration.state.tag === "superseded", 4_000);
    await world.time.advance(3_000);
    const gets = world.heard.filter(({ type }) => type === "get").length;
    await world.time.advance(60_000);
    expect(world.heard.filter(({ type }) => type === "get").length).toBe(gets);
    expect(world.typesOf().filter((type) => type === "superseded")).toEqual(["superseded"]);
    expect(world.logged.filter(({ message }) => message.startsWith("superseded")).length).toBe(1);
    expect(world.registry.select({ application: "web" })[0]?.session).toBe(other);
    await expect(world.wait(registration.update({ weight: 1 }))).rejects.toMatchObject({
      code: "TAKEN_OVER",
      definite: true,
    });
    await world.wait(registration.deregister());
    expect(registration.state.tag).toBe("deregistered");
  });

  test("it stays superseded over a reconnect, and is not looked for again", async () => {
    const world = new World();
    const client = world.client();
    const registration = await registered(world, client);
    world.registry.byOther({ register: WEB });
    world.node.link.cut();
    await world.until("superseded", () => registration.state.tag === "superseded");
    const registers = world.heard.filter(({ type }) => type === "register").length;
    world.node.link.cut();
    await world.time.advance(30_000);
    expect(world.heard.filter(({ type }) => type === "register").length).toBe(registers);
  });
});
