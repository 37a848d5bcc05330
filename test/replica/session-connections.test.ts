import { describe, expect, test } from "vitest";
import { Cluster, forwarded, secretOf } from "./harness.ts";
import {
  attachedOn,
  endsSeenBy,
  isConfirmation,
  isForward,
  isReport,
  lives,
  openedOn,
  passAlive,
} from "./steps.ts";

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

  test("nor where the new leader learns by its own no-op that the session was opened", () => {
    // n2 has the opening in its log, and hears nothing more of n1, which has long confirmed 2.
    const cluster = Cluster.led();
    let isGiven = false;
    cluster.passes = (message) => {
      if (message.from !== "n1" || message.to !== "n2") return true;
      const isGiving = message.type === "appendEntries" && message.entries.length > 0 && !isGiven;
      isGiven ||= isGiving;
      return isGiving;
    };
    const old = openedOn(cluster, "n3");
    cluster.pass(200);
    const moved = attachedOn(cluster, "n1", "s1", 2);
    cluster.pass(200);
    expect(moved.states).toEqual(["unconfirmed", "resumed"]);
    expect(old.states).toEqual([]);
    expect(cluster.node("n2").up.registry.session("s1")).toBeNull();
    cluster.isolate("n1");
    cluster.elect("n2");
    expect(cluster.node("n2").up.registry.session("s1")).not.toBeNull();
    old.close();
    cluster.pass(3_000);
    expect(lives(cluster, "s1")).toBe(true);
    cluster.heal();
    passAlive(cluster, moved, 9_000);
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
    expect(old.lastState).toEqual({ state: "denied", attach: 2 });
    expect(old.pongOf(ping)).toBe(false);
    const write = old.register("a:1");
    cluster.deliver();
    expect(old.answer(write)).toBe("SESSION_UNKNOWN");
    old.close();
    passAlive(cluster, next, 4_000);
    expect(lives(cluster, "s1")).toBe(true);
  });

  test("one of an older number, or the same, is DENIED at once on the same node", () => {
    const cluster = Cluster.led();
    openedOn(cluster, "n2", "s1", { attach: 5 });
    for (const attach of [4, 5]) {
      const client = attachedOn(cluster, "n2", "s1", attach);
      cluster.deliver();
      expect(client.states).toEqual(["denied"]);
      expect(client.lastState).toEqual({ state: "denied", attach: 5 });
    }
  });

  test("one of an older number, or the same, is DENIED through the leader on another node", () => {
    const cluster = Cluster.led();
    const first = openedOn(cluster, "n2", "s1", { attach: 5 });
    cluster.pass(300);
    for (const attach of [4, 5]) {
      const late = attachedOn(cluster, "n3", "s1", attach);
      cluster.pass(300);
      expect(late.states).toEqual(["unconfirmed", "denied"]);
      expect(late.lastState).toEqual({ state: "denied", attach: 5 });
      const [ping, write] = [late.ping(), late.register("a:1")];
      cluster.deliver();
      expect(late.pongOf(ping)).toBe(false);
      expect(late.answer(write)).toBe("SESSION_UNKNOWN");
    }
    const ping = first.ping();
    cluster.pass(300);
    expect(first.pongOf(ping)).toBe(true);
    expect(first.states).toEqual([]);
  });

  test("one that was DENIED takes the session by a higher number than it was told", () => {
    const cluster = Cluster.led();
    const first = openedOn(cluster, "n2", "s1", { attach: 5, graceMs: 0 });
    cluster.pass(300);
    attachedOn(cluster, "n3", "s1", 5);
    cluster.pass(300);
    const moved = attachedOn(cluster, "n3", "s1", 6);
    cluster.pass(300);
    expect(moved.states).toEqual(["unconfirmed", "resumed"]);
    first.close();
    passAlive(cluster, moved, 4_000);
    expect(lives(cluster, "s1")).toBe(true);
  });

  test("the end of one of the same number, on another node, does not count, however early it comes", () => {
    const cluster = Cluster.led();
    const first = openedOn(cluster, "n2", "s1", { attach: 5, graceMs: 0 });
    cluster.pass(300);
    const early = attachedOn(cluster, "n3", "s1", 5);
    early.close();
    cluster.pass(300);
    const unanswered = attachedOn(cluster, "n3", "s1", 5);
    cluster.holds = isConfirmation;
    cluster.pass(300);
    expect(unanswered.states).toEqual(["unconfirmed"]);
    unanswered.close();
    cluster.holds = () => false;
    passAlive(cluster, first, 4_000);
    expect(lives(cluster, "s1")).toBe(true);
  });

  test("the one that a leader hears of first has the number, whichever a former leader knew", () => {
    // n1 knew connection 5 of n2. n3 leads now, hears nothing from n2, and takes its own for it.
    const cluster = Cluster.led();
    const first = openedOn(cluster, "n2", "s1", { attach: 5, ttlMs: 4_000, graceMs: 0 });
    cluster.pass(300);
    cluster.isolate("n1");
    cluster.elect("n3");
    const { passes } = cluster;
    cluster.passes = (message) => passes(message) && (!isReport(message) || message.from !== "n2");
    const second = attachedOn(cluster, "n3", "s1", 5);
    passAlive(cluster, second, 5_000);
    expect(second.states).toEqual(["unconfirmed", "resumed"]);
    first.close();
    cluster.passes = passes;
    passAlive(cluster, second, 2_000);
    expect(endsSeenBy(cluster.node("n3"))).toEqual([]);
  });

  test("the one that was overtaken is told so unasked, with its next sign of life", () => {
    const cluster = Cluster.led();
    const old = openedOn(cluster, "n2");
    cluster.pass(500);
    const moved = attachedOn(cluster, "n3", "s1", 2);
    cluster.pass(500);
    expect(old.states).toEqual([]);
    old.ping();
    cluster.pass(300);
    expect(old.lastState).toEqual({ state: "denied", attach: 2 });
    expect(moved.states).toEqual(["unconfirmed", "resumed"]);
  });

  test("a report that comes late takes the session back from nobody, and is answered DENIED", () => {
    const cluster = Cluster.led();
    openedOn(cluster, "n1");
    cluster.pass(300);
    cluster.holds = ({ type, from }) => type === "report" && from === "n2";
    const old = attachedOn(cluster, "n2", "s1", 2);
    cluster.pass(50);
    const moved = attachedOn(cluster, "n3", "s1", 3);
    cluster.pass(300);
    expect(moved.states).toEqual(["unconfirmed", "resumed"]);
    cluster.holds = () => false;
    const copies = cluster.bag.filter(isReport);
    cluster.bag.push(...copies);
    cluster.bag.reverse();
    cluster.pass(300);
    expect(old.states).toEqual(["unconfirmed", "denied"]);
    passAlive(cluster, moved, 4_000);
    expect(moved.states).toEqual(["unconfirmed", "resumed"]);
  });

  test("a DENIED that comes late is not for the next connection on that node", () => {
    const cluster = Cluster.led();
    openedOn(cluster, "n2", "s1", { attach: 5 });
    cluster.pass(300);
    cluster.holds = ({ type, to }) => type === "reportConfirmed" && to === "n3";
    const late = attachedOn(cluster, "n3", "s1", 4);
    cluster.pass(150);
    const next = attachedOn(cluster, "n3", "s1", 6);
    cluster.pass(50);
    cluster.holds = () => false;
    cluster.pass(500);
    expect(late.lastState).toEqual({ state: "denied", attach: 6 });
    expect(next.states).toEqual(["unconfirmed", "resumed"]);
  });

  test.for([
    [2, 3],
    [3, 2],
  ])(
    "of two on a node that does not know the session yet, %d then %d, the higher has it",
    (numbers) => {
      const cluster = Cluster.led();
      cluster.starve("n3");
      openedOn(cluster, "n1");
      const clients = numbers.map((attach) => attachedOn(cluster, "n3", "s1", attach));
      cluster.pass(300);
      expect(clients.map(({ states }) => states)).toEqual([["unconfirmed"], ["unconfirmed"]]);
      cluster.passes = () => true;
      cluster.pass(1_000);
      const states = clients.map(({ lastState }) => lastState?.state);
      expect(states).toEqual(numbers.map((attach) => (attach === 3 ? "resumed" : "denied")));
    },
  );

  test.for([
    ["owner", "stranger"],
    ["stranger", "owner"],
  ])("a stranger keeps nobody out where the secret is not known yet: %s, then %s", (order) => {
    const cluster = Cluster.led();
    cluster.starve("n3");
    openedOn(cluster, "n1");
    const clients = order.map((who) => {
      const client = cluster.connect("n3");
      if (who === "owner") client.attach("s1", 2);
      else client.attach("s1", 9, "guessed");
      return client;
    });
    cluster.passes = () => true;
    cluster.pass(1_000);
    expect(clients.map(({ states }) => states)).toEqual(
      order.map((who) => ["unconfirmed", who === "owner" ? "resumed" : "denied"]),
    );
    expect(clients[order.indexOf("stranger")]?.lastState).toEqual({ state: "denied" });
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
    expect(old.lastState).toEqual({ state: "denied", attach: 3 });
    expect(next.states).toEqual(["unconfirmed", "resumed"]);
    const ping = next.ping();
    cluster.pass(300);
    expect(next.pongOf(ping)).toBe(true);
  });

  test("one that speaks for a session already attaches to no other", () => {
    const cluster = Cluster.led();
    openedOn(cluster, "n1", "s2").close(false);
    const client = openedOn(cluster, "n2");
    client.send({ type: "attach", session: "s2", secretHash: secretOf("s2"), attach: 2 });
    const write = client.register("a:1");
    cluster.pass(500);
    expect(client.states).toEqual([]);
    expect(client.answer(write)).toBe("ok");
    expect(cluster.node("n1").up.registry.session("s1")?.owned).toBe(1);
  });

  test("one that lost the session hands its writes over only when it has opened it again", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    cluster.node("n2").step({ type: "peerLink", peer: "n1", isUp: false });
    const write = client.register("a:1", { timeoutMs: 20_000 });
    attachedOn(cluster, "n2", "s1", 2);
    cluster.deliver();
    expect(client.states).toEqual(["denied"]);
    const opening = client.open("s1", { attach: 3, timeoutMs: 20_000 });
    cluster.holds = isForward;
    cluster.node("n2").step({ type: "peerLink", peer: "n1", isUp: true });
    cluster.deliver();
    expect(cluster.bag.flatMap(forwarded)).toEqual(["openSession"]);
    cluster.release();
    expect(cluster.bag.flatMap(forwarded)).toEqual(["s1/1"]);
    cluster.release();
    expect([opening, write].map((request) => client.answer(request))).toEqual(["ok", "ok"]);
  });

  test("can speak for a new session once the old one has ended", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2", "s1", { ttlMs: 3_000 });
    cluster.pass(4_000);
    expect(client.states).toEqual(["expired"]);
    const stale = client.register("a:1");
    const request = client.open("s2");
    cluster.deliver();
    expect(client.answer(stale)).toBe("SESSION_EXPIRED");
    expect(client.answer(request)).toBe("ok");
    const write = client.register("a:1", { seq: 1, floor: 1 });
    cluster.deliver();
    expect(client.answer(write)).toBe("ok");
    expect(cluster.node("n1").status.instances).toBe(1);
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
