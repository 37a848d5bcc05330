import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../real/wait.ts";
import { type Nemesis, seen } from "./nemesis.ts";
import { isStopped } from "./proc.ts";
import { namesOf, selected, someRunning } from "./targets.ts";

const STUTTER_MS = [20, 400] as const;
/** The kernel stops a process a moment after the signal. */
const STOP_MS_MAX = 1_000;

/** SIGSTOP and SIGCONT, over and over: as on a machine that has too much to do. */
export const stutter: Nemesis = {
  name: "stutter",
  doc: "One node, or the leader, stands still for some 200 ms, over and over.",
  on: "processes",
  strike: async (world, prng) => {
    const [node] = await selected(world, prng.pick(["one", "primary"] as const), prng);
    if (node === undefined || !node.isRunning) return null;
    let isOver = false;
    let stops = 0;
    const stuttered = (async () => {
      while (!isOver) {
        node.signal("SIGSTOP");
        await sleep(prng.between(...STUTTER_MS));
        if (node.isRunning && isStopped(node.pid)) stops += 1;
        node.signal("SIGCONT");
        await sleep(prng.between(...STUTTER_MS));
      }
    })();
    return {
      what: `${node.name} stutters`,
      end: async () => {
        isOver = true;
        await stuttered;
        return seen(stops, "stops");
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
    const running = await someRunning(world, prng);
    if (running.length === 0) return null;
    const pids = running.map(({ pid }) => pid);
    for (const node of running) node.signal("SIGSTOP");
    const stopped = async (): Promise<true | null> => (pids.every(isStopped) ? true : null);
    await until(STOP_MS_MAX, "all to be stopped", stopped).catch(() => {});
    return {
      what: `${namesOf(running)} paused`,
      end: async () => {
        const count = pids.filter(isStopped).length;
        for (const node of running) node.signal("SIGCONT");
        return seen(count, "processes stopped");
      },
    };
  },
};
