import { describe, expect, test } from "vitest";
import { ENTRY_COMMANDS_MAX, PEER_FRAME_BYTES_MAX, PENDING_WRITES_MAX } from "../../src/limits.ts";
import { type Client, Cluster, forwarded, key, logOf } from "./harness.ts";
import { isForward } from "./steps.ts";

function openedOn(cluster: Cluster, node: string, session = "s1", attach = 1): Client {
  const client = cluster.connect(node);
  const request = client.open(session, { attach });
  cluster.deliver();
  expect(client.answer(request)).toBe("ok");
  return client;
}

/** A second connection of a session, attached and resumed. */
function resumedOn(cluster: Cluster, node: string, session: string, attach: number): Client {
  const client = cluster.connect(node);
  client.attach(session, attach);
  cluster.pass(300);
  expect(client.states).toEqual(["unconfirmed", "resumed"]);
  return client;
}

/** A second connection of a session, which cannot be confirmed now. */
function attachedTo(cluster: Cluster, node: string, session: string): Client {
  const client = cluster.connect(node);
  client.attach(session, 2);
  return client;
}

function answers(client: Client, requests: readonly number[]): (string | null)[] {
  return requests.map((request) => client.answer(request));
}

describe("the leader's packing", () => {
  test("what comes while a write is on its way to the disk shares the next entry", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n1");
    const leader = cluster.node("n1");
    leader.isDiskHeld = true;
    const first = client.register("a:1");
    cluster.deliver();
    const others = ["a:2", "a:3", "a:4"].map((addr) => client.register(addr));
    cluster.deliver();
    expect(client.answer(first)).toBe("ok");
    expect(answers(client, others)).toEqual([null, null, null]);
    leader.isDiskHeld = false;
    leader.completeWrite();
    cluster.deliver();
    expect(answers(client, others)).toEqual(["ok", "ok", "ok"]);
    expect(logOf(leader).slice(-2)).toEqual([["1"], ["2", "3", "4"]]);
  });

  test("an entry's worth does not wait for the disk", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n1");
    const leader = cluster.node("n1");
    leader.isDiskHeld = true;
    client.register("a:1");
    cluster.deliver();
    const before = leader.status.lastIndex;
    const floor = 2;
    for (let seq = 2; seq <= ENTRY_COMMANDS_MAX; seq += 1) client.register("a:1", { seq, floor });
    cluster.deliver();
    expect(leader.status.lastIndex).toBe(before);
    client.register("a:1", { seq: ENTRY_COMMANDS_MAX + 1, floor });
    cluster.deliver();
    expect(leader.status.lastIndex).toBe(before + 1);
  });

  test("an entry holds at most 1,024 commands, and they keep the order in which they came", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    for (let seq = 1; seq <= 1_500; seq += 1) client.register("a:1", { seq, floor: seq });
    cluster.deliver();
    const entries = logOf(cluster.node("n3")).slice(1);
    expect(entries.map((entry) => entry.length)).toEqual([1024, 476]);
    expect(entries.flat().map(Number)).toEqual(Array.from({ length: 1_500 }, (_, at) => at + 1));
  });
});

