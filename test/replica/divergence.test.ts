import { describe, expect, test } from "vitest";
import { CHECKPOINT_ENTRIES } from "../../src/limits.ts";
import type { CommandCodec } from "../../src/replica/command-codec.ts";
import { commandCodec } from "../../src/wire/command-codec.ts";
import { Cluster } from "./harness.ts";
import { weighing, wrongCodec } from "./wrong-codec.ts";

const FLIPPED = "10.9.9.9:1";

/** Decodes one command otherwise than the others do. */
function flipping(weight: number): CommandCodec {
  return wrongCodec((command) =>
    command.type === "register" && command.instances.some(({ addr }) => addr === FLIPPED)
      ? weighing(weight, command)
      : command,
  );
}

function led(weights: Readonly<Record<string, number>>, size = 3): Cluster {
  return Cluster.led({
    size,
    codecOf: (id) => (weights[id] === undefined ? commandCodec : flipping(weights[id])),
  });
}

/** One entry each, to behind the next checkpoint. */
function writeOn(cluster: Cluster, via: string, entries = CHECKPOINT_ENTRIES): void {
  const client = cluster.connect(via);
  client.open(`of ${via} ${cluster.elapsedMs}`);
  cluster.deliver();
  for (let entry = 0; entry < entries; entry += 1) {
    client.register(`10.0.0.${entry}:1`);
    cluster.deliver();
  }
}

function register(cluster: Cluster, via: string, addr: string): void {
  const client = cluster.connect(via);
  client.open(`writer of ${addr}`);
  cluster.deliver();
  client.register(addr);
  cluster.deliver();
}

describe("a member that applies a command otherwise than the others", () => {
  test("stops itself at the next checkpoint, and the others go on", () => {
    const cluster = led({ n3: 7 });
    register(cluster, "n1", FLIPPED);
    const flippedAt = cluster.node("n1").status.lastApplied;
    writeOn(cluster, "n1");
    const { divergence } = cluster.node("n3");
    expect(divergence?.index).toBe(Math.ceil(flippedAt / CHECKPOINT_ENTRIES) * CHECKPOINT_ENTRIES);
    expect(divergence?.own).not.toBe(divergence?.agreed);
    expect(cluster.node("n1").divergence).toBeNull();
    expect(cluster.node("n2").divergence).toBeNull();
    writeOn(cluster, "n2");
    const [n1, n2] = [cluster.node("n1").status, cluster.node("n2").status];
    expect(n1.digest).toBe(n2.digest);
    expect(n1.agreedIndex).toBeGreaterThan(divergence?.index ?? Number.MAX_SAFE_INTEGER);
  });

  test("stops itself when it leads", () => {
    const cluster = led({ n1: 7 });
    register(cluster, "n1", FLIPPED);
    writeOn(cluster, "n2");
    expect(cluster.node("n1").divergence).not.toBeNull();
    cluster.elect("n2");
    writeOn(cluster, "n2", 3);
    expect(cluster.node("n3").status.leader).toBe("n2");
    expect(cluster.node("n3").divergence).toBeNull();
  });

  test("says nothing more to anybody in the turn in which it finds out", () => {
    const cluster = led({ n3: 7 });
    register(cluster, "n1", FLIPPED);
    cluster.holds = ({ type, to }) => type === "checkpoint" && to === "n3";
    writeOn(cluster, "n1");
    const { up, now } = cluster.node("n3");
    const claims = cluster.bag.filter(({ type, to }) => type === "checkpoint" && to === "n3");
    expect(claims.map(({ from }) => from).sort()).toEqual(["n1", "n2"]);
    cluster.connect("n3").read({ type: "stale", maxAgeMs: null });
    for (const message of claims) up.step({ type: "peerMessage", message }, now);
    expect([...up.ready(now)].flat()).toEqual([
      { type: "diverged", divergence: expect.objectContaining({ index: CHECKPOINT_ENTRIES }) },
    ]);
    up.step({ type: "tick" }, now);
    expect([...up.ready(now)].flat()).toEqual([]);
  });
});

describe("a leader of members that all differ", () => {
  test("proposes nothing more and says so", () => {
    const cluster = led({ n2: 7, n3: 8 });
    register(cluster, "n1", FLIPPED);
    writeOn(cluster, "n1");
    const { lastIndex, doubt, role } = cluster.node("n1").status;
    expect(role).toBe("leader");
    expect(doubt?.digests.map(({ member }) => member)).toEqual(["n1", "n2", "n3"]);
    expect(cluster.node("n1").notices).toContainEqual({ type: "doubt", doubt });
    writeOn(cluster, "n1", 3);
    expect(cluster.node("n1").status.lastIndex).toBe(lastIndex);
    expect(cluster.nodes.map(({ divergence }) => divergence)).toEqual([null, null, null]);
  });

  test("goes on when a third member shows which state is right", () => {
    const cluster = led({ n2: 7 });
    register(cluster, "n1", FLIPPED);
    cluster.holds = ({ type, from }) => type === "checkpoint" && from === "n3";
    writeOn(cluster, "n1");
    cluster.pass(2_000);
    expect(cluster.node("n1").status.doubt).not.toBeNull();
    cluster.holds = () => false;
    cluster.deliver();
    expect(cluster.node("n2").divergence).not.toBeNull();
    const before = cluster.node("n1").status;
    expect(before.doubt).toBeNull();
    writeOn(cluster, "n1", 3);
    expect(cluster.node("n1").status.commitIndex).toBeGreaterThan(before.commitIndex);
  });
});

describe("a checkpoint", () => {
  test("that was lost with its link is told again over the next", () => {
    const cluster = Cluster.led();
    cluster.passes = ({ type }) => type !== "checkpoint";
    writeOn(cluster, "n1");
    expect(cluster.nodes.map(({ status }) => status.agreedIndex)).toEqual([0, 0, 0]);
    cluster.heal();
    cluster.deliver();
    expect(cluster.nodes.map(({ status }) => status.agreedIndex)).toEqual([64, 64, 64]);
  });

  test("is agreed on by a member that is alone", () => {
    const cluster = Cluster.led({ size: 1 });
    writeOn(cluster, "n1");
    expect(cluster.node("n1").status.agreedIndex).toBe(CHECKPOINT_ENTRIES);
  });
});
