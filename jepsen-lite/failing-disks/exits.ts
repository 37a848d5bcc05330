import { endsByDisk } from "../real/ends.ts";
import type { Machine } from "../real/machines.ts";
import type { PowerCluster } from "../real/power-cluster.ts";

/** It has to end, and to name in its last words what has failed; that is counted. */
export async function endsNaming(
  cluster: PowerCluster,
  { node }: Machine,
  what: RegExp | string,
): Promise<void> {
  await endsByDisk(node, what);
  cluster.ends += 1;
}
