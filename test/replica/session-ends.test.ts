import { describe, expect, test } from "vitest";
import { MASS_BREAK_SESSIONS_MIN, REMOVALS_PER_COMMAND_MAX } from "../../src/limits.ts";
import type { PeerMessage } from "../../src/replica/peer-messages.ts";
import { commandCodec } from "../../src/wire/command-codec.ts";
import { type Client, Cluster } from "./harness.ts";
import { attachedOn, endsSeenBy, isRoundAnswer, lives, openedOn, passAlive } from "./steps.ts";

describe("the end of a session", () => {
  test("comes a grace after the client's end closed, where the TTL is far longer", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2", "s1", { ttlMs: 60_000, graceMs: 2_000 });
    client.register("a:1");
    cluster.pass(500);
    client.close();
    cluster.pass(1_900);
    expect(lives(cluster, "s1")).toBe(true);
    cluster.pass(600);
    expect(endsSeenBy(cluster.node("n1"))).toEqual([{ session: "s1", reason: "grace" }]);
    expect(cluster.node("n3").status.instances).toBe(0);
  });

  test("comes a TTL later where the node closed the connection itself", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2", "s1", { ttlMs: 5_000, graceMs: 0 });
    cluster.pass(500);
    client.close(false);
    cluster.pass(4_400);
    expect(lives(cluster, "s1")).toBe(true);
    cluster.pass(1_000);
    expect(endsSeenBy(cluster.node("n1"))).toEqual([{ session: "s1", reason: "ttl" }]);
  });

  test("comes a TTL later where the node died", () => {
    const cluster = Cluster.led();
    openedOn(cluster, "n2", "s1", { ttlMs: 5_000, graceMs: 0 });
    cluster.pass(500);
    cluster.crash("n2");
    cluster.pass(4_400);
    expect(lives(cluster, "s1")).toBe(true);
    cluster.pass(1_000);
    expect(endsSeenBy(cluster.node("n1"))).toEqual([{ session: "s1", reason: "ttl" }]);
  });

  test("comes at once with a bye, which is answered and not reported as an expiry", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    client.register("a:1");
    cluster.deliver();
    const bye = client.bye();
    cluster.deliver();
    expect(client.answer(bye)).toBe("ok");
    expect(client.states).toEqual([]);
    expect(cluster.node("n3").status).toMatchObject({ sessions: 0, instances: 0 });
    client.close();
    cluster.pass(3_000);
    expect(endsSeenBy(cluster.node("n1"))).toEqual([{ session: "s1", reason: "closed" }]);
  });

  test("needs a round that began after the deadline: a leader that is cut off ends nobody", () => {
    const cluster = Cluster.led();
    openedOn(cluster, "n1", "s1", { ttlMs: 3_000 });
    cluster.pass(1_500);
    const { lastIndex } = cluster.node("n1").status;
    cluster.isolate("n1");
    cluster.pass(1_950);
    expect(cluster.node("n1").status).toMatchObject({ role: "leader", lastIndex });
  });

  test("is called off by a touch that comes between the deadline and the round's success", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2", "s1", { ttlMs: 3_000 });
    cluster.pass(2_500);
    cluster.holds = isRoundAnswer;
    cluster.pass(1_000);
    const ping = client.ping();
    cluster.pass(150);
    cluster.holds = () => false;
    cluster.pass(300);
    expect(client.pongOf(ping)).toBe(true);
    expect(lives(cluster, "s1")).toBe(true);
  });

  test("proposed by a leader of an earlier term ends nobody", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2", "s1");
    const { term } = cluster.node("n1").status;
    const expiry = {
      type: "expireSessions",
      term: term - 1,
      sessions: [{ session: "s1", reason: "ttl" }],
    } as const;
    const command = commandCodec.encode(expiry);
    const forward = { type: "forward", from: "n2", to: "n1", term, commands: [command] } as const;
    cluster.node("n1").step({ type: "peerMessage", message: forward });
    cluster.pass(200);
    expect(client.states).toEqual([]);
    expect(lives(cluster, "s1")).toBe(true);
  });

  test("is put off by a new leader, which gives every session its full time", () => {
    const cluster = Cluster.led();
    openedOn(cluster, "n3", "s1", { ttlMs: 4_000 });
    cluster.pass(3_000);
    cluster.isolate("n1");
    cluster.elect("n2");
    cluster.pass(3_700);
    expect(endsSeenBy(cluster.node("n2"))).toEqual([]);
    cluster.pass(700);
    expect(endsSeenBy(cluster.node("n2"))).toEqual([{ session: "s1", reason: "ttl" }]);
  });

  test("is put off by a leader that comes back, which knows nothing of its first time any more", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n3", "s1", { ttlMs: 6_000 });
    cluster.pass(1_000);
    cluster.isolate("n1");
    cluster.elect("n2");
    cluster.heal();
    passAlive(cluster, client, 3_000);
    cluster.isolate("n2");
    cluster.elect("n1");
    cluster.pass(5_500);
    expect(endsSeenBy(cluster.node("n1"))).toEqual([]);
    cluster.pass(1_000);
    expect(endsSeenBy(cluster.node("n1"))).toEqual([{ session: "s1", reason: "ttl" }]);
  });

  test("does not come while there is no leader", () => {
    const cluster = Cluster.led();
    openedOn(cluster, "n3", "s1", { ttlMs: 3_000 });
    cluster.passes = () => false;
    cluster.pass(30_000);
    expect(cluster.nodes.flatMap(endsSeenBy)).toEqual([]);
  });

  test("comes later by as long as the leader stalled", () => {
    const cluster = Cluster.led({ size: 1 });
    openedOn(cluster, "n1", "s1", { ttlMs: 4_000 });
    cluster.pass(1_000);
    const leader = cluster.node("n1");
    leader.isStalled = true;
    cluster.pass(20_000);
    leader.isStalled = false;
    cluster.pass(2_500);
    expect(endsSeenBy(leader)).toEqual([]);
    cluster.pass(1_000);
    expect(endsSeenBy(leader)).toEqual([{ session: "s1", reason: "ttl" }]);
  });
});

