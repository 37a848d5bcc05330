import { describe, expect, test } from "vitest";
import type { Notice } from "../../src/replica/inputs.ts";
import { CHUNK_KEYS } from "../../src/storage/snapshot-layout.ts";
import { type Client, Cluster, type Node, selector } from "./harness.ts";

/** Every entry is one too many for the log, and nothing stays behind a snapshot. */
const EAGER = { logBytesMin: 1, tailBytes: 0, laggardBytesMax: 0, chunkBytes: 64 };

/** And every entry is a checkpoint. */
const OFTEN = { checkpointEntries: 1 };

function snapshotsOf(node: Node, how: "taken" | "installed"): Extract<Notice, { how: string }>[] {
  return node.notices.filter(
    (notice): notice is Extract<Notice, { type: "snapshot" }> =>
      notice.type === "snapshot" && notice.how === how,
  );
}

interface World {
  readonly cluster: Cluster;
  readonly provider: Client;
  readonly n3: Node;
}

/** n1 leads and holds the provider's session; n3 is cut off, and then left behind by a snapshot. */
function leftBehind(prepare: (n3: Node, cluster: Cluster) => void = () => {}): World {
  const cluster = Cluster.led({ ...OFTEN, snapshotLimits: EAGER });
  const provider = cluster.connect("n1");
  provider.open("s1");
  provider.register("a:1");
  cluster.pass(200);
  const n3 = cluster.node("n3");
  prepare(n3, cluster);
  cluster.deliver();
  cluster.isolate("n3");
  for (let at = 2; at <= 20; at += 1) {
    provider.register(`a:${at}`);
    cluster.deliver();
  }
  cluster.pass(300);
  return { cluster, provider, n3 };
}

/** `session` writes so much on n1 that who lacks it needs a snapshot. */
function outgrow(cluster: Cluster, session: string): void {
  const provider = cluster.connect("n1");
  provider.open(session);
  for (let at = 0; at < 10; at += 1) {
    provider.register(`b:${at}`);
    cluster.deliver();
  }
}

/** The others are lost. Returns how many were sent until now. */
function letChunksPass(cluster: Cluster, count: number): () => number {
  let chunks = 0;
  cluster.passes = ({ type }) => {
    chunks += type === "installSnapshot" ? 1 : 0;
    return type !== "installSnapshot" || chunks <= count;
  };
  return () => chunks;
}

function equal(cluster: Cluster): void {
  const digests = new Set(cluster.nodes.map(({ status }) => status.digest));
  expect(digests.size).toBe(1);
  for (const { up } of cluster.nodes) up.registry.checkInvariants();
}

describe("a member takes snapshots", () => {
  test("when its log has outgrown them, and cuts the log behind them", () => {
    const cluster = Cluster.led({ ...OFTEN, snapshotLimits: EAGER });
    outgrow(cluster, "s1");
    for (const node of cluster.nodes) {
      expect(snapshotsOf(node, "taken").length).toBeGreaterThan(2);
      expect(node.status.firstIndex).toBe(node.status.snapshotIndex + 1);
      expect(node.status.snapshotIndex).toBeGreaterThan(5);
    }
  });

  test("and lets go of the former ones", () => {
    const cluster = Cluster.led({ ...OFTEN, snapshotLimits: EAGER });
    const provider = cluster.connect("n1");
    provider.open("s1");
    for (let at = 0; at < 10; at += 1) {
      provider.register(`a:${at % 2}`, { weight: at });
      cluster.deliver();
    }
    cluster.pass(500);
    for (const { disk, log, id } of cluster.nodes) {
      while (log?.hasLeftovers === true) log.sweep();
      const verdict = disk.read();
      const current = verdict?.type === "intact" ? verdict.loaded.snapshot : null;
      expect(disk.recordsIn(CHUNK_KEYS).length, id).toBe(current?.chunks);
    }
  });

  test("none before the log is as large as the limit, or as the state", () => {
    const cluster = Cluster.led({ ...OFTEN, snapshotLimits: { ...EAGER, logBytesMin: 10_000 } });
    const provider = cluster.connect("n1");
    provider.open("s1");
    for (let at = 0; at < 10; at += 1) provider.register(`a:${at}`);
    cluster.pass(300);
    expect(snapshotsOf(cluster.node("n1"), "taken")).toEqual([]);
  });

  test("keeps a tail of the log for those who are a little behind", () => {
    const cluster = Cluster.led({ ...OFTEN, snapshotLimits: { ...EAGER, tailBytes: 2_000 } });
    const provider = cluster.connect("n1");
    provider.open("s1");
    for (let at = 0; at < 40; at += 1) {
      provider.register(`a:${at}`);
      cluster.deliver();
    }
    const { firstIndex, snapshotIndex } = cluster.node("n1").status;
    expect(snapshotIndex - firstIndex).toBeGreaterThan(4);
    expect(firstIndex).toBeGreaterThan(2);
  });

  test("and starts again from what is on its disk: state, sessions and kept replies", () => {
    const cluster = Cluster.led({ ...OFTEN, snapshotLimits: EAGER });
    const provider = cluster.connect("n1");
    provider.open("s1");
    for (let at = 0; at < 10; at += 1) {
      provider.register(`a:${at}`, { floor: 1 });
      cluster.deliver();
    }
    for (const id of cluster.ids) cluster.crash(id);
    for (const id of cluster.ids) cluster.restart(id);
    cluster.elect("n2");
    equal(cluster);
    const again = cluster.connect("n2");
    again.attach("s1", 2);
    cluster.pass(300);
    expect(again.lastState).toMatchObject({ state: "resumed", owned: 10, lastSeq: 10 });
    const request = again.register("a:3", { seq: 4, floor: 1 });
    cluster.pass(100);
    expect(again.replyTo(request)).toEqual({ ok: true, revision: 4 });
  });
});

