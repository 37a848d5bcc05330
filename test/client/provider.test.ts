import { describe, expect, test } from "vitest";
import type { RollcallError } from "../../src/client/errors.ts";
import { registered, WEB } from "./registered.ts";
import { World } from "./world.ts";

describe("a session is opened by the first registration", () => {
  test("a client that only reads opens none", async () => {
    const world = new World();
    const client = world.client();
    await world.wait(client.consumer.get("web"));
    expect(world.registry.sessions.size).toBe(0);
    expect(client.state.session).toEqual({ tag: "none" });
  });

  test("two registrations share the one session, and writes are numbered from 1", async () => {
    const world = new World();
    const client = world.client();
    await registered(world, client);
    await registered(world, client, "10.9.9.2:80");
    expect(world.registry.sessions.size).toBe(1);
    const [session] = world.registry.sessions.keys();
    expect(session).toMatch(/^[0-9a-f]{32}$/);
    expect(world.registry.applied).toEqual([`${session} 1`, `${session} 2`]);
  });

  test("an open that was not answered is sent again on the next node, with a higher attach", async () => {
    const world = new World();
    const client = world.client();
    for (const node of world.all) {
      node.intercept = (link, message) => {
        if (message.type === "open") {
          world.registry.open(message.session.id, message.session.secret);
          queueMicrotask(() => link.cut());
          node.behave();
          for (const other of world.all) {
            other.behave();
          }
          return true;
        }
        return false;
      };
    }
    await registered(world, client);
    const opens = world.heard.filter((message) => message.type === "open");
    expect(opens.length).toBe(2);
    expect(opens[0]?.session.id).toBe(opens[1]?.session.id);
    expect(opens.map(({ session }) => session.attach)).toEqual([1, 2]);
    expect(world.registry.sessions.size).toBe(1);
  });

  test("the lease runs from the first open that may have happened, not from the one answered", async () => {
    const world = new World();
    const client = world.client({ ttlMs: 10_000 });
    await world.wait(client.ready());
    const opens = (): number => world.heard.filter(({ type }) => type === "open").length;
    world.node.hold("open");
    world.node.refuse("open", "OVERLOADED", 2, 1_000);
    const registration = client.provider.register(WEB);
    await world.until("it opens for the third time", () => opens() === 3);
    const sentAtMs = world.time.monotonicMs();
    await world.time.advance(1_000);
    const { node } = world;
    node.behave();
    node.link.cut();
    await world.wait(registration);
    expect(opens()).toBe(4);
    const sentAgoMs = world.time.monotonicMs() - sentAtMs;
    const { leaseMsLeft } = client.state.session as { leaseMsLeft: number };
    expect(leaseMsLeft).toBeLessThanOrEqual(10_010 - sentAgoMs);
    expect(leaseMsLeft).toBeGreaterThan(9_900 - sentAgoMs);
  });

  test("an open refused for the moment is tried again", async () => {
    const world = new World();
    const client = world.client();
    await world.wait(client.ready());
    world.node.refuse("open", "OVERLOADED", 2, 200);
    const before = world.time.monotonicMs();
    await registered(world, client);
    expect(world.time.monotonicMs() - before).toBeGreaterThanOrEqual(400);
  });

  test("an open refused for want of disk rejects the registration at once; a later one opens", async () => {
    const world = new World();
    const client = world.client();
    await world.wait(client.ready());
    world.node.refuse("open", "DISK_LOW", 3, 1_000);
    const beforeMs = world.time.monotonicMs();
    const refused = client.provider.register(WEB);
    await expect(world.wait(refused)).rejects.toMatchObject({ code: "DISK_LOW", definite: true });
    expect(world.time.monotonicMs() - beforeMs).toBeLessThan(500);
    expect(world.registry.addresses("web")).toEqual([]);
    await world.time.advance(5_000);
    const opens = world.heard.filter(({ type }) => type === "open");
    expect(opens.length).toBe(4);
    await world.wait(client.provider.register(WEB), 500);
    expect(world.registry.addresses("web")).toEqual([WEB.addr]);
  });

  test("writes refused for want of disk are refused at once, and renewals go on", async () => {
    const world = new World();
    const client = world.client({ ttlMs: 9_000 });
    const registration = await registered(world, client);
    for (const type of ["register", "update", "deregister"] as const) {
      world.node.refuse(type, "DISK_LOW", 1_000);
    }
    const writes: (() => Promise<unknown>)[] = [
      () => client.provider.register({ ...WEB, addr: "10.0.0.2:80" }),
      () => registration.update({ weight: 3 }),
      () => registration.deregister(),
    ];
    for (const write of writes) {
      await expect(world.wait(write(), 500)).rejects.toMatchObject({
        code: "DISK_LOW",
        definite: true,
      });
    }
    await world.time.advance(30_000);
    expect([registration.state.tag, client.state.session.tag]).toEqual(["registered", "open"]);
    world.node.behave();
    await world.wait(registration.deregister(), 500);
    expect(world.registry.addresses("web")).toEqual([]);
  });

  test("an open refused for good rejects the registration with its code", async () => {
    const world = new World();
    const client = world.client();
    await world.wait(client.ready());
    world.node.refuse("open", "DENIED");
    const refused = client.provider.register(WEB);
    await expect(world.wait(refused)).rejects.toMatchObject({ code: "DENIED", definite: true });
  });
});