describe("a write behind the end of its session", () => {
  test("is refused with SESSION_EXPIRED by the node itself, leader or not", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2", "s1", { ttlMs: 3_000 });
    cluster.pass(4_000);
    expect(client.states).toEqual(["expired"]);
    const { lastIndex } = cluster.node("n1").status;
    cluster.isolate("n2");
    const request = client.register("a:1");
    cluster.deliver();
    expect(client.answer(request)).toBe("SESSION_EXPIRED");
    expect(cluster.node("n1").status.lastIndex).toBe(lastIndex);
  });

  test("is so behind a bye too, and the bye said again is acknowledged", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    client.register("a:1");
    const requests = [client.bye({ seq: 2 }), client.register("a:2", { seq: 3 })];
    cluster.deliver();
    requests.push(client.bye({ seq: 2 }), client.register("a:2", { seq: 3 }));
    cluster.deliver();
    expect(requests.map((request) => client.answer(request))).toEqual([
      ...["ok", "SESSION_EXPIRED", "ok", "SESSION_EXPIRED"],
    ]);
    expect(cluster.node("n1").status.instances).toBe(0);
  });

  test("is so over a connection that could not resume", () => {
    const cluster = Cluster.led();
    openedOn(cluster, "n1").bye();
    cluster.deliver();
    const client = attachedOn(cluster, "n3", "s1", 2);
    const request = client.register("a:1");
    cluster.deliver();
    expect(client.states).toEqual(["expired"]);
    expect(client.answer(request)).toBe("SESSION_EXPIRED");
  });

  test("is so where it waited for the secret on a node that lagged", () => {
    const cluster = Cluster.led();
    cluster.starve("n3");
    const first = openedOn(cluster, "n1");
    const client = attachedOn(cluster, "n3", "s1", 2);
    const request = client.register("a:1", { seq: 2 });
    first.bye({ seq: 1 });
    cluster.pass(300);
    expect(client.answer(request)).toBeNull();
    cluster.passes = () => true;
    cluster.pass(1_000);
    expect(client.states).toEqual(["unconfirmed", "expired"]);
    expect(client.answer(request)).toBe("SESSION_EXPIRED");
  });

  test("is so behind an opening of an id that has ended", () => {
    const cluster = Cluster.led();
    openedOn(cluster, "n1").bye();
    cluster.deliver();
    const client = cluster.connect("n2");
    const requests = [client.open("s1", { attach: 2 }), client.register("a:1")];
    cluster.deliver();
    expect(requests.map((request) => client.answer(request))).toEqual([
      ...["SESSION_EXPIRED", "SESSION_EXPIRED"],
    ]);
  });

  test("gets its reply where it was applied before, as long as that is kept", () => {
    const cluster = Cluster.led({ registryLimits: { removalsPerCommandMax: 1 } });
    const first = openedOn(cluster, "n1", "s1", { ttlMs: 3_000 });
    const applied = first.registerMany(["a:1", "a:2", "a:3"]);
    cluster.deliver();
    // n3 has applied the end and the first removal, and is cut off before the rest.
    cluster.passes = ({ to }) => to !== "n3" || endsSeenBy(cluster.node("n3")).length === 0;
    cluster.pass(4_000);
    expect(cluster.node("n3").status.instances).toBe(2);
    const client = attachedOn(cluster, "n3", "s1", 2);
    const requests = [client.registerMany([], { seq: 1 }), client.register("a:4", { seq: 2 })];
    cluster.deliver();
    expect(client.replyTo(requests[0] ?? 0)).toEqual(first.replyTo(applied));
    expect(client.answer(requests[1] ?? 0)).toBe("SESSION_EXPIRED");
  });

  test.for(["opened", "resumed"])(
    "of another session, %s since, is not answered for the one that has ended",
    (how) => {
      const cluster = Cluster.led({ registryLimits: { removalsPerCommandMax: 1 } });
      const client = openedOn(cluster, "n2", "s1");
      client.registerMany(["a:1", "a:2"]);
      client.bye();
      openedOn(cluster, "n1", "s2", { attach: 5 });
      cluster.pass(300);
      if (how === "opened") client.open("s2", { attach: 1 });
      else client.attach("s2", 1);
      cluster.pass(300);
      expect(client.lastState).toEqual({ state: "denied", attach: 5 });
      const request = client.register("b:1", { seq: 1, floor: 1 });
      cluster.deliver();
      expect(client.answer(request)).toBe("SESSION_UNKNOWN");
    },
  );
});

