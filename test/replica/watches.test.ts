import { describe, expect, test } from "vitest";
import { type Client, Cluster, type ClusterOptions, selector, spec } from "./harness.ts";

interface World {
  readonly cluster: Cluster;
  readonly provider: Client;
  readonly watcher: Client;
}

/** A provider on the leader n1, and a watcher on n2 that has not subscribed yet. */
function world(options: ClusterOptions = {}, ...addrs: readonly string[]): World {
  const cluster = Cluster.led(options);
  const provider = cluster.connect("n1");
  provider.open("s1");
  for (const addr of addrs) provider.register(addr);
  cluster.pass(200);
  return { cluster, provider, watcher: cluster.connect("n2") };
}

const withTag = (value: string) => ({ meta: [["tag", value]] as const });

describe("a watch", () => {
  test("gets a snapshot at a revision first, then each change once, in revision order", () => {
    const { cluster, provider, watcher } = world({}, "a:1");
    watcher.subscribe();
    cluster.deliver();
    provider.register("a:2");
    provider.register("a:1", { weight: 7 });
    provider.deregister("a:1");
    cluster.deliver();
    expect(watcher.stream).toEqual([
      "snapshot 1: a:1",
      "delta 2: +a:2",
      "delta 3: +a:1",
      "delta 4: -a:1",
    ]);
  });

  test("gets an empty list where there is nothing", () => {
    const { cluster, watcher } = world();
    watcher.subscribe();
    cluster.deliver();
    expect(watcher.stream).toEqual(["snapshot 0: "]);
  });

  test("gets all changes of one command in one delta, of its own application only", () => {
    const { cluster, provider, watcher } = world({}, "a:1");
    watcher.subscribe();
    cluster.deliver();
    const instances = [spec("a:2"), spec("a:3"), spec("b:1", { application: "till" })];
    provider.write((numbers) => ({ type: "register", ...numbers, instances }));
    cluster.deliver();
    expect(watcher.stream.slice(1)).toEqual(["delta 2: +a:2 +a:3"]);
  });

  test("is told nothing of a registration that changes nothing, nor of other selectors", () => {
    const { cluster, provider, watcher } = world({}, "a:1");
    watcher.subscribe({ selector: selector({ protocol: "http", meta: [["tag", "read"]] }) });
    watcher.subscribe({ selector: selector({ protocol: "grpc" }) });
    cluster.deliver();
    provider.register("a:1");
    provider.register("a:2", withTag("write"));
    cluster.deliver();
    expect(watcher.stream).toEqual(["snapshot 1: ", "snapshot 1: "]);
  });

  test("is sent a remove when an instance leaves its selector, and a put when it comes back", () => {
    const { cluster, provider, watcher } = world();
    provider.register("a:1", withTag("read"));
    cluster.deliver();
    watcher.subscribe({ selector: selector(withTag("read")) });
    cluster.deliver();
    provider.register("a:1", withTag("write"));
    provider.register("a:1", withTag("read"));
    cluster.deliver();
    expect(watcher.stream).toEqual(["snapshot 1: a:1", "delta 2: -a:1", "delta 3: +a:1"]);
  });

  test("is told nothing when an instance only changes hands", () => {
    const { cluster, watcher } = world({}, "a:1");
    watcher.subscribe();
    cluster.deliver();
    const next = cluster.connect("n3");
    next.open("s2");
    next.register("a:1");
    cluster.deliver();
    expect(cluster.node("n2").status.revision).toBe(2);
    next.register("a:1", { weight: 1 });
    cluster.deliver();
    expect(watcher.stream).toEqual(["snapshot 1: a:1", "delta 3: +a:1"]);
  });

  test("shares the bodies of what it receives with identical watches", () => {
    const { cluster, provider, watcher } = world({}, "a:1");
    const other = cluster.connect("n2");
    const waiting = [watcher, other].map((client) => client.subscribe());
    cluster.deliver();
    provider.register("a:2");
    cluster.deliver();
    expect(waiting).toEqual([1, 1]);
    expect(other.of("snapshot")[0]?.body).toBe(watcher.of("snapshot")[0]?.body);
    expect(other.of("delta")[0]?.body).toBe(watcher.of("delta")[0]?.body);
  });

  test("that was given up is told nothing more, and the others of its connection are", () => {
    const { cluster, provider, watcher } = world();
    const [given, kept] = [watcher.subscribe(), watcher.subscribe({ mode: "full" })];
    cluster.deliver();
    watcher.send({ type: "unsubscribe", watch: given });
    provider.register("a:1");
    cluster.deliver();
    expect(watcher.of("delta")).toEqual([]);
    expect(watcher.of("snapshot").map(({ watch }) => watch)).toEqual([given, kept, kept]);
    expect(cluster.node("n2").status.watches).toBe(1);
    watcher.close();
    expect(cluster.node("n2").status.watches).toBe(0);
  });

  test("that is given up while it waits never starts, and the others that wait do", () => {
    const { cluster, provider, watcher } = world({}, "a:1");
    const other = cluster.connect("n2");
    const given = watcher.subscribe({ from: 2 });
    const kept = watcher.subscribe({ from: 2 });
    other.subscribe({ from: 2, watch: given });
    watcher.send({ type: "unsubscribe", watch: given });
    provider.register("a:2");
    provider.register("a:3");
    cluster.deliver();
    expect(watcher.of("delta").map(({ watch }) => watch)).toEqual([kept]);
    expect(other.stream).toEqual(["delta 3: +a:3"]);
    expect(cluster.node("n2").status.watches).toBe(2);
  });

  test("that is not there is given up without a trace", () => {
    const { cluster, provider, watcher } = world();
    watcher.send({ type: "unsubscribe", watch: 1 });
    const kept = watcher.subscribe();
    watcher.send({ type: "unsubscribe", watch: kept + 1 });
    expect(cluster.node("n2").status.watches).toBe(1);
    provider.register("a:1");
    cluster.deliver();
    expect(watcher.stream).toEqual(["snapshot 0: ", "delta 1: +a:1"]);
  });

  test("goes on without a leader, and after the next one is elected", () => {
    const { cluster, provider, watcher } = world({}, "a:1");
    watcher.subscribe();
    cluster.deliver();
    cluster.isolate("n1");
    cluster.elect("n3");
    const other = cluster.connect("n3");
    other.open("s2");
    other.register("a:2");
    cluster.deliver();
    expect(watcher.of("delta")).toHaveLength(1);
    expect(provider.outputs.length).toBeGreaterThan(0);
  });
});