describe("exactly once, in order", () => {
  test("unanswered writes go again under their numbers, in order, and are applied once", async () => {
    const world = new World();
    const client = world.client();
    await registered(world, client);
    const first = world.node;
    // Applied, but the answers are lost with the node.
    first.intercept = (link, message) => {
      if (message.type === "register") {
        world.registry.write(link.session ?? "", message);
        return true;
      }
      return false;
    };
    const calls = ["10.9.9.2:80", "10.9.9.3:80", "10.9.9.4:80"].map((addr) =>
      client.provider.register({ ...WEB, addr }),
    );
    await world.time.advance(10);
    first.die();
    await Promise.all(calls.map((call) => world.wait(call)));
    const session = client.state.session as { id: string };
    expect(world.registry.applied).toEqual([1, 2, 3, 4].map((seq) => `${session.id} ${seq}`));
    expect(world.node.link.ofType("register").map(({ seq, low }) => [seq, low])).toEqual([
      [2, 2],
      [3, 2],
      [4, 2],
    ]);
  });

  test("nothing is sent again before the node has answered for the session", async () => {
    const world = new World();
    const client = world.client();
    await registered(world, client);
    world.node.hold("register");
    const call = client.provider.register({ ...WEB, addr: "10.9.9.2:80" });
    await world.time.advance(10);
    const silent: string[] = [];
    for (const node of world.all) {
      node.intercept = (link, message) => {
        if (message.type === "hello" && message.session !== undefined) {
          const session = message.session;
          node.behave();
          node.onMessage(link, { ...message, session: undefined } as never);
          world.time.after(100, () => {
            silent.push(...link.heard.map(({ type }) => type));
            node.attach(link, session);
          });
          return true;
        }
        return false;
      };
    }
    world.node.die();
    await world.wait(call);
    expect(silent).not.toContain("register");
  });

  test("a node that speaks for the session takes them before a leader has confirmed it", async () => {
    const world = new World();
    const client = world.client();
    await registered(world, client);
    for (const node of world.all) {
      node.confirms = false;
    }
    world.node.hold("register");
    const call = client.provider.register({ ...WEB, addr: "10.9.9.2:80" });
    await world.time.advance(10);
    world.node.die();
    await world.wait(call, 200);
    expect(world.typesOf()).not.toContain("sessionResumed");
  });

  test("no more than the window is unanswered, and low is the lowest that is", async () => {
    const world = new World();
    world.requestsInFlightMax = 8;
    const client = world.client();
    await registered(world, client);
    const held: number[] = [];
    const node = world.node;
    node.intercept = (_link, message) => {
      if (message.type === "register") {
        held.push(message.seq);
        return true;
      }
      return false;
    };
    for (let port = 100; port < 120; port += 1) {
      void client.provider.register({ ...WEB, addr: `10.9.9.9:${port}` });
    }
    await world.time.advance(100);
    expect(held).toEqual([2, 3, 4, 5, 6, 7]);
  });

  test("a write refused for the moment keeps its number and its place", async () => {
    const world = new World();
    const client = world.client();
    await registered(world, client);
    world.node.refuse("register", "NO_LEADER", 3);
    const calls = ["10.9.9.2:80", "10.9.9.3:80"].map((addr) =>
      client.provider.register({ ...WEB, addr }),
    );
    await Promise.all(calls.map((call) => world.wait(call)));
    const { id } = client.state.session as { id: string };
    expect(world.registry.applied).toEqual([`${id} 1`, `${id} 2`, `${id} 3`]);
  });

  test("a write behind one that was refused at the edge is not stuck behind its gap", async () => {
    const world = new World();
    const client = world.client();
    await registered(world, client);
    const link = world.node.link;
    // The node refuses number 2 without handing it on, and holds 3, which is a gap, as nodes do.
    let isFirst = true;
    world.node.intercept = (_link, message) => {
      if (message.type === "register" && message.seq === 2) {
        link.send({
          ...{ type: "reply", id: message.id, ok: false },
          error: { code: "LIMIT", message: "no" },
        });
        return true;
      }
      if (message.type === "register" && message.seq === 3 && isFirst) {
        isFirst = false;
        return true;
      }
      return false;
    };
    const refused = client.provider.register({ ...WEB, addr: "10.9.9.2:80" });
    const taken = client.provider.register({ ...WEB, addr: "10.9.9.3:80" });
    await expect(world.wait(refused)).rejects.toMatchObject({ code: "LIMIT", definite: true });
    await world.wait(taken, 1_000);
    expect(world.registry.addresses("web")).toEqual([WEB.addr, "10.9.9.3:80"]);
  });

  test("a write behind one that was given up in a pause is not stuck behind its gap", async () => {
    const world = new World();
    const client = world.client();
    await registered(world, client);
    // Number 2 is refused for the moment and given up meanwhile; number 3 is a gap, and is held.
    world.node.intercept = (link, message) => {
      if (message.type !== "register") {
        return false;
      }
      if (message.seq === 2) {
        const error = { code: "OVERLOADED", message: "no", retryAfterMs: 1_000 } as const;
        link.send({ type: "reply", id: message.id, ok: false, error });
      }
      return message.seq === 2 || message.low <= 2;
    };
    const refused = client.provider.register({ ...WEB, addr: "10.9.9.2:80" }, { timeoutMs: 500 });
    const taken = client.provider.register({ ...WEB, addr: "10.9.9.3:80" });
    await expect(world.wait(refused)).rejects.toMatchObject({ code: "OVERLOADED", definite: true });
    await world.wait(taken, 2_000);
    expect(world.registry.addresses("web")).toEqual([WEB.addr, "10.9.9.3:80"]);
  });

  test("a timed out deregister is disposed of by a higher low, and a late copy changes nothing", async () => {
    const world = new World();
    const client = world.client();
    await registered(world, client);
    world.registry.byOther({ register: { ...WEB, addr: "10.9.9.7:80", persistent: true } });
    const node = world.node;
    const link = node.link;
    node.hold("deregister");
    const key = { ...WEB, addr: "10.9.9.7:80" };
    const call = client.provider.deregister(key, { timeoutMs: 500 });
    await expect(world.wait(call)).rejects.toMatchObject({ code: "TIMEOUT", definite: false });
    const late = link.ofType("deregister")[0];
    node.behave();
    await registered(world, client, "10.9.9.2:80");
    expect(link.ofType("register").at(-1)).toMatchObject({ seq: 3, low: 3 });
    expect(late).toMatchObject({ seq: 2 });
    world.registry.write(link.session ?? "", late as never);
    expect(world.registry.addresses("web")).toContain("10.9.9.7:80");
  });
});

