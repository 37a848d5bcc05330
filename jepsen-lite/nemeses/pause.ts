import { setTimeout as sleep } from "node:timers/promises";
import type { Nemesis } from "./nemesis.ts";
import { namesOf, SELECTIONS, selected } from "./targets.ts";

const STUTTER_MS = [20, 400] as const;

/** SIGSTOP and SIGCONT, over and over: as on a machine that has too much to do. */
export const stutter: Nemesis = {
  name: "stutter",
  doc: "One node, or the leader, stands still for some 200 ms, over and over.",
  on: "processes",
  strike: async (world, prng) => {
    const [node] = await selected(world, prng.pick(["one", "primary"] as const), prng);
    if (node === undefined || !node.isRunning) return null;
    let isOver = false;
    const stuttered = (async () => {
      while (!isOver) {
        node.signal("SIGSTOP");
        await sleep(prng.between(...STUTTER_MS));
        node.signal("SIGCONT");
        await sleep(prng.between(...STUTTER_MS));
      }
    })();
    return {
      what: `${node.name} stutters`,
      end: async () => {
        isOver = true;
        await stuttered;
      },
    };
  },
};

/** SIGSTOP: it holds its sockets, answers nothing, and believes afterwards that no time has passed. */
export const pause: Nemesis = {
  name: "pause",
  doc: "SIGSTOP of one node, the leader, a minority, a majority or all, and SIGCONT later.",
  on: "processes",
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
