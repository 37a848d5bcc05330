import { describe, expect, test } from "vitest";
import { MASS_BREAK_SESSIONS_MIN, REMOVALS_PER_COMMAND_MAX } from "../../src/limits.ts";
import type { PeerMessage } from "../../src/replica/peer-messages.ts";
import { commandCodec } from "../../src/wire/command-codec.ts";
import { type Client, Cluster, type Node, type OpenOptions } from "./harness.ts";

function openedOn(
  cluster: Cluster,
  node: string,
  session = "s1",
  options: OpenOptions = {},
): Client {
  const client = cluster.connect(node);
  const request = client.open(session, options);
  cluster.deliver();
  expect(client.answer(request)).toBe("ok");
  return client;
}

function attachedOn(cluster: Cluster, node: string, session: string, attach: number): Client {
  const client = cluster.connect(node);
  client.attach(session, attach);
  return client;
}

function endsSeenBy(node: Node): { session: string; reason: string }[] {
  return node.notices.flatMap((notice) =>
    notice.type === "sessionEnded" ? [{ session: notice.session, reason: notice.reason }] : [],
  );
}

function lives(cluster: Cluster, session: string): boolean {
  return cluster.nodes.every(
    (node) => node.replica === null || node.up.registry.session(session)?.ending === null,
  );
}

/** Time goes by; the client pings on the way, so that its TTL does not run out. */
function passAlive(cluster: Cluster, client: Client, forMs: number): void {
  for (let ms = 0; ms < forMs; ms += 500) {
    client.ping();
    cluster.pass(500);
  }
}

const isReport = ({ type }: PeerMessage): boolean => type === "report";
const isConfirmation = ({ type }: PeerMessage): boolean => type === "reportConfirmed";
const isRoundAnswer = ({ type }: PeerMessage): boolean => type === "heartbeatResponse";

describe("a keepalive", () => {
  test("is confirmed through the leader, on whichever node it came, and never enters the log", () => {
    const cluster = Cluster.led();
    const clients = ["n1", "n2", "n3"].map((id) => openedOn(cluster, id, `s-${id}`));
    cluster.pass(200);
    const before = cluster.node("n1").status.lastIndex;
    const pings = clients.map((client) => client.ping());
    cluster.pass(300);
    expect(clients.map((client, at) => client.pongOf(pings[at] ?? 0))).toEqual([true, true, true]);
    expect(cluster.node("n1").status.lastIndex).toBe(before);
  });

  test("is confirmed only by a round that began after the leader had the touch", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    cluster.pass(500);
    // A round is out and not answered when the touch arrives; then that round succeeds, and the
    // answers to every later one are lost.
    cluster.holds = isRoundAnswer;
    cluster.pass(100);
    const answered = cluster.bag.filter(isRoundAnswer);
    expect(answered.length).toBeGreaterThan(0);
    const ping = client.ping();
    cluster.pass(100);
    cluster.holds = () => false;
    cluster.passes = (message) => !isRoundAnswer(message) || answered.includes(message);
    cluster.release((message) => answered.includes(message));
    cluster.pass(300);
    expect(client.pongOf(ping)).toBeNull();
    cluster.passes = () => true;
    cluster.pass(300);
    expect(client.pongOf(ping)).toBe(true);
  });

  test("is answered unconfirmed after a second by a node that reaches no leader", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    cluster.isolate("n2");
    const ping = client.ping();
    cluster.pass(950);
    expect(client.pongOf(ping)).toBeNull();
    cluster.pass(100);
    expect(client.pongOf(ping)).toBe(false);
  });

  test("of an old leader that is cut off is confirmed to nobody, while it still leads", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n1");
    cluster.pass(500);
    cluster.isolate("n1");
    const ping = client.ping();
    cluster.pass(1_500);
    expect(cluster.node("n1").status.role).toBe("leader");
    expect(client.pongOf(ping)).toBe(false);
  });

  test("of a session whose confirmation was lost is told again, and confirmed", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    cluster.pass(500);
    cluster.passes = (message) => !isReport(message) && !isConfirmation(message);
    const ping = client.ping();
    cluster.pass(500);
    cluster.passes = () => true;
    cluster.pass(300);
    expect(client.pongOf(ping)).toBe(true);
  });

  test("that comes faster than confirmations do is confirmed all the same", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    cluster.pass(500);
    // Each confirmation takes 200 ms, and a ping comes every 50 ms.
    cluster.holds = isConfirmation;
    const pings: number[] = [];
    for (let at = 0; at < 40; at += 1) {
      pings.push(client.ping());
      cluster.pass(50);
      if (at % 4 === 3) cluster.release(isConfirmation);
    }
    const confirmed = pings.filter((ping) => client.pongOf(ping) === true);
    expect(confirmed.length).toBeGreaterThan(20);
  });

  test("says what the session owns, so that a client sees that something was taken from it", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    client.register("a:1");
    client.register("a:2");
    cluster.pass(200);
    const other = openedOn(cluster, "n3", "s2");
    other.register("a:2");
    cluster.pass(200);
    const ping = client.ping();
    cluster.pass(300);
    expect(client.of("pong").find(({ request }) => request === ping)).toMatchObject({
      confirmed: true,
      owned: { owned: 1, ownedRevision: 3 },
    });
  });

  test("without a session is answered at once, unconfirmed, with the age of the copy", () => {
    const cluster = Cluster.led();
    const client = cluster.connect("n2");
    const ping = client.ping();
    cluster.deliver();
    expect(client.pongOf(ping)).toBe(false);
    expect(client.of("pong")[0]?.ageMs).toBeLessThan(300);
  });

  test("is not lost by opening again over the same connection", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    cluster.pass(500);
    const ping = client.ping();
    const again = client.open("s1");
    cluster.pass(1_200);
    expect(client.answer(again)).toBe("ok");
    expect(client.pongOf(ping)).toBe(true);
  });
});