describe("a forwarded write", () => {
  test("is answered by the node that took it, and by no other", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    const bystander = openedOn(cluster, "n3", "s2");
    const request = client.register("a:1");
    cluster.deliver();
    expect(client.answer(request)).toBe("ok");
    expect(bystander.of("writeReply")).toHaveLength(1);
  });

  test("is answered when its own node has applied it, not when the leader has", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    const request = client.register("a:1");
    cluster.starve("n2");
    cluster.deliver();
    expect(cluster.node("n1").status.revision).toBe(1);
    expect(cluster.node("n2").status.revision).toBe(0);
    expect(client.answer(request)).toBeNull();
    cluster.passes = () => true;
    cluster.pass(1_000);
    expect(client.answer(request)).toBe("ok");
  });

  test("the client's next read on that node sees it, even a stale one", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    const request = client.register("a:1");
    cluster.deliver();
    expect(client.answer(request)).toBe("ok");
    const read = client.read({ type: "stale", maxAgeMs: null });
    cluster.node("n2").turn();
    expect(client.readOf(read)?.instances.map(({ addr }) => addr)).toEqual(["a:1"]);
  });

  test("a node whose forward was lost with its link forwards again over the new one, in order", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    cluster.passes = (message) => !isForward(message);
    const requests = [1, 2, 3].map((at) => client.register(`a:${at}`, { floor: 1 }));
    cluster.deliver();
    cluster.passes = () => true;
    cluster.pass(500);
    expect(answers(client, requests)).toEqual([null, null, null]);
    cluster.holds = isForward;
    cluster.node("n2").relink("n1");
    cluster.deliver();
    expect(cluster.bag.flatMap(forwarded)).toEqual(["s1/1", "s1/2", "s1/3"]);
    cluster.holds = () => false;
    cluster.deliver();
    expect(answers(client, requests)).toEqual(["ok", "ok", "ok"]);
  });

  test("what came while the leader could not be reached goes behind what was lost before", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    cluster.passes = (message) => !isForward(message);
    client.register("a:1", { floor: 1 });
    cluster.deliver();
    cluster.passes = () => true;
    cluster.node("n2").step({ type: "peerLink", peer: "n1", isUp: false });
    client.register("a:2", { floor: 1 });
    client.register("a:3", { floor: 1 });
    cluster.deliver();
    cluster.holds = isForward;
    cluster.node("n2").step({ type: "peerLink", peer: "n1", isUp: true });
    cluster.deliver();
    expect(cluster.bag.flatMap(forwarded)).toEqual(["s1/1", "s1/2", "s1/3"]);
  });

  test("is handed to a new leader again, in the order of its session, and applied once", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    cluster.isolate("n1");
    const requests = [1, 2, 3].map((at) => client.register(`a:${at}`, { floor: 1 }));
    cluster.deliver();
    expect(answers(client, requests)).toEqual([null, null, null]);
    cluster.elect("n3");
    expect(answers(client, requests)).toEqual(["ok", "ok", "ok"]);
    expect(logOf(cluster.node("n3")).at(-1)).toEqual(["1", "2", "3"]);
    cluster.heal();
    cluster.pass(1_000);
    expect(cluster.node("n1").status.revision).toBe(3);
  });

  test("is applied once though two leaders were given it", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    const watcher = cluster.connect("n2");
    watcher.subscribe();
    // n1 appends and replicates it to n3, and is gone before n2 hears that it is committed.
    cluster.starve("n2");
    const request = client.register("a:1");
    cluster.deliver();
    expect(cluster.node("n3").status.lastIndex).toBeGreaterThan(
      cluster.node("n2").status.lastIndex,
    );
    cluster.isolate("n1");
    cluster.elect("n3");
    expect(
      logOf(cluster.node("n3"))
        .flat()
        .filter((number) => number === "1"),
    ).toHaveLength(2);
    expect(client.answer(request)).toBe("ok");
    expect(cluster.node("n2").status.revision).toBe(1);
    cluster.deliver();
    expect(watcher.stream).toEqual(["snapshot 0: ", "delta 1: +a:1"]);
  });

  test("an old leader whose entry was overwritten hands its client's write to the new one", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n1");
    cluster.isolate("n1");
    const request = client.register("a:1", { timeoutMs: 60_000 });
    cluster.deliver();
    expect(cluster.node("n1").status.lastIndex).toBeGreaterThan(
      cluster.node("n1").status.commitIndex,
    );
    cluster.elect("n2");
    expect(client.answer(request)).toBeNull();
    cluster.heal();
    cluster.pass(1_000);
    expect(client.answer(request)).toBe("ok");
    expect(cluster.nodes.map((node) => node.status.revision)).toEqual([1, 1, 1]);
  });

  test("a retry on another node gets the reply that the first attempt got", () => {
    const cluster = Cluster.led();
    const first = openedOn(cluster, "n2");
    first.register("a:1");
    cluster.deliver();
    const reply = first.replyTo(2);
    const second = resumedOn(cluster, "n3", "s1", 2);
    const other = openedOn(cluster, "n1", "s2");
    other.register("b:1");
    cluster.deliver();
    const retry = second.register("a:1", { seq: 1, floor: 1 });
    cluster.deliver();
    expect(second.replyTo(retry)).toEqual(reply);
    expect(cluster.node("n1").status.revision).toBe(2);
  });

  test("a forward of another term is dropped, and its writes are not lost by it", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    cluster.holds = isForward;
    const request = client.register("a:1");
    cluster.deliver();
    const [late] = cluster.bag.filter(isForward);
    cluster.isolate("n1");
    cluster.elect("n3");
    cluster.heal();
    cluster.pass(500);
    cluster.isolate("n3");
    cluster.elect("n1");
    cluster.release((message) => message === late);
    expect(client.answer(request)).toBeNull();
    cluster.holds = () => false;
    cluster.bag = [];
    cluster.node("n2").relink("n1");
    cluster.pass(500);
    expect(client.answer(request)).toBe("ok");
    expect(
      logOf(cluster.node("n1"))
        .flat()
        .filter((number) => number === "1"),
    ).toHaveLength(1);
  });

  test("for another member is not taken by who gets it", () => {
    // n1 got the address of a member that was there before, at which n2 still dials that one.
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    cluster.holds = isForward;
    const request = client.register("a:1");
    cluster.deliver();
    const [message] = cluster.bag.filter(isForward);
    if (message === undefined) throw new Error("n2 hands nothing over");
    cluster.node("n1").step({ type: "peerMessage", message: { ...message, to: "n9" } });
    cluster.deliver();
    expect([client.answer(request), cluster.node("n1").status.revision]).toEqual([null, 0]);
    cluster.release();
    expect(client.answer(request)).toBe("ok");
  });

  test("changes what is there already, where it stands at the revision that was compared", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    const update = (weight: number, ifRevision: number | null): number =>
      client.write((numbers) => ({
        ...{ type: "update", ...numbers, key: key("a:1"), set: { weight }, ifRevision },
      }));
    const requests = [client.register("a:1"), update(7, null), update(8, 1), update(9, 2)];
    cluster.deliver();
    expect(answers(client, requests)).toEqual(["ok", "ok", "CONFLICT", "ok"]);
    for (const { up } of cluster.nodes) {
      expect(up.registry.get(key("a:1"))).toMatchObject({ weight: 9, modifiedRevision: 3 });
    }
  });

  test("that waits at its leader is not lost by a late forward of another term", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    cluster.holds = isForward;
    client.register("a:1");
    cluster.deliver();
    const late = cluster.bag.filter(isForward);
    cluster.isolate("n1");
    cluster.elect("n3");
    cluster.heal();
    cluster.pass(500);
    cluster.isolate("n3");
    cluster.elect("n1");
    cluster.bag = cluster.bag.filter((message) => late.includes(message));
    const writer = openedOn(cluster, "n1", "s2");
    const leader = cluster.node("n1");
    leader.isDiskHeld = true;
    const requests = ["b:1", "b:2"].map((addr) => {
      const request = writer.register(addr);
      cluster.deliver();
      return request;
    });
    cluster.release((message) => late.includes(message));
    leader.isDiskHeld = false;
    leader.completeWrite();
    cluster.deliver();
    expect(answers(writer, requests)).toEqual(["ok", "ok"]);
  });

  test("more than a frame holds goes in several messages, none too large", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    const meta = Array.from({ length: 3 }, (_, at) => [`k${at}`, "v".repeat(4_000)] as const);
    cluster.isolate("n1");
    for (let seq = 1; seq <= 800; seq += 1) client.register("a:1", { seq, floor: 1, meta });
    cluster.deliver();
    cluster.holds = isForward;
    cluster.heal();
    cluster.deliver();
    const sizes = cluster.bag.map((message) =>
      message.type === "forward"
        ? message.commands.reduce((sum, { length }) => sum + length, 0)
        : 0,
    );
    expect(Math.max(...sizes)).toBeLessThan(PEER_FRAME_BYTES_MAX / 2);
    expect(cluster.bag.flatMap(forwarded)).toHaveLength(800);
    cluster.holds = () => false;
    cluster.pass(200);
    expect(cluster.node("n2").status.revision).toBe(1);
  });
});

