import { describe, expect, test } from "vitest";
import { CHECKPOINT_ENTRIES } from "../../src/limits.ts";
import { commandCodec } from "../../src/wire/command-codec.ts";
import { Cluster, type Node } from "./harness.ts";
import { weighing, wrongCodec } from "./wrong-codec.ts";

/** Has applied every registration with another weight, as long as it is broken. */
function brokenOn(id: string, size: number): { cluster: Cluster; mend: () => void } {
  let isBroken = true;
  const broken = wrongCodec((command) => (isBroken ? weighing(7, command) : command));
  const codecOf = (of: string) => (of === id ? broken : commandCodec);
  const mend = (): void => {
    isBroken = false;
  };
  return { cluster: Cluster.led({ size, codecOf }), mend };
}

function write(cluster: Cluster, entries: number): void {
  const client = cluster.connect("n1");
  client.open(`s ${cluster.elapsedMs} ${entries}`);
  cluster.deliver();
  for (let entry = 0; entry < entries; entry += 1) {
    client.register(`10.0.0.${entry}:1`);
    cluster.deliver();
  }
}

/** It starts again, as one whose directory was set aside. */
function returns(cluster: Cluster, id: string): Node {
  const node = cluster.node(id);
  if (node.replica !== null) cluster.crash(id);
  node.divergence = null;
  node.notices.length = 0;
  node.disk.setAside();
  cluster.restart(id);
  return node;
}

const CHECKPOINT = 8;

/** Each has a snapshot at the last checkpoint, and no entries before it. */
function snapshotted(): Cluster {
  const snapshotLimits = { logBytesMin: 500, tailBytes: 0, laggardBytesMax: 0 };
  const cluster = Cluster.led({ checkpointEntries: CHECKPOINT, snapshotLimits });
  const lastIndex = (): number => cluster.node("n1").status.lastIndex;
  while (lastIndex() < 4 * CHECKPOINT) write(cluster, 0);
  cluster.pass(500);
  for (const { status } of cluster.nodes) {
    expect(status).toMatchObject({ snapshotIndex: 4 * CHECKPOINT, firstIndex: 4 * CHECKPOINT + 1 });
  }
  return cluster;
}

function equal(cluster: Cluster): void {
  expect(new Set(cluster.nodes.map(({ status }) => status.digest)).size).toBe(1);
}

/** n3 has diverged at the first checkpoint, and is whole again. */
function diverged(): Cluster {
  const { cluster, mend } = brokenOn("n3", 3);
  write(cluster, CHECKPOINT_ENTRIES);
  expect(cluster.node("n3").divergence?.index).toBe(CHECKPOINT_ENTRIES);
  mend();
  return cluster;
}

describe("a member whose state went wrong", () => {
  test("comes back with that of the others, agrees with them, and may lead", () => {
    const cluster = diverged();
    write(cluster, 10);
    const n3 = returns(cluster, "n3");
    expect(n3.status).toMatchObject({ isReturning: true, lastIndex: 0, revision: 0 });
    cluster.pass(1_500);
    expect(n3.notices).toContainEqual({ type: "returned", agreedIndex: CHECKPOINT_ENTRIES });
    expect(n3.status).toMatchObject({ isReturning: false, isCaughtUp: true });
    expect(n3.disk.lostEnd).toBeNull();
    equal(cluster);
    cluster.node("n1").step({ type: "transferLeadership", to: "n3" });
    cluster.pass(200);
    expect(n3.status.role).toBe("leader");
    write(cluster, CHECKPOINT_ENTRIES);
    equal(cluster);
    expect(cluster.nodes.map(({ divergence }) => divergence)).toEqual([null, null, null]);
  });

  test("is not back before a majority agrees with it", () => {
    const cluster = diverged();
    cluster.holds = ({ type, to }) => type === "checkpoint" && to === "n3";
    const n3 = returns(cluster, "n3");
    cluster.pass(1_500);
    const { lastIndex } = cluster.node("n1").status;
    expect(n3.status).toMatchObject({ isReturning: true, lastApplied: lastIndex, agreedIndex: 0 });
    cluster.holds = () => false;
    cluster.pass(200);
    expect(n3.status.isReturning).toBe(false);
  });

  test("is found out again when it is as wrong as before", () => {
    const { cluster } = brokenOn("n3", 3);
    write(cluster, CHECKPOINT_ENTRIES);
    const n3 = returns(cluster, "n3");
    cluster.pass(1_500);
    expect(n3.divergence?.index).toBe(CHECKPOINT_ENTRIES);
    expect(n3.disk.lostEnd).not.toBeNull();
  });

  test("gives nobody what it has on the way as its stored copy", () => {
    const cluster = diverged();
    returns(cluster, "n3");
    cluster.isolate("n3");
    cluster.pass(6_000);
    const n3 = cluster.node("n3");
    expect(n3.notices.filter(({ type }) => type === "caughtUp")).toEqual([]);
    const client = cluster.connect("n3");
    const request = client.read({ type: "stale", maxAgeMs: null });
    cluster.pass(6_000);
    expect(client.answer(request)).toBe("TIMEOUT");
  });

  test("is back though all have started again since the last checkpoint, and nobody writes", () => {
    const cluster = snapshotted();
    for (const { id } of cluster.nodes) cluster.crash(id);
    cluster.node("n3").disk.setAside();
    for (const { id } of cluster.nodes) cluster.restart(id);
    cluster.pass(6_000);
    expect(cluster.node("n3").status.isReturning).toBe(false);
    equal(cluster);
  });

  test("is back though it starts again with the snapshot that it was sent", () => {
    const cluster = snapshotted();
    cluster.holds = ({ type, to }) => type === "checkpoint" && to === "n3";
    const n3 = returns(cluster, "n3");
    cluster.pass(1_500);
    expect(n3.status).toMatchObject({ isReturning: true, snapshotIndex: 4 * CHECKPOINT });
    cluster.crash("n3");
    cluster.restart("n3");
    cluster.holds = () => false;
    cluster.pass(1_500);
    expect(n3.status.isReturning).toBe(false);
  });

  test("is back without a checkpoint where its log had not come to one", () => {
    const cluster = Cluster.led();
    write(cluster, 5);
    const n3 = returns(cluster, "n3");
    cluster.pass(500);
    expect(n3.notices).toContainEqual({ type: "returned", agreedIndex: 0 });
    equal(cluster);
  });
});

describe("of two voters that differ", () => {
  test("one is told to take the other's state, and writes go on", () => {
    const { cluster, mend } = brokenOn("n2", 2);
    write(cluster, CHECKPOINT_ENTRIES);
    cluster.pass(1_500);
    expect(cluster.node("n1").status.doubt).not.toBeNull();
    mend();
    const n2 = returns(cluster, "n2");
    cluster.pass(6_000);
    expect(n2.status.isReturning).toBe(false);
    const { lastIndex } = cluster.node("n1").status;
    write(cluster, 3);
    expect(cluster.node("n1").status.doubt).toBeNull();
    expect(cluster.node("n1").status.commitIndex).toBeGreaterThan(lastIndex + 2);
    equal(cluster);
  });
});
