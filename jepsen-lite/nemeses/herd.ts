import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { Herd } from "../bare/herd.ts";
import type { World } from "../chaos/world.ts";
import { Violation } from "../real/violation.ts";
import { type Nemesis, seen } from "./nemesis.ts";

const SIZE = 1_000;
const GATHER_MS_MAX = 12_000;
const POLL_MS = 50;
/** Some five times what a node takes with nobody there: a thousand sessions are small. */
const MEGABYTES_MAX = 600;

/** A thousand sessions come at once; then every connection is reset, and they come back at once. */
export const herd: Nemesis = {
  name: "herd",
  doc: "A thousand sessions come at once; every connection is reset, and they come back at once.",
  on: "sockets",
  strike: async (world) => {
    const { population, edges } = world;
    population.herd.gather(SIZE);
    const opened = await gathered(population.herd);
    const reset = edges.resetAll();
    return {
      what: `${opened} of ${SIZE} sessions opened; ${reset} connections reset`,
      end: async () => {
        await gathered(population.herd);
        await weigh(world);
        population.herd.disperse();
        return seen(opened, "sessions that came at once");
      },
    };
  },
};

/** How many are there: all of them, or as many as there are when it takes too long. */
async function gathered(all: Herd): Promise<number> {
  const untilMs = performance.now() + GATHER_MS_MAX;
  while (all.count.present < all.count.sessions && performance.now() < untilMs) {
    await sleep(POLL_MS);
  }
  return all.count.present;
}

/** @throws Violation where a node has grown out of proportion. */
async function weigh({ nodes, counts }: World): Promise<void> {
  const name = "megabytes of a node with a herd, at most";
  for (const node of nodes.filter(({ isRunning }) => isRunning)) {
    const status = await readFile(`/proc/${node.pid}/status`, "utf8").catch(() => "");
    const megabytes = Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1_024);
    counts[name] = Math.max(counts[name] ?? 0, megabytes);
    if (megabytes > MEGABYTES_MAX) {
      throw new Violation("strange", `${node.name} takes ${megabytes} MB with ${SIZE} sessions`);
    }
  }
}
