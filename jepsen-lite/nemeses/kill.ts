import type { World } from "../chaos/world.ts";
import type { NodeProcess } from "../real/node-process.ts";
import { type Nemesis, seen } from "./nemesis.ts";
import { isGone } from "./proc.ts";
import { namesOf, runningOf, someRunning } from "./targets.ts";

/** SIGKILL, and a start on the same directory later. */
export const kill: Nemesis = {
  name: "kill",
  doc: "SIGKILL of one node, the leader, a minority, a majority or all, and a start on the same directory.",
  on: "processes",
  strike: async (world, prng) => {
    const running = await someRunning(world, prng);
    if (running.length === 0) return null;
    const gone = await killed(world, running);
    return {
      what: `${namesOf(running)} killed`,
      end: async () => {
        for (const node of running) world.revive(node);
        return seen(gone, "processes gone");
      },
    };
  },
};

/** How many of these are gone, by their numbers. */
export async function killed(world: World, nodes: readonly NodeProcess[]): Promise<number> {
  const pids = runningOf(nodes).map(({ pid }) => pid);
  await Promise.all(nodes.map((node) => world.kill(node)));
  return pids.filter(isGone).length;
}