describe("full mode", () => {
  test("sends the whole list at every change, once a turn, and an empty one too", () => {
    const { cluster, provider, watcher } = world({}, "a:1");
    watcher.subscribe({ mode: "full" });
    cluster.deliver();
    provider.register("a:2");
    provider.register("a:3");
    cluster.deliver();
    for (const addr of ["a:1", "a:2", "a:3"]) provider.deregister(addr);
    cluster.deliver();
    expect(watcher.stream).toEqual(["snapshot 1: a:1", "snapshot 3: a:1 a:2 a:3", "snapshot 6: "]);
  });

  test("is told nothing of changes that its selector does not see", () => {
    const { cluster, provider, watcher } = world({}, "a:1");
    watcher.subscribe({ mode: "full", selector: selector({ protocol: "grpc" }) });
    cluster.deliver();
    provider.register("a:2");
    cluster.deliver();
    expect(watcher.stream).toEqual(["snapshot 1: "]);
  });
});

describe("a resume", () => {
  test("within the history gets what is missing, each change once and no snapshot", () => {
    const { cluster, provider, watcher } = world({}, "a:1", "a:2");
    provider.deregister("a:1");
    provider.register("b:1", { application: "till" });
    provider.register("a:3");
    cluster.pass(200);
    watcher.subscribe({ from: 1 });
    cluster.deliver();
    expect(watcher.stream).toEqual(["delta 2: +a:2", "delta 3: -a:1", "delta 5: +a:3"]);
  });

  test("gets all changes of one command in one delta", () => {
    const { cluster, provider, watcher } = world({}, "a:1");
    const instances = [spec("a:2"), spec("a:3")];
    provider.write((numbers) => ({ type: "register", ...numbers, instances }));
    cluster.pass(200);
    watcher.subscribe({ from: 1 });
    cluster.deliver();
    expect(watcher.stream).toEqual(["delta 2: +a:2 +a:3"]);
  });

  test("from the latest revision gets nothing, and then what comes", () => {
    const { cluster, provider, watcher } = world({}, "a:1");
    watcher.subscribe({ from: 1 });
    cluster.deliver();
    expect(watcher.stream).toEqual([]);
    provider.register("a:2");
    cluster.deliver();
    expect(watcher.stream).toEqual(["delta 2: +a:2"]);
  });

  test("at the edge of the history is still a resume, one step past it a RESET", () => {
    const { cluster, provider, watcher } = world({ watchLimits: { historyChangesMax: 3 } });
    for (let at = 1; at <= 5; at += 1) provider.register(`a:${at}`);
    cluster.pass(200);
    watcher.subscribe({ from: 2 });
    const late = cluster.connect("n2");
    late.subscribe({ from: 1 });
    cluster.deliver();
    expect(watcher.stream).toEqual(["delta 3: +a:3", "delta 4: +a:4", "delta 5: +a:5"]);
    expect(late.stream).toEqual(["reset 5: a:1 a:2 a:3 a:4 a:5"]);
  });

  test("of more than the byte budget is a RESET", () => {
    const { cluster, provider, watcher } = world({ watchLimits: { catchUpBytesMax: 2_000 } });
    for (let at = 0; at < 20; at += 1) provider.register("a:1", { weight: at });
    cluster.pass(200);
    watcher.subscribe({ from: 0 });
    cluster.deliver();
    expect(watcher.stream).toEqual(["reset 20: a:1"]);
  });

  test("from a revision that this node has not reached waits for it", () => {
    const { cluster, provider, watcher } = world({}, "a:1");
    cluster.starve("n2");
    provider.register("a:2");
    provider.register("a:3");
    cluster.deliver();
    watcher.subscribe({ from: 2 });
    cluster.pass(500);
    expect(watcher.stream).toEqual([]);
    cluster.passes = () => true;
    cluster.pass(1_000);
    expect(watcher.stream).toEqual(["delta 3: +a:3"]);
  });

  test("of a client that has seen more elsewhere waits too, and so does its first snapshot", () => {
    const { cluster, provider } = world({}, "a:1");
    cluster.starve("n2");
    provider.register("a:2");
    cluster.deliver();
    const watcher = cluster.connect("n2", 2);
    watcher.subscribe();
    watcher.subscribe({ from: 1 });
    cluster.pass(500);
    expect(watcher.stream).toEqual([]);
    cluster.passes = () => true;
    cluster.pass(1_000);
    expect(watcher.stream).toEqual(["snapshot 2: a:1 a:2", "delta 2: +a:2"]);
  });

  test("in full mode gets the whole list", () => {
    const { cluster, watcher } = world({}, "a:1", "a:2");
    watcher.subscribe({ from: 1, mode: "full" });
    cluster.deliver();
    expect(watcher.stream).toEqual(["snapshot 2: a:1 a:2"]);
  });
});

