import type { World } from "../real/campaign.ts";
import type { Machine } from "../real/machines.ts";

/** Whose disks fail. */
export type Target = (world: World) => Promise<readonly Machine[]>;

export interface Whose {
  readonly name: string;
  /** Of the cluster. */
  readonly nodes: number;
  readonly of: Target;
}

/** The only one that there is. */
export const alone: Whose = { name: "alone", nodes: 1, of: leading };
export const leader: Whose = { name: "leader", nodes: 3, of: leading };
export const follower: Whose = { name: "follower", nodes: 3, of: following };
export const all: Whose = { name: "all", nodes: 3, of: async ({ cluster }) => cluster.machines };

async function leading({ cluster }: World): Promise<readonly Machine[]> {
  return [await cluster.leader()];
}

async function following({ cluster, prng }: World): Promise<readonly Machine[]> {
  const leads = await cluster.leader();
  return [prng.pick(cluster.machines.filter((machine) => machine !== leads))];
}
