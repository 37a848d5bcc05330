import type { World } from "../real/campaign.ts";
import type { Machine } from "../real/power-cluster.ts";
import { progress } from "../real/progress.ts";
import { endsNaming } from "./exits.ts";

const ACKS_MAX = 100;

/**
 * ext4 finds an error in itself and becomes read-only. The node ends with its next write, and says
 * why; it starts from what was synced when the file system was mended.
 */
export async function readOnly(machines: readonly Machine[], world: World): Promise<string> {
  const { cluster, prng } = world;
  const [machine] = machines as [Machine];
  await progress(world, prng.between(1, ACKS_MAX));
  machine.node.isBeingKilled = true;
  await machine.disk.becomeReadOnly();
  await endsNaming(cluster, machine, /EROFS|read-only/i);
  if (cluster.machines.length > 1) await progress(world, prng.between(1, ACKS_MAX));
  await machine.disk.mend();
  cluster.start([machine]);
  return `read-only at ${machine.node.name}`;
}
