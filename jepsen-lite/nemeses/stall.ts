import { writeFile } from "node:fs/promises";
import { until } from "../real/wait.ts";
import { type Nemesis, seen } from "./nemesis.ts";
import { runningOf, selected } from "./targets.ts";

/** Of a pause of the collector, of one long turn, of something that is broken. */
const STALL_MS = [50, 300, 1_500, 5_000] as const;
const SAID_MS_MAX = 5_000;

/** The event loop of a node turns no further, while its process runs and its kernel takes what comes. */
export const stall: Nemesis = {
  name: "stall",
  doc: "The event loop of one node, or of the leader, stands still for 50 ms to 5 s.",
  on: "processes",
  strike: async (world, prng) => {
    const [node] = runningOf(await selected(world, prng.pick(["one", "primary"] as const), prng));
    // Before it has answered it may not know yet what the signal means, and would die of it.
    if (node === undefined || (await node.view()) === null) return null;
    const ms = prng.pick(STALL_MS);
    await writeFile(world.stallPath, String(ms));
    const saidBefore = world.said.length;
    node.signal("SIGUSR2");
    const stoodMs = async (): Promise<number | null> =>
      world.said.slice(saidBefore).find(({ node: by, line }) => by === node && line.stoodStillMs)
        ?.line.stoodStillMs ?? null;
    return {
      what: `the loop of ${node.name} stands still for ${ms} ms`,
      end: async () =>
        seen(
          await until(ms + SAID_MS_MAX, `${node.name} to go on`, stoodMs).catch(() => 0),
          "ms of standing still",
        ),
    };
  },
};