describe("a large session", () => {
  const COUNT = 3 * REMOVALS_PER_COMMAND_MAX + 500;

  function largeOn(cluster: Cluster, node: string): Client {
    const client = openedOn(cluster, node, "s1", { ttlMs: 4_000 });
    for (let at = 0; at < COUNT; at += 250) {
      client.registerMany(Array.from({ length: 250 }, (_, i) => `h${at + i}:1`));
    }
    cluster.deliver();
    expect(cluster.node("n1").status.instances).toBe(COUNT);
    return client;
  }

  test("ends in bounded entries, and the first of them ends it for good", () => {
    const cluster = Cluster.led();
    const client = largeOn(cluster, "n2");
    cluster.pass(4_500);
    expect(cluster.node("n2").status).toMatchObject({ instances: 0, sessions: 0 });
    expect(client.states).toEqual(["expired"]);
    const sizes = cluster
      .node("n3")
      .notices.flatMap((notice) =>
        notice.type === "applied" && notice.changes[0]?.after === null
          ? [notice.changes.length]
          : [],
      );
    expect(sizes).toEqual([1_000, 1_000, 1_000, 500]);
  });

  test("that an old leader began to remove is removed on by the next one", () => {
    const cluster = Cluster.led();
    largeOn(cluster, "n2");
    cluster.pass(3_000);
    // n1 gets its expiry committed and is cut off before it can go on.
    let isEnded = false;
    cluster.passes = ({ from, type }) => {
      isEnded ||= endsSeenBy(cluster.node("n2")).length > 0;
      return from !== "n1" || !isEnded || type !== "appendEntries";
    };
    cluster.pass(2_000);
    const left = cluster.node("n2").status.instances;
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(COUNT);
    cluster.isolate("n1");
    const client = attachedOn(cluster, "n3", "s1", 2);
    cluster.elect("n2");
    cluster.pass(500);
    expect(client.states).toEqual(["expired"]);
    expect(cluster.node("n3").status).toMatchObject({ instances: 0, sessions: 0 });
  });

  test("that says bye is answered once, and its rest is removed behind it", () => {
    const cluster = Cluster.led();
    const client = largeOn(cluster, "n2");
    const bye = client.bye();
    cluster.deliver();
    expect(client.answer(bye)).toBe("ok");
    cluster.pass(200);
    expect(cluster.node("n3").status).toMatchObject({ instances: 0, sessions: 0 });
  });

  test("is reaped in entries of one piece each, however many sessions wait", () => {
    const cluster = Cluster.led();
    const clients = ["s2", "s3", "s4"].map((session) => openedOn(cluster, "n2", session));
    clients.forEach((client, of) => {
      for (let at = 0; at < 1_400; at += 200) {
        client.registerMany(Array.from({ length: 200 }, (_, i) => `h${of}-${at + i}:1`));
      }
    });
    cluster.deliver();
    for (const client of clients) client.bye();
    cluster.deliver();
    expect(cluster.node("n3").status).toMatchObject({ instances: 0, sessions: 0 });
    const removals = new Map<number, number>();
    for (const notice of cluster.node("n3").notices) {
      if (notice.type === "applied" && notice.changes[0]?.after === null) {
        const { index, changes } = notice;
        removals.set(index, (removals.get(index) ?? 0) + changes.length);
      }
    }
    // Three byes share an entry. Of the 400 that each leaves, two and then one are removed.
    expect([...removals.values()]).toEqual([3_000, 800, 400]);
  });
});