describe("a gap", () => {
  /** n1's log gets 2 and 3 of the session before 1, which n2 handed to nobody who keeps it. */
  function gapped(): { cluster: Cluster; client: Client; requests: number[] } {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    cluster.passes = (message) => !isForward(message);
    const first = client.register("a:1", { seq: 1, floor: 1 });
    cluster.deliver();
    cluster.passes = () => true;
    const rest = [2, 3].map((seq) => client.register(`a:${seq}`, { seq, floor: 1 }));
    return { cluster, client, requests: [first, ...rest] };
  }

  test("is closed by the node itself, which sends again from the missing number on", () => {
    const { cluster, client, requests } = gapped();
    cluster.deliver();
    expect(answers(client, requests)).toEqual(["ok", "ok", "ok"]);
    expect(logOf(cluster.node("n1")).flat().slice(1)).toEqual(["2", "3", "1", "2", "3"]);
    expect(cluster.node("n1").status.revision).toBe(3);
  });

  test("of a number that is not here is told to the client at once", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    const request = client.register("a:2", { seq: 2, floor: 1 });
    cluster.deliver();
    expect(client.answer(request)).toBe("SEQUENCE_GAP");
    const again = [1, 2].map((seq) => client.register(`a:${seq}`, { seq, floor: 1 }));
    cluster.deliver();
    expect(answers(client, again)).toEqual(["ok", "ok"]);
  });

  test("of an older copy says nothing of the copy whose floor is past it", () => {
    // The client sent 2 through n3 while 1 was unanswered, gave 1 up, and sent 2 through n2 with
    // a floor of 2. Both copies are in the log, the old one first.
    const cluster = Cluster.led();
    const old = openedOn(cluster, "n3");
    old.register("a:2", { seq: 2, floor: 1 });
    cluster.holds = isForward;
    cluster.deliver();
    const client = cluster.connect("n2");
    client.attach("s1", 2);
    const request = client.register("a:2", { seq: 2, floor: 2 });
    cluster.deliver();
    cluster.release((message) => isForward(message) && message.from === "n3");
    expect(client.answer(request)).toBeNull();
    cluster.release();
    expect(logOf(cluster.node("n1")).flat().slice(1)).toEqual(["2", "2"]);
    expect(cluster.node("n1").status.revision).toBe(1);
    expect(client.answer(request)).toBe("ok");
  });

  test("is not called definite while another copy of the write is on its way", () => {
    // 2 was forwarded twice, over an old link and a new one. 1 comes through n3 between the two.
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    cluster.holds = isForward;
    const request = client.register("a:2", { seq: 2, floor: 1 });
    cluster.deliver();
    cluster.node("n2").relink("n1");
    cluster.deliver();
    const copies = cluster.bag.filter(isForward);
    expect(copies.flatMap(forwarded)).toEqual(["s1/2", "s1/2"]);
    cluster.release((message) => message === copies[0]);
    const other = cluster.connect("n3");
    other.attach("s1", 2);
    other.register("a:1", { seq: 1, floor: 1 });
    cluster.pass(50);
    cluster.release((message) => message.from === "n3");
    cluster.release();
    expect(cluster.node("n1").status.revision).toBe(2);
    expect(client.answer(request)).toBe("ok");
  });

  test("nor while a copy is on its way that was sent for an earlier request", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    cluster.holds = isForward;
    client.register("a:2", { seq: 2, floor: 1 });
    cluster.deliver();
    const request = client.register("a:2", { seq: 2, floor: 1 });
    cluster.deliver();
    const copies = cluster.bag.filter(isForward);
    expect(copies.flatMap(forwarded)).toEqual(["s1/2", "s1/2"]);
    cluster.release((message) => message === copies[0]);
    expect(client.answer(request)).toBeNull();
    const other = cluster.connect("n3");
    other.attach("s1", 2);
    other.register("a:1", { seq: 1, floor: 1 });
    cluster.pass(50);
    cluster.release((message) => message.from === "n3");
    cluster.release();
    expect(client.answer(request)).toBe("ok");
  });
});

