import type { World } from "../chaos/world.ts";
import type { NodeProcess } from "../real/node-process.ts";
import type { Nemesis } from "./nemesis.ts";
import { primaryOf } from "./targets.ts";

const ANSWER_MS_MAX = 3_000;

/** The leader is asked to hand over, again and again, to nobody in particular. */
export const transfer: Nemesis = {
  name: "transfer",
  doc: "The leader is asked to hand over.",
  on: "sockets",
  strike: async (world) => {
    const primary = await primaryOf(world);
    if (primary === null || !(await handsOver(primary))) return null;
    return { what: `${primary.name} has handed over`, end: async () => {} };
  },
};

/** Each node is told to stop, and started again once it has ended; one after the other. */
export const rolling: Nemesis = {
  name: "rolling",
  doc: "All nodes are told to stop and are started again, one after the other.",
  on: "processes",
  strike: async (world, prng) => {
    const rolled = (async () => {
      for (const node of prng.shuffled(world.nodes)) {
        if (node.isRunning) await restart(world, node);
      }
    })();
    // What it fails with is thrown by whoever ends it.
    rolled.catch(() => {});
    return {
      what: "all are restarted, one after the other",
      end: () => rolled,
    };
  },
};

async function restart(world: World, node: NodeProcess): Promise<void> {
  await world.stop(node);
  world.revive(node);
  await world.cluster.up([node]);
}

async function handsOver({ port }: NodeProcess): Promise<boolean> {
  const url = `http://127.0.0.1:${port}/v1/members?operation=transfer-leader`;
  const signal = AbortSignal.timeout(ANSWER_MS_MAX);
  return fetch(url, { method: "POST", signal }).then(
    ({ ok }) => ok,
    () => false,
  );
}