describe("a slow reader", () => {
  function blocked(options: ClusterOptions = {}): World {
    const made = world(options, "a:1");
    made.watcher.subscribe();
    made.cluster.deliver();
    made.watcher.send({ type: "writable", isWritable: false });
    return made;
  }

  test("gets what it missed as one collapsed delivery of the latest state per instance", () => {
    const { cluster, provider, watcher } = blocked();
    provider.register("a:2");
    provider.register("a:2", { weight: 3 });
    provider.register("a:3");
    provider.deregister("a:3");
    provider.deregister("a:1");
    cluster.deliver();
    expect(watcher.stream).toEqual(["snapshot 1: a:1"]);
    watcher.send({ type: "writable", isWritable: true });
    cluster.deliver();
    provider.register("a:4");
    cluster.deliver();
    expect(watcher.stream.slice(1)).toEqual(["delta 1..6: +a:2 -a:1", "delta 7: +a:4"]);
    expect(watcher.of("delta")[0]?.body.collapsed).toEqual({ from: 1, isLast: true });
    expect(watcher.of("delta")[0]?.body.put[0]?.weight).toBe(3);
  });

  test("resumes from all that stands in a collapsed delivery, in whichever order", () => {
    const { cluster, provider, watcher } = blocked();
    provider.register("a:2");
    provider.register("a:3");
    provider.register("a:2", { weight: 3 });
    provider.register("b:1", { application: "till" });
    cluster.deliver();
    watcher.send({ type: "writable", isWritable: true });
    cluster.deliver();
    expect(watcher.stream.slice(1)).toEqual(["delta 1..5: +a:2 +a:3"]);
  });

  test("misses nothing where its node says twice that it does not read, or that it does", () => {
    const { cluster, provider, watcher } = blocked();
    provider.register("a:2");
    cluster.deliver();
    watcher.send({ type: "writable", isWritable: false });
    provider.register("a:3");
    cluster.deliver();
    watcher.send({ type: "writable", isWritable: true });
    watcher.send({ type: "writable", isWritable: true });
    cluster.deliver();
    expect(watcher.stream).toEqual(["snapshot 1: a:1", "delta 1..3: +a:2 +a:3"]);
  });

  test("is told that it missed something where all of that comes to nothing", () => {
    const { cluster, provider, watcher } = blocked();
    provider.register("a:2");
    provider.deregister("a:2");
    cluster.deliver();
    watcher.send({ type: "writable", isWritable: true });
    cluster.deliver();
    expect(watcher.stream.slice(1)).toEqual(["delta 1..3: "]);
    expect(watcher.of("delta")[0]?.body.collapsed).toEqual({ from: 1, isLast: true });
  });

  test("gets nothing where nothing of what it missed was for it", () => {
    const { cluster, provider, watcher } = world({}, "a:1");
    watcher.subscribe({ selector: selector({ meta: [["tag", "read"]] }) });
    cluster.deliver();
    watcher.send({ type: "writable", isWritable: false });
    provider.register("a:2");
    provider.deregister("a:2");
    provider.register("b:1", { application: "till" });
    cluster.deliver();
    watcher.send({ type: "writable", isWritable: true });
    cluster.deliver();
    expect(watcher.stream).toEqual(["snapshot 1: "]);
  });

  test("gets a RESET where the history is gone", () => {
    const { cluster, provider, watcher } = blocked({ watchLimits: { historyChangesMax: 2 } });
    for (const addr of ["a:2", "a:3", "a:4"]) provider.register(addr);
    cluster.deliver();
    watcher.send({ type: "writable", isWritable: true });
    cluster.deliver();
    expect(watcher.stream.slice(1)).toEqual(["reset 4: a:1 a:2 a:3 a:4"]);
  });

  test("gets a RESET where even the collapsed changes are over the byte budget", () => {
    const { cluster, provider, watcher } = blocked({ watchLimits: { catchUpBytesMax: 2_000 } });
    for (let at = 0; at < 20; at += 1) provider.register(`b:${at}`);
    cluster.deliver();
    watcher.send({ type: "writable", isWritable: true });
    cluster.deliver();
    expect(watcher.stream[1]).toMatch(/^reset 21: /);
  });

  test("pays of its budget for the collapsed changes only", () => {
    const { cluster, provider, watcher } = blocked({ watchLimits: { catchUpBytesMax: 2_000 } });
    for (let at = 0; at < 20; at += 1) provider.register("a:1", { weight: at });
    cluster.deliver();
    watcher.send({ type: "writable", isWritable: true });
    cluster.deliver();
    expect(watcher.stream.slice(1)).toEqual(["delta 1..21: +a:1"]);
  });

  test("in full mode gets the latest list once", () => {
    const { cluster, provider, watcher } = world({}, "a:1");
    watcher.subscribe({ mode: "full" });
    cluster.deliver();
    watcher.send({ type: "writable", isWritable: false });
    provider.register("a:2");
    cluster.deliver();
    provider.register("a:3");
    cluster.deliver();
    watcher.send({ type: "writable", isWritable: true });
    cluster.deliver();
    expect(watcher.stream).toEqual(["snapshot 1: a:1", "snapshot 3: a:1 a:2 a:3"]);
  });

  test("subscribes only when it reads again", () => {
    const { cluster, provider, watcher } = blocked();
    watcher.subscribe();
    provider.register("a:2");
    cluster.deliver();
    expect(watcher.stream).toHaveLength(1);
    watcher.send({ type: "writable", isWritable: true });
    cluster.deliver();
    expect(watcher.stream.slice(1)).toEqual(["delta 1..2: +a:2", "snapshot 2: a:1 a:2"]);
  });

  test("delays nobody else", () => {
    const { cluster, provider } = blocked();
    const other = cluster.connect("n2");
    other.subscribe();
    cluster.deliver();
    provider.register("a:2");
    cluster.deliver();
    expect(other.stream).toEqual(["snapshot 1: a:1", "delta 2: +a:2"]);
  });
});

