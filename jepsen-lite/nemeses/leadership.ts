import type { World } from "../chaos/world.ts";
import type { NodeProcess } from "../real/node-process.ts";
import { until } from "../real/wait.ts";
import { type Nemesis, seen } from "./nemesis.ts";
import { primaryOf } from "./targets.ts";

const ANSWER_MS_MAX = 3_000;
/** For whoever has taken over to say so. */
const SAID_MS_MAX = 3_000;

/** The leader is asked to hand over, again and again, to nobody in particular. */
export const transfer: Nemesis = {
  name: "transfer",
  doc: "The leader is asked to hand over.",
  on: "sockets",
  strike: async (world) => {
    const primary = await primaryOf(world);
    if (primary === null) return null;
    const before = world.cluster.leaderships.last;
    if (!(await handsOver(primary))) return null;
    const changed = async (): Promise<number | null> => {
      const { last } = world.cluster.leaderships;
      return last !== null && last.term > (before?.term ?? 0) && last.node !== before?.node
        ? 1
        : null;
    };
    return {
      what: `${primary.name} has handed over`,
      end: async () =>
        seen(
          await until(SAID_MS_MAX, "another to lead", changed).catch(() => 0),
          "leaders changed",
        ),
    };
  },
};

/** Each node is told to stop, and started again once it has ended; one after the other. */
export const rolling: Nemesis = {
  name: "rolling",
  doc: "All nodes are told to stop and are started again, one after the other.",
  on: "processes",
  strike: async (world, prng) => {
    let restarts = 0;
    const rolled = (async () => {
      for (const node of prng.shuffled(world.nodes)) {
        if (node.isRunning && !world.members.isLeaving(node)) await restart(world, node);
        restarts += node.isRunning ? 1 : 0;
      }
    })();
    // What it fails with is thrown by whoever ends it.
    rolled.catch(() => {});
    return {
      what: "all are restarted, one after the other",
      end: async () => {
        await rolled;
        return seen(restarts, "nodes stopped and started");
      },
    };
  },
};

async function restart(world: World, node: NodeProcess): Promise<void> {
  await world.stop(node);
  world.revive(node);
  // It may be removed meanwhile, and comes up no more.
  await Promise.race([world.cluster.up([node]), node.ended]);
}

export async function handsOver({ port }: NodeProcess): Promise<boolean> {
  const url = `http://127.0.0.1:${port}/v1/members?operation=transfer-leader`;
  const signal = AbortSignal.timeout(ANSWER_MS_MAX);
  return fetch(url, { method: "POST", signal }).then(
    ({ ok }) => ok,
    () => false,
  );
}
