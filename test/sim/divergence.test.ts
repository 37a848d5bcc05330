import { describe, expect, test } from "vitest";
import { planOf } from "../../jepsen-lite/sim/run.ts";
import { SimClient } from "../../jepsen-lite/sim/sim-client.ts";
import { World } from "../../jepsen-lite/sim/world.ts";
import { CHECKPOINT_ENTRIES } from "../../src/limits.ts";
import type { Command } from "../../src/registry/command.ts";
import { wrongCodec } from "../replica/wrong-codec.ts";

const RUN_MS = 12_000;
/** A claim may be lost with its message; not all of so many are. */
const CHECKPOINTS_MAX = 5;
const SEEDS = Array.from({ length: 8 }, (_, i) => i + 1).filter(
  (seed) => planOf(seed).options.nodes > 1,
);

/** A world without faults but for one member, whose codec flips a bit of some registrations. */
function flippingWorld(seed: number) {
  const flips = { firstAt: 0, isMended: false };
  const flipped = (command: Command): Command => {
    if (flips.isMended || command.type !== "register" || command.seq % 4 !== 3) return command;
    flips.firstAt ||= world.node("n2").status()?.lastApplied ?? 0;
    const instances = command.instances.map((spec) => ({ ...spec, weight: spec.weight ^ 1 }));
    return { ...command, instances };
  };
  const codec = wrongCodec(flipped);
  // Where snapshots of many small chunks pass by losses, one is replaced before it has arrived.
  const { options } = planOf(seed);
  const snapshots = { ...options.snapshots, chunkBytes: 2_000 };
  const world = new World(seed, { ...options, snapshots }, { node: "n2", codec });
  return { world, flips };
}

describe("a member whose codec flips a bit", () => {
  test.each(SEEDS)("is stopped soon, the others go on, and it comes back, in seed %i", (seed) => {
    const { world, flips } = flippingWorld(seed);
    for (const node of world.nodes) node.start();
    for (const node of world.nodes) world.sockets.started(node.id);
    for (let i = 1; i <= world.options.clients; i += 1) new SimClient(`c${i}`, world).start();
    world.schedule.runUntil(RUN_MS);
    expect(flips.firstAt).toBeGreaterThan(0);
    const [divergence, ...more] = world.invariants.divergences;
    expect(more).toEqual([]);
    const stoppedAfter = (divergence?.index ?? Number.POSITIVE_INFINITY) - flips.firstAt;
    expect(stoppedAfter).toBeLessThan(CHECKPOINTS_MAX * CHECKPOINT_ENTRIES);
    expect(world.nodes.filter((node) => !node.isUp).map(({ id }) => id)).toEqual(["n2"]);
    const { revision } = world.canon;
    world.schedule.runUntil(RUN_MS + 4_000);
    expect(world.canon.revision).toBeGreaterThan(revision);

    flips.isMended = true;
    const n2 = world.node("n2");
    n2.disk.setAside();
    n2.start();
    world.sockets.started("n2");
    world.schedule.runUntil(RUN_MS + 14_000);
    expect(n2.status()).toMatchObject({ isReturning: false });
    expect(world.invariants.returned).toBe(1);
    const { lastApplied = 0, digest = "" } = n2.status() ?? {};
    world.canon.digest("n2", lastApplied, digest);
  });
});
