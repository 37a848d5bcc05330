import { setTimeout as sleep } from "node:timers/promises";
import { killed } from "./kill.ts";
import { handsOver } from "./leadership.ts";
import { type Nemesis, seen } from "./nemesis.ts";
import { namesOf, primaryOf, runningOf, selected, someRunning } from "./targets.ts";

/** From a start to the next end; short enough that a node may not have served yet. */
const LIFE_MS = [200, 1_000] as const;

/** It dies within a second of each start, for a while: as under a supervisor that starts it again. */
export const crashLoop: Nemesis = {
  name: "crash-loop",
  doc: "One node, or the leader, dies within a second of each start, over and over.",
  on: "processes",
  strike: async (world, prng) => {
    const [node] = runningOf(await selected(world, prng.pick(["one", "primary"] as const), prng));
    if (node === undefined) return null;
    let isOver = false;
    let gone = 0;
    const looped = (async () => {
      while (!isOver) {
        gone += await killed(world, [node]);
        world.revive(node);
        await sleep(prng.between(...LIFE_MS));
      }
    })();
    // What it fails with is thrown by whoever ends it.
    looped.catch(() => {});
    return {
      what: `${node.name} dies soon after each start`,
      end: async () => {
        isOver = true;
        await looped;
        return seen(gone, "processes gone");
      },
    };
  },
};

/** SIGKILL, and a start at once: its peers may not have seen that it was away. */
export const bounce: Nemesis = {
  name: "bounce",
  doc: "SIGKILL of one node, the leader, a minority, a majority or all, and a start at once.",
  on: "processes",
  strike: async (world, prng) => {
    const running = await someRunning(world, prng);
    if (running.length === 0) return null;
    const gone = await killed(world, running);
    for (const node of running) world.revive(node);
    return {
      what: `${namesOf(running)} killed, and started at once`,
      end: async () => seen(gone, "processes gone"),
    };
  },
};

/** Who has just handed over is killed, with what it still had to say. */
export const oldLeader: Nemesis = {
  name: "old-leader",
  doc: "The leader hands over, and is killed right behind that.",
  on: "processes",
  alsoOn: ["sockets"],
  strike: async (world) => {
    const primary = await primaryOf(world);
    if (primary === null || !(await handsOver(primary))) return null;
    const gone = await killed(world, [primary]);
    return {
      what: `${primary.name} has handed over, and is killed`,
      end: async () => {
        world.revive(primary);
        return seen(gone, "processes gone");
      },
    };
  },
};
