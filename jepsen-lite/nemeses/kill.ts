import type { Nemesis } from "./nemesis.ts";
import { namesOf, SELECTIONS, selected } from "./targets.ts";

/** SIGKILL, and a start on the same directory later. */
export const kill: Nemesis = {
  name: "kill",
  doc: "SIGKILL of one node, the leader, a minority, a majority or all, and a start on the same directory.",
  on: "processes",
  strike: async (world, prng) => {
    const chosen = await selected(world, prng.pick(SELECTIONS), prng);
    const running = chosen.filter((node) => node.isRunning);
    if (running.length === 0) return null;
    await Promise.all(running.map((node) => world.kill(node)));
    return {
      what: `${namesOf(running)} killed`,
      end: async () => {
        for (const node of running) world.revive(node);
      },
    };
  },
};