describe("definite and indefinite", () => {
  test("a write that was never sent and ran out of time is definite", async () => {
    const world = new World();
    for (const node of world.all) {
      node.isReachable = false;
    }
    const client = world.client();
    const call = client.provider.register(WEB, { timeoutMs: 1_000 });
    await expect(world.wait(call)).rejects.toMatchObject({ code: "TIMEOUT", definite: true });
    for (const node of world.all) {
      node.isReachable = true;
    }
    await world.wait(client.ready());
    await world.time.advance(5_000);
    expect(world.registry.addresses("web")).toEqual([]);
  });

  test.for([300, 1_000, 5_000])(
    "a write that waits for a session without a leader ends in NO_LEADER after %i ms",
    async (timeoutMs) => {
      const world = new World(1);
      const client = world.client();
      await world.wait(client.ready());
      world.node.loseLeader();
      const late = [
        client.provider.register(WEB, { timeoutMs }),
        client.provider.deregister({ ...WEB, addr: "10.9.9.2:80" }, { timeoutMs }),
      ];
      const patient = client.provider.register(
        { ...WEB, addr: "10.9.9.3:80" },
        { timeoutMs: 60_000 },
      );
      for (const call of late) {
        await expect(world.wait<unknown>(call, timeoutMs + 10)).rejects.toMatchObject({
          code: "NO_LEADER",
          definite: true,
        });
      }
      world.node.behave();
      await world.wait(patient);
      expect(world.registry.addresses("web")).toEqual(["10.9.9.3:80"]);
    },
  );

  test("an opening that may have happened leaves the write behind it definite", async () => {
    const world = new World(1);
    const client = world.client();
    await world.wait(client.ready());
    world.node.refuse("open", "TIMEOUT", 1_000);
    const call = client.provider.register(WEB, { timeoutMs: 1_000 });
    await expect(world.wait(call)).rejects.toMatchObject({ code: "TIMEOUT", definite: true });
  });

  test("a register that timed out on its way is indefinite, and what came of it is removed", async () => {
    const world = new World();
    const client = world.client();
    await registered(world, client);
    const node = world.node;
    node.intercept = (link, message) => {
      if (message.type === "register") {
        world.registry.write(link.session ?? "", message);
        return true;
      }
      return false;
    };
    const call = client.provider.register({ ...WEB, addr: "10.9.9.2:80" }, { timeoutMs: 500 });
    await expect(world.wait(call)).rejects.toMatchObject({ code: "TIMEOUT", definite: false });
    await world.time.advance(100);
    expect(world.registry.addresses("web")).toEqual([WEB.addr]);
  });

  test("a request that is indefinite once stays so, whatever a later attempt is refused with", async () => {
    const world = new World();
    const client = world.client();
    await registered(world, client);
    world.node.refuse("register", "LEADER_LOST");
    const node = world.node;
    const lost = node.intercept;
    node.intercept = (link, message) => {
      if (message.type !== "register") {
        return false;
      }
      if (lost(link, message)) {
        return true;
      }
      const error = { code: "LIMIT", message: "too many" } as const;
      link.send({ type: "reply", id: message.id, ok: false, error });
      return true;
    };
    const call = client.provider.register({ ...WEB, addr: "10.9.9.2:80" });
    await expect(world.wait(call)).rejects.toMatchObject({ code: "LIMIT", definite: false });
  });

  test("a copy whose answer is not awaited any more leaves its write indefinite", async () => {
    const world = new World();
    const client = world.client();
    await registered(world, client);
    const link = world.node.link;
    // The answer to the first copy of number 3 crosses the second one, which is refused for sure.
    let copies = 0;
    world.node.intercept = (_link, message) => {
      if (message.type !== "register") {
        return false;
      }
      const { id, seq } = message;
      copies += seq === 3 ? 1 : 0;
      if (seq === 2) {
        const error = { code: "LIMIT", message: "no" } as const;
        link.send({ type: "reply", id, ok: false, error });
      } else if (copies > 1) {
        const error = { code: "DENIED", message: "no" } as const;
        link.send({ type: "reply", id, ok: false, error });
      }
      return true;
    };
    const first = client.provider.register({ ...WEB, addr: "10.9.9.2:80" });
    const second = client.provider.register({ ...WEB, addr: "10.9.9.3:80" });
    await expect(world.wait(first)).rejects.toMatchObject({ code: "LIMIT", definite: true });
    await expect(world.wait(second)).rejects.toMatchObject({ code: "DENIED", definite: false });
  });

  test("SESSION_EXPIRED on a retry is indefinite for a write that must not be repeated", async () => {
    const world = new World();
    const client = world.client();
    await registered(world, client);
    const node = world.node;
    node.hold("register");
    const call = client.provider.register({ ...WEB, addr: "10.9.9.2:80", persistent: true });
    await world.time.advance(10);
    world.registry.end((client.state.session as { id: string }).id, "ttl");
    node.die();
    await expect(world.wait(call)).rejects.toMatchObject({
      code: "SESSION_EXPIRED",
      definite: false,
    });
    expect(world.registry.addresses("web")).not.toContain("10.9.9.2:80");
  });

  test("SESSION_EXPIRED on a retry is indefinite, though the first attempt was refused for sure", async () => {
    const world = new World();
    const client = world.client();
    await registered(world, client);
    world.node.refuse("register", "OVERLOADED");
    const call = client.provider.register({ ...WEB, addr: "10.9.9.2:80", persistent: true });
    world.registry.end((client.state.session as { id: string }).id, "ttl");
    await expect(world.wait(call)).rejects.toMatchObject({
      code: "SESSION_EXPIRED",
      definite: false,
    });
  });

  test("an aborted call rejects with the signal's reason", async () => {
    const world = new World();
    const client = world.client();
    await registered(world, client);
    world.node.hold("register");
    const abort = new AbortController();
    const call = client.provider.register(
      { ...WEB, addr: "10.9.9.2:80" },
      { signal: abort.signal },
    );
    await world.time.advance(10);
    const reason = new Error("enough");
    abort.abort(reason);
    await expect(call).rejects.toBe(reason);
    world.node.behave();
    await world.time.advance(20_000);
    expect(world.registry.addresses("web")).toEqual([WEB.addr]);
  });

  test("a signal that is aborted before the call sends nothing", async () => {
    const world = new World();
    const client = world.client();
    await world.wait(client.ready());
    const call = client.provider.register(WEB, { signal: AbortSignal.abort(new Error("no")) });
    await expect(call).rejects.toThrow("no");
    await world.time.advance(1_000);
    expect(world.heard.map(({ type }) => type)).not.toContain("register");
    await registered(world, client);
  });
});