describe("a mark", () => {
  test("comes every two seconds to a connection that watches, and to no other", () => {
    const { cluster, watcher } = world({}, "a:1");
    const reader = cluster.connect("n2");
    watcher.subscribe();
    cluster.pass(4_100);
    expect(watcher.stream).toEqual(["snapshot 1: a:1", "mark 1", "mark 1"]);
    expect(reader.outputs).toEqual([]);
  });

  test("comes no more to a connection that has given up its last watch", () => {
    const { cluster, watcher } = world({}, "a:1");
    const watch = watcher.subscribe();
    cluster.deliver();
    watcher.send({ type: "unsubscribe", watch });
    cluster.pass(4_100);
    expect(watcher.stream).toEqual(["snapshot 1: a:1"]);
    watcher.subscribe();
    cluster.pass(1_000);
    expect(watcher.stream.slice(1)).toEqual(["snapshot 1: a:1", "mark 1"]);
  });

  test("tells of revisions that the watch does not see, as a place to resume from", () => {
    const { cluster, provider, watcher } = world({}, "a:1");
    watcher.subscribe();
    cluster.deliver();
    provider.register("b:1", { application: "till" });
    cluster.pass(2_100);
    expect(watcher.stream).toEqual(["snapshot 1: a:1", "mark 2"]);
  });

  test("never overtakes changes that wait for a slow reader", () => {
    const { cluster, provider, watcher } = world({}, "a:1");
    watcher.subscribe();
    cluster.deliver();
    watcher.send({ type: "writable", isWritable: false });
    provider.register("a:2");
    cluster.pass(5_000);
    expect(watcher.stream).toEqual(["snapshot 1: a:1"]);
    watcher.send({ type: "writable", isWritable: true });
    cluster.pass(2_100);
    expect(watcher.stream.slice(1, 3)).toEqual(["delta 1..2: +a:2", "mark 2"]);
  });

  test("never overtakes what a resumed watch is owed, where a tick comes just before it", () => {
    const { cluster, watcher } = world({}, "a:1", "a:2", "a:3");
    watcher.subscribe({ selector: selector({ application: "till" }) });
    cluster.pass(1_950);
    cluster.node("n2").tick();
    watcher.subscribe({ from: 1 });
    cluster.deliver();
    expect(watcher.stream).toEqual(["snapshot 3: ", "delta 2: +a:2", "delta 3: +a:3", "mark 3"]);
  });

  test("never overtakes what a waiting watch is owed, in the turn in which it starts", () => {
    const { cluster, provider, watcher } = world({}, "a:1", "a:2");
    watcher.subscribe({ selector: selector({ application: "till" }) });
    watcher.subscribe({ from: 3 });
    watcher.subscribe({ mode: "full" });
    cluster.pass(3_000);
    provider.register("a:3");
    cluster.pass(50);
    provider.register("a:4");
    cluster.holds = ({ to }) => to === "n2";
    cluster.deliver();
    cluster.node("n2").tick();
    cluster.holds = () => false;
    cluster.release();
    const kinds = watcher.stream.slice(2).filter((text) => !text.startsWith("mark"));
    expect(kinds).toEqual([
      "snapshot 3: a:1 a:2 a:3",
      "delta 4: +a:4",
      "snapshot 4: a:1 a:2 a:3 a:4",
    ]);
    expect(watcher.stream.at(-1)).toBe("mark 4");
  });

  test("never overtakes the start of a watch that waits", () => {
    const { cluster, watcher } = world({}, "a:1");
    watcher.subscribe();
    watcher.subscribe({ from: 9 });
    cluster.pass(5_000);
    expect(watcher.stream).toEqual(["snapshot 1: a:1"]);
  });
});