describe("many breaks within a second", () => {
  function sessionsOn(cluster: Cluster, node: string, count: number): Client[] {
    const clients = Array.from({ length: count }, (_, at) => {
      const client = cluster.connect(node);
      client.open(`s${at}`, { ttlMs: 6_000, graceMs: 500 });
      return client;
    });
    cluster.pass(300);
    return clients;
  }

  test("are a switch that failed: the sessions keep their TTL, and it is logged once", () => {
    const cluster = Cluster.led();
    const clients = sessionsOn(cluster, "n2", 60);
    for (const client of clients) client.close();
    cluster.pass(3_000);
    expect(cluster.node("n1").status.sessions).toBe(60);
    expect(cluster.node("n2").notices.filter(({ type }) => type === "massBreak")).toEqual([
      { type: "massBreak", sessions: 60 },
    ]);
    cluster.pass(4_000);
    expect(cluster.node("n1").status.sessions).toBe(0);
    expect(new Set(endsSeenBy(cluster.node("n1")).map(({ reason }) => reason))).toEqual(
      new Set(["ttl"]),
    );
  });

  test("take back those that the leader has heard of already", () => {
    const cluster = Cluster.led();
    const clients = sessionsOn(cluster, "n2", 60);
    for (const client of clients.slice(0, 10)) client.close();
    cluster.pass(300);
    for (const client of clients.slice(10)) client.close();
    cluster.pass(3_000);
    expect(cluster.node("n1").status.sessions).toBe(60);
  });

  test("are so many processes where they are few, and end after their grace", () => {
    const cluster = Cluster.led();
    const clients = sessionsOn(cluster, "n2", 60);
    for (const client of clients.slice(0, MASS_BREAK_SESSIONS_MIN)) client.close();
    cluster.pass(1_500);
    expect(cluster.node("n1").status.sessions).toBe(60 - MASS_BREAK_SESSIONS_MIN);
  });

  test("are so many processes, too, where they are a tenth of what the node serves", () => {
    const cluster = Cluster.led();
    const clients = sessionsOn(cluster, "n2", 300);
    for (const client of clients.slice(0, 30)) client.close();
    cluster.pass(1_500);
    expect(cluster.node("n1").status.sessions).toBe(270);
    // 270 are left, of which 27 are a tenth.
    for (const client of clients.slice(30, 58)) client.close();
    cluster.pass(1_500);
    expect(cluster.node("n1").status.sessions).toBe(270);
  });

  test("take back none of a session whose client is there again by another connection", () => {
    const cluster = Cluster.led();
    const clients = sessionsOn(cluster, "n2", 60);
    clients[0]?.close();
    const back = attachedOn(cluster, "n2", "s0", 2);
    cluster.pass(200);
    back.ping();
    for (const client of clients.slice(1)) client.close();
    cluster.pass(500);
    expect(back.states).toEqual(["unconfirmed", "resumed"]);
    expect(cluster.node("n2").notices.filter(({ type }) => type === "massBreak")).toEqual([
      { type: "massBreak", sessions: 59 },
    ]);
  });

  test("are a sign of life for a second, and then no more", () => {
    const cluster = Cluster.led();
    const clients = sessionsOn(cluster, "n2", 60);
    cluster.passes = (message) => !(message.type === "report" && message.from === "n2");
    for (const client of clients) client.close();
    cluster.pass(1_500);
    cluster.passes = () => true;
    cluster.pass(5_000);
    expect(cluster.node("n1").status.sessions).toBe(0);
  });

  test("are not what breaks far apart are", () => {
    const cluster = Cluster.led();
    const clients = sessionsOn(cluster, "n2", 60);
    for (const [at, client] of clients.entries()) {
      client.close();
      if (at % 10 === 9) cluster.pass(600);
    }
    cluster.pass(1_500);
    expect(cluster.node("n1").status.sessions).toBe(0);
  });

  test("are not broken again by a late copy of an earlier report", () => {
    const cluster = Cluster.led();
    const clients = sessionsOn(cluster, "n2", 60);
    const copies: PeerMessage[] = [];
    cluster.passes = (message) => {
      if (message.type === "report" && message.breaks.length > 0) copies.push(message);
      return true;
    };
    for (const client of clients.slice(0, 10)) client.close();
    cluster.pass(300);
    for (const client of clients.slice(10)) client.close();
    cluster.pass(300);
    expect(copies.length).toBeGreaterThan(0);
    for (const message of copies) cluster.node("n1").step({ type: "peerMessage", message });
    cluster.pass(2_000);
    expect(cluster.node("n1").status.sessions).toBe(60);
  });
});