describe("a resume", () => {
  test("is answered UNCONFIRMED at once and RESUMED with what the session owns", () => {
    const cluster = Cluster.led();
    const first = openedOn(cluster, "n1");
    first.register("a:1");
    first.register("a:2");
    cluster.pass(200);
    const second = attachedOn(cluster, "n3", "s1", 2);
    cluster.node("n3").turn();
    expect(second.states).toEqual(["unconfirmed"]);
    cluster.pass(300);
    expect(second.lastState).toEqual({
      ...{ state: "resumed", owned: 2, ownedRevision: 2, lastSeq: 2, revision: 2 },
    });
  });

  test("writes nothing to the log", () => {
    const cluster = Cluster.led();
    openedOn(cluster, "n1");
    const before = cluster.node("n1").status.lastIndex;
    attachedOn(cluster, "n3", "s1", 2);
    cluster.pass(500);
    expect(cluster.node("n1").status.lastIndex).toBe(before);
  });

  test("serves reads and writes before it is confirmed", () => {
    const cluster = Cluster.led();
    openedOn(cluster, "n1");
    cluster.pass(200);
    const client = attachedOn(cluster, "n2", "s1", 2);
    cluster.passes = (message) => !isConfirmation(message);
    const write = client.register("a:1");
    const read = client.read({ type: "linearizable" });
    cluster.pass(100);
    expect(client.states).toEqual(["unconfirmed"]);
    expect(client.answer(write)).toBe("ok");
    expect(client.readOf(read)).not.toBeNull();
  });

  test("on another node, of a session that has ended, is EXPIRED with the reason", () => {
    const cluster = Cluster.led();
    const first = openedOn(cluster, "n1");
    first.register("a:1");
    cluster.pass(200);
    first.close();
    cluster.pass(3_000);
    const second = attachedOn(cluster, "n3", "s1", 2);
    cluster.deliver();
    expect(second.outputs).toMatchObject([
      { state: { state: "expired", reason: "grace", revision: 2 } },
    ]);
  });

  test("with another secret is DENIED, and harms nobody", () => {
    const cluster = Cluster.led();
    const first = openedOn(cluster, "n1");
    cluster.pass(200);
    const thief = cluster.connect("n1");
    thief.attach("s1", 9, "guessed");
    thief.register("a:1");
    cluster.deliver();
    expect(thief.states).toEqual(["denied"]);
    const ping = first.ping();
    cluster.pass(300);
    expect(first.pongOf(ping)).toBe(true);
    expect(cluster.node("n1").status.revision).toBe(0);
  });

  test("on a node that has not heard of the session waits for what a leader has confirmed", () => {
    const cluster = Cluster.led();
    cluster.starve("n3");
    openedOn(cluster, "n1");
    const client = attachedOn(cluster, "n3", "s1", 2);
    const stranger = attachedOn(cluster, "n3", "nobody's", 1);
    cluster.pass(700);
    expect(client.states).toEqual(["unconfirmed"]);
    expect(stranger.states).toEqual(["unconfirmed"]);
    cluster.passes = () => true;
    cluster.pass(1_000);
    expect(client.states).toEqual(["unconfirmed", "resumed"]);
    expect(stranger.lastState).toMatchObject({ state: "expired", reason: "unknown" });
  });

  test("is RESUMED only after a leader took the touch, not by reports that left before", () => {
    // n3 lags, so the secret is compared late. Reports that left meanwhile did not name the
    // session; their confirmations wait for the same index, and must not pass for its own.
    const cluster = Cluster.led();
    cluster.starve("n3");
    openedOn(cluster, "n1");
    const client = attachedOn(cluster, "n3", "s1", 2);
    cluster.pass(700);
    cluster.passes = ({ type, from }) => type !== "report" || from !== "n3";
    cluster.pass(1_000);
    expect(cluster.node("n3").up.registry.session("s1")).not.toBeNull();
    expect(client.states).toEqual(["unconfirmed"]);
    cluster.passes = () => true;
    cluster.pass(500);
    expect(client.states).toEqual(["unconfirmed", "resumed"]);
  });

  test("of a session that ends while the node still catches up is EXPIRED", () => {
    const cluster = Cluster.led();
    cluster.starve("n3");
    const first = openedOn(cluster, "n1");
    const client = attachedOn(cluster, "n3", "s1", 2);
    cluster.pass(300);
    first.bye();
    cluster.deliver();
    cluster.passes = () => true;
    cluster.pass(1_000);
    expect(client.states).toEqual(["unconfirmed", "expired"]);
    expect(client.lastState).toMatchObject({ reason: "closed" });
  });

  test("comes too late for a session whose end the leader has appended", () => {
    const cluster = Cluster.led();
    const first = openedOn(cluster, "n2", "s1", { ttlMs: 3_000 });
    first.close(false);
    cluster.pass(2_500);
    cluster.starve("n3");
    cluster.pass(1_000);
    expect(endsSeenBy(cluster.node("n1"))).toHaveLength(1);
    expect(cluster.node("n3").up.registry.session("s1")).not.toBeNull();
    const client = attachedOn(cluster, "n3", "s1", 2);
    cluster.pass(500);
    expect(client.states).toEqual(["unconfirmed"]);
    cluster.passes = () => true;
    cluster.pass(1_000);
    expect(client.states).toEqual(["unconfirmed", "expired"]);
    expect(client.lastState).toMatchObject({ reason: "ttl" });
  });

  test("is confirmed by no leader before that has applied its own no-op", () => {
    const cluster = Cluster.led();
    openedOn(cluster, "n1");
    cluster.pass(200);
    const client = attachedOn(cluster, "n3", "s1", 2);
    cluster.isolate("n1");
    cluster.node("n2").isDiskHeld = false;
    cluster.holds = ({ type, from }) => type === "appendEntriesResponse" && from === "n3";
    cluster.elect("n2");
    cluster.pass(500);
    expect(cluster.node("n2").status.role).toBe("leader");
    expect(client.states).toEqual(["unconfirmed"]);
    cluster.holds = () => false;
    cluster.pass(1_000);
    expect(client.states).toEqual(["unconfirmed", "resumed"]);
  });
});