describe("a deadline", () => {
  test("without a leader is NO_LEADER, which is definite: nobody was given the write", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    cluster.isolate("n2");
    cluster.pass(3_000);
    expect(cluster.node("n2").status.leader).toBeNull();
    const request = client.register("a:1", { timeoutMs: 500 });
    cluster.pass(450);
    expect(client.answer(request)).toBeNull();
    cluster.pass(100);
    expect(client.answer(request)).toBe("NO_LEADER");
    cluster.heal();
    cluster.pass(3_000);
    expect(cluster.node("n1").status.revision).toBe(0);
  });

  test("with a leader that cannot be reached is NO_LEADER too", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    cluster.node("n2").step({ type: "peerLink", peer: "n1", isUp: false });
    const request = client.register("a:1", { timeoutMs: 500 });
    cluster.pass(600);
    expect(cluster.node("n2").status.leader).toBe("n1");
    expect(client.answer(request)).toBe("NO_LEADER");
  });

  test("of a write that some leader was given is TIMEOUT, whoever leads then", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    const request = client.register("a:1", { timeoutMs: 3_000 });
    cluster.passes = (message) => !isForward(message);
    cluster.deliver();
    cluster.isolate("n2");
    cluster.pass(3_100);
    expect(cluster.node("n2").status.leader).toBeNull();
    expect(client.answer(request)).toBe("TIMEOUT");
  });

  test("of a write that some leader was given for an earlier request is TIMEOUT too", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    cluster.holds = isForward;
    const first = client.register("a:1", { seq: 1, floor: 1 });
    cluster.deliver();
    cluster.isolate("n2");
    cluster.pass(3_000);
    expect(cluster.node("n2").status.leader).toBeNull();
    const second = client.register("a:1", { seq: 1, floor: 1, timeoutMs: 500 });
    cluster.pass(600);
    expect(answers(client, [first, second])).toEqual(["TIMEOUT", "TIMEOUT"]);
  });

  test("of a leader that can commit nothing is TIMEOUT", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n1");
    cluster.isolate("n1");
    const request = client.register("a:1", { timeoutMs: 500 });
    cluster.pass(600);
    expect(client.answer(request)).toBe("TIMEOUT");
    cluster.heal();
    cluster.pass(1_000);
    expect(cluster.node("n1").status.revision).toBe(1);
  });
});