describe("update and deregister", () => {
  test("updates of one registration are applied in the order of the calls", async () => {
    const world = new World();
    const client = world.client();
    const registration = await registered(world, client);
    const calls = [1, 2, 3].map((weight) => registration.update({ weight }));
    await Promise.all(calls.map((call) => world.wait(call)));
    expect(world.registry.select({ application: "web" })[0]?.weight).toBe(3);
  });

  test("an update that compares with an older revision is refused with CONFLICT", async () => {
    const world = new World();
    const client = world.client();
    const registration = await registered(world, client);
    const { modifiedRevision } = world.registry.select({ application: "web" })[0] as {
      modifiedRevision: number;
    };
    await world.wait(registration.update({ weight: 1 }, { ifRevision: modifiedRevision }));
    const stale = registration.update({ weight: 2 }, { ifRevision: modifiedRevision });
    await expect(world.wait(stale)).rejects.toMatchObject({ code: "CONFLICT", definite: true });
    expect(world.registry.select({ application: "web" })[0]?.weight).toBe(1);
  });

  test("an update lost with its session is applied after the instance was put back", async () => {
    const world = new World();
    const client = world.client();
    const registration = await registered(world, client);
    world.node.hold("update");
    const call = registration.update({ weight: 5 }, { timeoutMs: 30_000 });
    await world.time.advance(10);
    world.registry.end((client.state.session as { id: string }).id, "ttl");
    world.node.die();
    await world.wait(call);
    expect(world.registry.select({ application: "web" })[0]?.weight).toBe(5);
  });

  test("deregister removes it even where its caller gave up waiting", async () => {
    const world = new World();
    const client = world.client();
    const registration = await registered(world, client);
    world.node.refuse("deregister", "OVERLOADED", 5);
    const call = registration.deregister({ timeoutMs: 50 });
    await expect(world.wait(call)).rejects.toMatchObject({ code: "TIMEOUT", definite: false });
    await world.until("gone", () => registration.state.tag === "deregistered");
    expect(world.registry.addresses("web")).toEqual([]);
  });

  test("the same identity is not registered twice by one client, and may be after it is gone", async () => {
    const world = new World();
    const client = world.client();
    const registration = await registered(world, client);
    await expect(client.provider.register(WEB)).rejects.toMatchObject({ code: "CONFLICT" });
    await world.wait(registration.deregister());
    await registered(world, client);
    expect(world.registry.addresses("web")).toEqual([WEB.addr]);
  });

  test("a persistent registration outlives its session and is written once", async () => {
    const world = new World();
    const client = world.client();
    await world.wait(client.provider.register({ ...WEB, persistent: true }));
    world.registry.end((client.state.session as { id: string }).id, "ttl");
    world.node.link.cut();
    await world.time.advance(30_000);
    expect(world.registry.addresses("web")).toEqual([WEB.addr]);
    expect(world.heard.filter(({ type }) => type === "register").length).toBe(1);
    await world.wait(client.provider.deregister(WEB));
    expect(world.registry.addresses("web")).toEqual([]);
  });

  test("disposing of a registration removes it", async () => {
    const world = new World();
    const client = world.client();
    const registration = await registered(world, client);
    await world.wait(registration[Symbol.asyncDispose]());
    expect(world.registry.addresses("web")).toEqual([]);
  });
});

