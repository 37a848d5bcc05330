import type { World } from "../real/campaign.ts";
import { type Machine, stopped } from "../real/machines.ts";
import { progress } from "../real/progress.ts";
import { endsNaming } from "./exits.ts";

const ACKS_MAX = 100;

/**
 * ext4 finds an error in itself and becomes read-only. The node ends with its next write, and says
 * why; it starts from what was synced when the file system was mended.
 *
 * It stands still meanwhile, with no call under way. *Guards against:* ext4 reports a sync that is
 * under way then as done, and drops what it was for (11 times in 60 under a loop of append and
 * fdatasync, without any of our code). A node passes that on, like any disk that lies.
 */
export async function readOnly(machines: readonly Machine[], world: World): Promise<string> {
  const { cluster, prng } = world;
  const [machine] = machines as [Machine];
  await progress(world, prng.between(1, ACKS_MAX));
  machine.node.isBeingKilled = true;
  await stopped(machine.node);
  await machine.disk.becomeReadOnly();
  machine.node.signal("SIGCONT");
  await endsNaming(cluster, machine, /EROFS|read-only/i);
  if (cluster.machines.length > 1) await progress(world, prng.between(1, ACKS_MAX));
  await machine.disk.mend();
  cluster.start([machine]);
  return `read-only at ${machine.node.name}`;
}
