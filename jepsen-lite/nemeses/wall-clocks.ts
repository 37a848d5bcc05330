import { setTimeout as sleep } from "node:timers/promises";
import type { World } from "../chaos/world.ts";
import type { Prng } from "../prng.ts";
import type { NodeProcess } from "../real/node-process.ts";
import { type Nemesis, seen } from "./nemesis.ts";
import { namesOf } from "./targets.ts";

const HOUR_MS = 3_600_000;
const STROBE_MS = [10, 1_000] as const;
const DELTAS_MS = [100, 5_000, HOUR_MS] as const;
const LOOK_MS = 100;
const UNIT = "ms that the clock of a node was off, at least";

/** The wall clock is an hour ahead, or behind, from one moment to the next; and right again later. */
export const wallJump: Nemesis = {
  name: "wall-jump",
  doc: "The wall clocks of one, or of all, jump by an hour, and back.",
  on: "clocks",
  needs: ["clocks"],
  strike: async (world, prng) => {
    const nodes = someOf(world, prng);
    const aheadMs = prng.pick([-HOUR_MS, HOUR_MS]);
    await set(world, nodes, aheadMs);
    const shown = new Shown(nodes);
    return {
      what: `the clocks of ${namesOf(nodes)} are ${aheadMs} ms ahead`,
      end: async () => {
        await shown.end();
        await set(world, nodes, 0);
        return seen(shown.offMs, UNIT);
      },
    };
  },
};

/** It goes to and fro, many times a second or every second. */
export const wallStrobe: Nemesis = {
  name: "wall-strobe",
  doc: "The wall clocks of one, or of all, go to and fro, up to a hundred times a second.",
  on: "clocks",
  needs: ["clocks"],
  strike: async (world, prng) => {
    const nodes = someOf(world, prng);
    const everyMs = prng.between(...STROBE_MS);
    const deltaMs = prng.pick(DELTAS_MS);
    const shown = new Shown(nodes);
    let isOver = false;
    const strobed = (async () => {
      for (let sign = 1; !isOver; sign = -sign) {
        await set(world, nodes, sign * deltaMs);
        await sleep(everyMs);
      }
      await set(world, nodes, 0);
    })();
    // What it fails with is thrown by whoever ends it.
    strobed.catch(() => {});
    return {
      what: `the clocks of ${namesOf(nodes)} go ${deltaMs} ms to and fro every ${everyMs} ms`,
      end: async () => {
        isOver = true;
        await strobed;
        await shown.end();
        return seen(shown.offMs, UNIT);
      },
    };
  },
};

function someOf({ nodes }: World, prng: Prng): readonly NodeProcess[] {
  return prng.chance(500) ? nodes : [prng.pick(nodes)];
}

async function set({ footing }: World, nodes: readonly NodeProcess[], ms: number): Promise<void> {
  await Promise.all(nodes.map((node) => footing.clock(node).set(ms)));
}

/** What these nodes say of their wall clocks, against this process's. */
class Shown {
  readonly #nodes: readonly NodeProcess[];
  readonly #looking: Promise<void>;
  /** At the most. */
  offMs = 0;
  #isOver = false;

  constructor(nodes: readonly NodeProcess[]) {
    this.#nodes = nodes;
    this.#looking = this.#look();
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#looking;
  }

  async #look(): Promise<void> {
    do {
      const askedMs = Date.now();
      const views = await Promise.all(this.#nodes.map((node) => node.view()));
      const nowMs = Date.now();
      for (const view of views) {
        if (view === null) continue;
        // A right one was read in between.
        this.offMs = Math.max(this.offMs, askedMs - view.wallMs, view.wallMs - nowMs);
      }
      await sleep(LOOK_MS);
    } while (!this.#isOver);
  }
}
