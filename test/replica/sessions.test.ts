import { describe, expect, test } from "vitest";
import { Cluster } from "./harness.ts";
import {
  attachedOn,
  endsSeenBy,
  isConfirmation,
  isReport,
  isRoundAnswer,
  lives,
  openedOn,
} from "./steps.ts";

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

  test("is answered so, too, by a node that does not know the session yet", () => {
    const cluster = Cluster.led();
    cluster.starve("n3");
    openedOn(cluster, "n1");
    const client = attachedOn(cluster, "n3", "s1", 2);
    const ping = client.ping();
    cluster.pass(950);
    expect(client.pongOf(ping)).toBeNull();
    cluster.pass(100);
    expect(client.pongOf(ping)).toBe(false);
    const next = client.ping();
    cluster.passes = () => true;
    cluster.pass(500);
    expect(client.states).toEqual(["unconfirmed", "resumed"]);
    expect(client.pongOf(next)).toBe(true);
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

  test("that asks for no answer gets none, with a session or without, and counts all the same", () => {
    const cluster = Cluster.led();
    const [client, other] = [
      openedOn(cluster, "n2", "s1", { ttlMs: 3_000 }),
      cluster.connect("n2"),
    ];
    for (let ms = 0; ms < 9_000; ms += 500) {
      for (const one of [client, other]) one.send({ type: "ping", request: null });
      cluster.pass(500);
    }
    expect(lives(cluster, "s1")).toBe(true);
    expect([...client.of("pong"), ...other.of("pong")]).toEqual([]);
  });

  test("of a session whose end stands in the leader's log is not confirmed, though it is applied nowhere", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2", "s1", { ttlMs: 3_000 });
    cluster.pass(200);
    cluster.holds = ({ type }) => type === "appendEntries";
    const n1 = cluster.node("n1");
    while (n1.status.lastIndex === n1.status.commitIndex) cluster.pass(50);
    const refused: (readonly string[])[] = [];
    cluster.passes = (message) => {
      if (message.type === "reportConfirmed" && message.to === "n2") refused.push(message.refused);
      return true;
    };
    const ping = client.ping();
    cluster.pass(500);
    expect(refused).toContainEqual(["s1"]);
    expect([client.pongOf(ping), client.states]).toEqual([null, []]);
    cluster.holds = () => false;
    cluster.release();
    expect([client.pongOf(ping), client.states]).toEqual([false, ["expired"]]);
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

  test("over a connection that then opens is RESUMED by no report that left before that", () => {
    const cluster = Cluster.led();
    cluster.starve("n3");
    openedOn(cluster, "n1").close(false);
    const client = attachedOn(cluster, "n3", "s1", 2);
    cluster.pass(50);
    const opening = client.open("s1", { attach: 2 });
    cluster.holds = isConfirmation;
    cluster.pass(300);
    expect(cluster.bag.filter(isConfirmation).length).toBeGreaterThan(0);
    cluster.passes = (message) => !(isReport(message) && message.from === "n3");
    cluster.node("n1").relink("n3");
    cluster.pass(300);
    cluster.holds = () => false;
    cluster.release();
    cluster.pass(100);
    expect(client.answer(opening)).toBe("ok");
    expect(client.states).toEqual(["unconfirmed"]);
    cluster.passes = () => true;
    cluster.pass(300);
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