describe("a member that was left behind", () => {
  test("is sent a snapshot, and goes on with what is written meanwhile", () => {
    const { cluster, provider, n3 } = leftBehind();
    cluster.heal();
    cluster.pass(100);
    provider.register("a:99");
    cluster.pass(1_000);
    expect(snapshotsOf(n3, "installed").length).toBe(1);
    expect(n3.status.instances).toBe(21);
    equal(cluster);
  });

  test("gives its watches a RESET, never an older list, and goes on by deltas", () => {
    let watcher: Client | undefined;
    const { cluster, provider } = leftBehind((n3, world) => {
      watcher = world.connect(n3.id);
      watcher.subscribe();
    });
    cluster.heal();
    cluster.pass(1_000);
    provider.deregister("a:1");
    cluster.pass(100);
    const all = Array.from({ length: 20 }, (_, at) => `a:${at + 1}`).sort();
    expect(watcher?.stream.filter((text) => !text.startsWith("mark"))).toEqual([
      "snapshot 1: a:1",
      `reset 20: ${all.join(" ")}`,
      "delta 21: -a:1",
    ]);
  });

  test("resumes a watch from before the leap with a RESET, and one from behind it with deltas", () => {
    const { cluster, provider, n3 } = leftBehind();
    cluster.heal();
    cluster.pass(1_000);
    provider.register("a:30");
    cluster.pass(100);
    const [before, behind] = [cluster.connect(n3.id), cluster.connect(n3.id)];
    before.subscribe({ from: 5 });
    behind.subscribe({ from: 20 });
    cluster.pass(100);
    expect(before.stream[0]).toMatch(/^reset 21: /);
    expect(behind.stream[0]).toBe("delta 21: +a:30");
  });

  test("gives a slow reader a RESET when its socket drains", () => {
    let watcher: Client | undefined;
    const { cluster } = leftBehind((n3, world) => {
      watcher = world.connect(n3.id);
      watcher.subscribe({ selector: selector({ protocol: "http" }) });
      world.deliver();
      watcher.send({ type: "writable", isWritable: false });
    });
    cluster.heal();
    cluster.pass(1_000);
    expect(watcher?.stream).toEqual(["snapshot 1: a:1"]);
    watcher?.send({ type: "writable", isWritable: true });
    cluster.deliver();
    expect(watcher?.stream[1]).toMatch(/^reset 20: /);
  });

  test("answers a write that waits there from the kept replies, once, though its entry was never applied here", () => {
    const cluster = Cluster.led({ ...OFTEN, snapshotLimits: EAGER });
    const provider = cluster.connect("n3");
    provider.open("s1");
    cluster.pass(200);
    // n3 hands the write over, and hears of nothing that comes of it.
    cluster.starve("n3");
    const request = provider.register("a:1", { timeoutMs: 20_000 });
    cluster.pass(100);
    outgrow(cluster, "s2");
    expect(provider.answer(request)).toBeNull();
    cluster.heal();
    // Nor can it ask what became of it.
    cluster.passes = ({ type }) => type !== "forward";
    cluster.pass(1_500);
    expect(snapshotsOf(cluster.node("n3"), "installed").length).toBe(1);
    expect(provider.replyTo(request)).toEqual({ ok: true, revision: 1 });
    equal(cluster);
  });

  test("answers an opening that waits there to the owner of the session, and to no stranger", () => {
    const cluster = Cluster.led({ ...OFTEN, snapshotLimits: EAGER });
    cluster.isolate("n3");
    const [owner, stranger] = [cluster.connect("n3"), cluster.connect("n3")];
    const opening = owner.open("s1", { attach: 2, timeoutMs: 20_000 });
    const stolen = stranger.open("s1", { attach: 3, timeoutMs: 20_000, secret: "guessed" });
    outgrow(cluster, "s1");
    cluster.heal();
    cluster.passes = ({ type }) => type !== "forward";
    cluster.pass(1_500);
    expect(snapshotsOf(cluster.node("n3"), "installed").length).toBe(1);
    expect([owner.answer(opening), stranger.answer(stolen)]).toEqual(["ok", null]);
    cluster.heal();
    cluster.pass(500);
    expect(stranger.answer(stolen)).toBe("DENIED");
    const write = owner.register("a:1", { seq: 11 });
    cluster.deliver();
    expect(owner.answer(write)).toBe("ok");
  });

  test("tells no leader of the end of a connection whose session is gone by then", () => {
    const cluster = Cluster.led({ ...OFTEN, snapshotLimits: EAGER });
    const client = cluster.connect("n3");
    client.open("s1", { ttlMs: 60_000 });
    cluster.pass(300);
    cluster.isolate("n3");
    client.close();
    const heir = cluster.connect("n1");
    heir.attach("s1", 2);
    heir.bye();
    cluster.deliver();
    outgrow(cluster, "s2");
    cluster.heal();
    cluster.passes = ({ type }) => type !== "report";
    cluster.pass(1_500);
    expect(snapshotsOf(cluster.node("n3"), "installed").length).toBe(1);
    const told: unknown[] = [];
    cluster.passes = (message) => {
      if (message.type === "report" && message.from === "n3") told.push(...message.breaks);
      return true;
    };
    cluster.pass(500);
    expect(told).toEqual([]);
  });

  test("tells who speaks for a session that ended on the way, with the reason", () => {
    const cluster = Cluster.led({ ...OFTEN, snapshotLimits: EAGER });
    const client = cluster.connect("n3");
    client.open("s1", { ttlMs: 3_000 });
    cluster.pass(300);
    cluster.isolate("n3");
    cluster.pass(8_000);
    outgrow(cluster, "s2");
    expect(client.states).toEqual([]);
    cluster.heal();
    cluster.pass(1_500);
    expect(snapshotsOf(cluster.node("n3"), "installed").length).toBe(1);
    expect(client.lastState).toMatchObject({ state: "expired", reason: "ttl" });
  });

  test("goes on where the link broke in the middle, and with another leader's snapshot", () => {
    const { cluster, n3 } = leftBehind();
    cluster.heal();
    const sent = letChunksPass(cluster, 4);
    cluster.pass(300);
    expect(sent()).toBeGreaterThan(4);
    expect(snapshotsOf(n3, "installed")).toEqual([]);
    cluster.crash("n1");
    cluster.heal();
    cluster.elect("n2");
    cluster.restart("n1");
    cluster.pass(2_000);
    expect(snapshotsOf(n3, "installed").length).toBe(1);
    equal(cluster);
  });

  test("that crashes in the middle begins anew from the state it had", () => {
    const { cluster, n3 } = leftBehind();
    cluster.heal();
    letChunksPass(cluster, 4);
    cluster.pass(200);
    cluster.crash("n3");
    cluster.passes = () => true;
    cluster.restart("n3");
    expect(n3.status.instances).toBeLessThanOrEqual(1);
    cluster.pass(2_000);
    expect(n3.status.instances).toBe(20);
    equal(cluster);
  });
});