describe("close", () => {
  test("says bye, which removes all at once, and ends the status stream", async () => {
    const world = new World();
    const client = world.client();
    const registration = await registered(world, client);
    const link = world.node.link;
    await world.wait(client.close());
    expect(world.registry.addresses("web")).toEqual([]);
    expect([...world.registry.ended.values()]).toEqual(["closed"]);
    expect(link.leftBy).toBe("close");
    expect(registration.state.tag).toBe("closed");
    expect(world.statuses.at(-1)).toEqual({ type: "closed", isSessionOver: true });
    expect(world.time.timerCount).toBe(0);
    await expect(client.provider.register(WEB)).rejects.toMatchObject({ code: "CLOSED" });
    await expect(client.ready()).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("of a client that only read leaves nothing behind", async () => {
    const world = new World();
    const client = world.client();
    await world.wait(client.consumer.get("web"));
    await world.wait(client.close());
    expect(world.statuses.at(-1)).toEqual({ type: "closed", isSessionOver: true });
  });

  test("while the session is not confirmed does not claim that it is over", async () => {
    const world = new World();
    const client = world.client();
    await registered(world, client);
    for (const node of world.all) {
      node.loseLeader();
    }
    world.node.die();
    await world.until("the session is unconfirmed", () => world.isConnected);
    await world.wait(client.close());
    expect(world.statuses.at(-1)).toEqual({ type: "closed", isSessionOver: false });
  });

  test("waits no longer than its bound for the answer to the bye", async () => {
    const world = new World();
    const client = world.client();
    await registered(world, client);
    world.node.hold("bye");
    const before = world.time.monotonicMs();
    await world.wait(client.close());
    expect(world.time.monotonicMs() - before).toBeLessThanOrEqual(2_020);
    expect(world.statuses.at(-1)).toEqual({ type: "closed", isSessionOver: false });
    expect(world.isConnected).toBe(false);
    expect(world.time.timerCount).toBe(0);
  });

  test("rejects what still waits with CLOSED, indefinite where it was sent, and surprises nobody", async () => {
    const world = new World();
    const client = world.client();
    await registered(world, client);
    world.node.hold("register");
    const surprises: unknown[] = [];
    const onSurprise = (reason: unknown): void => {
      surprises.push(reason);
    };
    process.on("unhandledRejection", onSurprise);
    const call = client.provider.register({ ...WEB, addr: "10.9.9.2:80" });
    void client.provider.register({ ...WEB, addr: "10.9.9.3:80" });
    void client.consumer.get("nothing", { timeoutMs: 100 });
    await world.time.advance(10);
    const closing = client.close();
    const error = await call.then(
      () => null,
      (reason: RollcallError) => reason,
    );
    expect(error).toMatchObject({ code: "CLOSED", definite: false });
    await world.wait(closing);
    await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", onSurprise);
    expect(surprises).toEqual([]);
  });
});
