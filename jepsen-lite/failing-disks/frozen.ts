import type { Freezer } from "../faults/freezer.ts";
import type { World } from "../real/campaign.ts";
import type { Machine } from "../real/power-cluster.ts";
import { progress } from "../real/progress.ts";

const ACKS_MAX = 100;
const FROZEN_MS_MIN = 500;

/**
 * The file systems stand still for a while: whoever writes waits, and goes on later. As long as one
 * of three does, the others go on, under another leader where it was the leader's.
 */
export async function frozen(
  freezer: Freezer,
  msMax: number,
  machines: readonly Machine[],
  world: World,
): Promise<string> {
  const { cluster, prng } = world;
  const ms = prng.between(FROZEN_MS_MIN, msMax);
  await progress(world, prng.between(1, ACKS_MAX));
  const { thawed } = await freezer.freeze(
    machines.map(({ disk }) => disk),
    ms,
  );
  const isAll = machines.length === cluster.machines.length;
  const meanwhile = isAll ? Promise.resolve() : progress(world, 1);
  await Promise.all([thawed, meanwhile]);
  await progress(world, prng.between(1, ACKS_MAX));
  return `frozen for ${ms} ms`;
}