describe("the connections of a session", () => {
  test("the late reset of an old one, through another node, does not harm it", () => {
    const cluster = Cluster.led();
    const old = openedOn(cluster, "n2");
    cluster.pass(500);
    const moved = attachedOn(cluster, "n3", "s1", 2);
    cluster.pass(500);
    expect(moved.states).toEqual(["unconfirmed", "resumed"]);
    old.close();
    passAlive(cluster, moved, 4_000);
    expect(lives(cluster, "s1")).toBe(true);
  });

  test("the old one is confirmed no more", () => {
    const cluster = Cluster.led();
    const old = openedOn(cluster, "n2");
    cluster.pass(500);
    const moved = attachedOn(cluster, "n3", "s1", 2);
    cluster.pass(500);
    const pings = [old.ping(), moved.ping()] as const;
    cluster.pass(1_200);
    expect([old.pongOf(pings[0]), moved.pongOf(pings[1])]).toEqual([false, true]);
  });

  test("nor does it where a new leader hears of the reset before it hears of the new one", () => {
    const cluster = Cluster.led();
    const old = openedOn(cluster, "n2");
    old.ping();
    cluster.pass(200);
    const moved = attachedOn(cluster, "n3", "s1", 2);
    cluster.pass(500);
    expect(moved.states).toEqual(["unconfirmed", "resumed"]);
    cluster.isolate("n1");
    cluster.elect("n2");
    old.ping();
    cluster.pass(100);
    old.close();
    cluster.passes = ({ type, from }) => from !== "n1" && (type !== "report" || from !== "n3");
    cluster.pass(3_000);
    cluster.isolate("n1");
    passAlive(cluster, moved, 1_000);
    expect(lives(cluster, "s1")).toBe(true);
  });

  test("nor where the session was opened again through another node", () => {
    const cluster = Cluster.led();
    const first = openedOn(cluster, "n2", "s1", { graceMs: 0 });
    cluster.pass(300);
    cluster.passes = ({ type, from }) => type !== "report" || from !== "n3";
    const second = openedOn(cluster, "n3", "s1", { attach: 2, graceMs: 0 });
    first.close();
    cluster.pass(2_000);
    expect(second.states).toEqual([]);
    expect(lives(cluster, "s1")).toBe(true);
  });

  test("an opening again counts as a sign of life, even where the node then falls silent", () => {
    const cluster = Cluster.led();
    openedOn(cluster, "n2", "s1", { ttlMs: 3_000 });
    cluster.pass(2_500);
    openedOn(cluster, "n3", "s1", { attach: 2, ttlMs: 3_000 });
    cluster.isolate("n3");
    cluster.pass(2_900);
    expect(endsSeenBy(cluster.node("n1"))).toEqual([]);
    cluster.pass(500);
    expect(endsSeenBy(cluster.node("n1"))).toEqual([{ session: "s1", reason: "ttl" }]);
  });

  test("the newer one wins on the same node, and the older one is answered no more than refused", () => {
    const cluster = Cluster.led();
    const old = openedOn(cluster, "n2");
    cluster.pass(500);
    const ping = old.ping();
    const next = attachedOn(cluster, "n2", "s1", 2);
    cluster.pass(300);
    expect(next.states).toEqual(["unconfirmed", "resumed"]);
    expect(old.pongOf(ping)).toBe(false);
    const write = old.register("a:1");
    cluster.deliver();
    expect(old.answer(write)).toBe("SESSION_UNKNOWN");
    old.close();
    passAlive(cluster, next, 4_000);
    expect(lives(cluster, "s1")).toBe(true);
  });

  test("one of an older number, or the same, is DENIED", () => {
    const cluster = Cluster.led();
    openedOn(cluster, "n2", "s1", { attach: 5 });
    const states = [4, 5]
      .map((attach) => attachedOn(cluster, "n2", "s1", attach))
      .map((client) => {
        cluster.deliver();
        return client.states;
      });
    expect(states).toEqual([["denied"], ["denied"]]);
  });

  test("a late opening over an older one takes the session back from nobody", () => {
    const cluster = Cluster.led();
    const old = cluster.connect("n2");
    const opening = old.open("s1", { attach: 1 });
    cluster.starve("n2");
    cluster.deliver();
    openedOn(cluster, "n1", "s1", { attach: 2 });
    const next = attachedOn(cluster, "n2", "s1", 3);
    cluster.passes = () => true;
    cluster.pass(1_000);
    expect(old.answer(opening)).toBe("ok");
    expect(next.states).toEqual(["unconfirmed", "resumed"]);
    const ping = next.ping();
    cluster.pass(300);
    expect(next.pongOf(ping)).toBe(true);
  });

  test("can speak for a new session once the old one has ended", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2", "s1", { ttlMs: 3_000 });
    cluster.pass(4_000);
    expect(client.states).toEqual(["expired"]);
    const stale = client.register("a:1");
    const request = client.open("s2");
    cluster.deliver();
    expect(client.answer(stale)).toBe("SESSION_UNKNOWN");
    expect(client.answer(request)).toBe("ok");
  });

  test("leaves no ping unanswered when its session ends", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    const other = attachedOn(cluster, "n3", "s1", 2);
    cluster.pass(500);
    const ping = client.ping();
    other.bye();
    cluster.pass(200);
    expect(client.pongOf(ping)).toBe(false);
    expect(client.lastState).toMatchObject({ state: "expired", reason: "closed" });
  });
});

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
