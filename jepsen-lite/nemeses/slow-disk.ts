import { join } from "node:path";
import { Strace } from "../faults/tampering.ts";
import { type Nemesis, seen } from "./nemesis.ts";
import { namesOf, someRunning } from "./targets.ts";

const DELAYS_MS = [5, 50, 200, 500] as const;
const KILLED_PER_MILLE = 300;

/** Every sync takes longer. Now and then the node is killed with one under way. */
export const slowDisk: Nemesis = {
  name: "slow-disk",
  doc: "Each sync of some, or all, takes up to half a second longer; now and then they are killed with one under way.",
  on: "processes",
  // Somebody who is removed ends, too.
  alsoOn: ["members"],
  needs: ["strace"],
  strike: async (world, prng) => {
    const running = await someRunning(world, prng);
    if (running.length === 0) return null;
    const delayMs = prng.pick(DELAYS_MS);
    const isKilling = prng.chance(KILLED_PER_MILLE);
    const how = `delay_enter=${delayMs}ms`;
    const tampering = { calls: ["fdatasync", "fsync"], how, paths: null };
    const straces = await Promise.all(
      running.map(({ name, pid }) => {
        return Strace.attach(pid, tampering, join(world.directory, `strace-${name}`));
      }),
    );
    return {
      what: `each sync of ${namesOf(running)} takes ${delayMs} ms longer${isKilling ? ", and they are killed" : ""}`,
      end: async () => {
        if (isKilling) await Promise.all(running.map((node) => world.kill(node)));
        const late = await Promise.all(
          straces.map(async (strace) => lateIn(await strace.detach())),
        );
        for (const node of running) world.revive(node);
        return seen(
          late.reduce((sum, count) => sum + count),
          "syncs that were late",
        );
      },
    };
  },
};

function lateIn(lines: readonly string[]): number {
  return lines.filter((line) => line.includes("(DELAYED)")).length;
}