describe("a write that waits", () => {
  test("for the secret of its session leaves the node only when it was found right", () => {
    const cluster = Cluster.led();
    cluster.starve("n3");
    openedOn(cluster, "n1");
    const client = cluster.connect("n3");
    client.attach("s1", 2);
    const request = client.register("a:1");
    cluster.pass(300);
    expect(client.answer(request)).toBeNull();
    expect(cluster.node("n1").status.revision).toBe(0);
    cluster.passes = () => true;
    cluster.pass(1_000);
    expect(client.answer(request)).toBe("ok");
  });

  test("for a secret that is wrong is refused, and no leader ever sees it", () => {
    const cluster = Cluster.led();
    cluster.starve("n3");
    openedOn(cluster, "n1");
    const thief = cluster.connect("n3");
    thief.attach("s1", 9, "guessed");
    const request = thief.register("a:1");
    cluster.passes = () => true;
    cluster.pass(1_000);
    expect(thief.states).toEqual(["unconfirmed", "denied"]);
    expect(thief.answer(request)).toBe("SESSION_UNKNOWN");
    expect(cluster.node("n1").status.revision).toBe(0);
  });

  test("for an opening with another's secret is not released by the opening of the right one", () => {
    // n3 lags behind the opening of s1. A stranger who knows the id, which every consumer sees,
    // opens it there; then n3 applies the opening of its owner.
    const cluster = Cluster.led();
    cluster.starve("n3");
    openedOn(cluster, "n1");
    cluster.holds = isForward;
    const thief = cluster.connect("n3");
    const opening = thief.open("s1", { secret: "guessed", attach: 9 });
    const write = thief.register("a:1", { application: "stolen" });
    cluster.deliver();
    cluster.passes = () => true;
    cluster.pass(500);
    expect(thief.answer(opening)).toBeNull();
    cluster.holds = () => false;
    cluster.pass(500);
    expect(thief.answer(opening)).toBe("DENIED");
    expect(thief.answer(write)).toBe("SESSION_UNKNOWN");
    expect(cluster.node("n1").status.revision).toBe(0);
  });

  test("is not displaced by a stranger who names its session and number", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    cluster.holds = isForward;
    const request = client.register("a:1");
    cluster.deliver();
    const thief = cluster.connect("n2");
    const opening = thief.open("s1", { secret: "guessed", attach: 9 });
    const stolen = thief.register("b:1", { seq: 1, floor: 1 });
    cluster.deliver();
    expect(thief.answer(opening)).toBe("DENIED");
    expect(thief.answer(stolen)).toBe("SESSION_UNKNOWN");
    cluster.holds = () => false;
    cluster.release();
    expect(client.answer(request)).toBe("ok");
  });

  test("and is sent again as another request leaves the first one answered, indefinitely", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    cluster.holds = isForward;
    const first = client.register("a:1", { seq: 1, floor: 1 });
    cluster.deliver();
    const second = client.register("a:1", { seq: 1, floor: 1 });
    expect(client.answer(first)).toBeNull();
    cluster.holds = () => false;
    cluster.deliver();
    expect(answers(client, [first, second])).toEqual(["TIMEOUT", "ok"]);
  });

  test("is dropped with its connection, and not handed to anybody later", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    cluster.isolate("n2");
    cluster.pass(3_000);
    client.register("a:1");
    client.close();
    cluster.heal();
    cluster.pass(3_000);
    expect(cluster.node("n1").status.revision).toBe(0);
  });

  test("is refused with OVERLOADED past the node's bound, definitely, and others go on", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    openedOn(cluster, "n1", "s2");
    cluster.isolate("n2");
    cluster.pass(3_000);
    for (let seq = 1; seq <= PENDING_WRITES_MAX; seq += 1) {
      client.deregister("a:1", { seq, floor: seq });
    }
    const request = client.register("a:1");
    expect(client.answer(request)).toBeNull();
    cluster.deliver();
    expect(client.answer(request)).toBe("OVERLOADED");
    const other = attachedTo(cluster, "n2", "s2");
    const early = other.register("a:1");
    client.close();
    const late = other.register("a:1");
    cluster.deliver();
    expect(answers(other, [early, late])).toEqual(["OVERLOADED", null]);
  });
});

describe("a session of another connection", () => {
  test("a connection speaks for one session only", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n1");
    const request = client.open("s2");
    cluster.deliver();
    expect(client.answer(request)).toBe("PROTOCOL");
  });

  test("opening twice, through two nodes, is one session with one answer", () => {
    const cluster = Cluster.led();
    const one = cluster.connect("n2");
    const other = cluster.connect("n3");
    const requests = [one.open("s1", { attach: 1 }), other.open("s1", { attach: 2 })] as const;
    cluster.deliver();
    expect([one.answer(requests[0]), other.answer(requests[1])]).toEqual(["ok", "ok"]);
    expect(cluster.node("n1").status.sessions).toBe(1);
  });
});