describe("a node that catches up", () => {
  function restarted(): { cluster: Cluster; provider: Client } {
    const { cluster, provider } = world({}, "a:1");
    provider.register("a:2");
    cluster.deliver();
    cluster.crash("n2");
    cluster.passes = ({ from, to }) => from !== "n2" && to !== "n2";
    provider.register("a:3");
    cluster.deliver();
    cluster.restart("n2");
    return { cluster, provider };
  }

  test("pushes nothing before it has applied what a leader confirmed", () => {
    const { cluster } = restarted();
    const watcher = cluster.connect("n2");
    watcher.subscribe({ allowUnknownAge: true });
    watcher.subscribe({ mode: "full" });
    cluster.pass(1_000);
    expect(watcher.outputs).toEqual([]);
    cluster.passes = () => true;
    cluster.pass(1_500);
    expect(watcher.stream.slice(0, 2)).toEqual(Array(2).fill("snapshot 3: a:1 a:2 a:3"));
    expect(watcher.of("snapshot")[0]?.body.ageMs).not.toBeNull();
  });

  test("serves without a leader, after an election timeout, who accepts an unknown age", () => {
    const { cluster } = restarted();
    const careless = cluster.connect("n2");
    careless.subscribe({ allowUnknownAge: true });
    const careful = cluster.connect("n2");
    careful.subscribe();
    cluster.pass(3_000);
    expect(careless.stream[0]).toBe("snapshot 1: a:1");
    expect(careless.of("snapshot")[0]?.body.ageMs).toBeNull();
    expect(careful.outputs).toEqual([]);
    cluster.passes = () => true;
    cluster.pass(3_000);
    expect(careless.stream.filter((text) => !text.startsWith("mark"))).toEqual([
      "snapshot 1: a:1",
      "delta 2: +a:2",
      "delta 3: +a:3",
    ]);
    expect(careful.stream[0]).toBe("snapshot 3: a:1 a:2 a:3");
  });

  test("serves them, too, where it hears a leader that does not hear it", () => {
    const { cluster } = restarted();
    cluster.passes = ({ from }) => from !== "n2";
    const careless = cluster.connect("n2");
    careless.subscribe({ allowUnknownAge: true });
    const careful = cluster.connect("n2");
    careful.subscribe();
    cluster.pass(1_900);
    expect(cluster.node("n2").status.leader).toBe("n1");
    expect(careless.outputs).toEqual([]);
    cluster.pass(500);
    expect(careless.stream[0]).toMatch(/^snapshot [123]: a:1/);
    expect(careless.of("snapshot")[0]?.body.ageMs).toBeNull();
    expect(careful.outputs).toEqual([]);
    cluster.heal();
    cluster.pass(1_500);
    expect(careful.stream[0]).toBe("snapshot 3: a:1 a:2 a:3");
  });

  test("starts all watches that waited with one list", () => {
    const { cluster } = restarted();
    const watchers = Array.from({ length: 100 }, () => cluster.connect("n2"));
    for (const watcher of watchers) watcher.subscribe();
    cluster.passes = () => true;
    cluster.pass(1_500);
    expect(new Set(watchers.map((watcher) => watcher.of("snapshot")[0]?.body)).size).toBe(1);
  });
});
