import type { Nemesis } from "./nemesis.ts";
import { namesOf, SELECTIONS, selected } from "./targets.ts";

/** SIGSTOP: it holds its sockets, answers nothing, and believes afterwards that no time has passed. */
export const pause: Nemesis = {
  name: "pause",
  strike: async (world, prng) => {
    const chosen = await selected(world, prng.pick(SELECTIONS), prng);
    const running = chosen.filter((node) => node.isRunning);
    if (running.length === 0) return null;
    for (const node of running) node.signal("SIGSTOP");
    return {
      what: `${namesOf(running)} paused`,
      end: async () => {
        for (const node of running) node.signal("SIGCONT");
      },
    };
  },
};
