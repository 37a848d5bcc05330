import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { NodeProcess } from "../real/node-process.ts";
import { type Nemesis, seen } from "./nemesis.ts";
import { namesOf, someRunning } from "./targets.ts";

const FROZEN_MS = [500, 5_000] as const;
const KILLED_PER_MILLE = 250;
const LOOK_MS = 50;

/**
 * A file system stands still, and whoever writes to it waits. Now and then its node is killed
 * meanwhile: it ends when the disk goes on, in the middle of what it had asked for.
 */
export const frozen: Nemesis = {
  name: "frozen",
  doc: "The disks of some, or all, do not answer for a while; now and then their nodes are killed meanwhile.",
  on: "processes",
  // Somebody who is removed ends, too.
  alsoOn: ["members"],
  needs: ["freezing"],
  strike: async (world, prng) => {
    const running = await someRunning(world, prng);
    if (running.length === 0) return null;
    const { footing } = world;
    const ms = prng.between(...FROZEN_MS);
    const isKilling = prng.chance(KILLED_PER_MILLE);
    const disks = running.map((node) => footing.machine(node).disk);
    const { thawed } = await footing.freezer.freeze(disks, ms);
    // What it fails with is thrown by whoever ends it.
    thawed.catch(() => {});
    const waited = new Waited(running);
    return {
      what: `the disks of ${namesOf(running)} stand still for ${ms} ms${isKilling ? ", and they are killed" : ""}`,
      end: async () => {
        const killed = isKilling ? running.map((node) => world.kill(node)) : [];
        await thawed;
        await Promise.all(killed);
        await waited.end();
        for (const node of running) world.revive(node);
        return seen(waited.ms, "ms that nodes waited for their disks");
      },
    };
  },
};

/** How long a thread of each process waited for a disk, looked at now and then. */
class Waited {
  readonly #nodes: readonly NodeProcess[];
  #ms = 0;
  readonly #looking: Promise<void>;
  #isOver = false;

  constructor(nodes: readonly NodeProcess[]) {
    this.#nodes = nodes;
    this.#looking = this.#look();
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#looking;
  }

  /** Of all of them. */
  get ms(): number {
    return Math.round(this.#ms);
  }

  async #look(): Promise<void> {
    let beforeMs = performance.now();
    while (!this.#isOver) {
      await sleep(LOOK_MS);
      const nowMs = performance.now();
      for (const node of this.#nodes) {
        if (await isWaiting(node)) this.#ms += nowMs - beforeMs;
      }
      beforeMs = nowMs;
    }
  }
}

/** Some thread of it is where nothing can interrupt it. */
async function isWaiting(node: NodeProcess): Promise<boolean> {
  if (!node.isRunning) return false;
  const threads = `/proc/${node.pid}/task`;
  const stats = (await readdir(threads).catch(() => [])).map((thread) =>
    readFile(`${threads}/${thread}/stat`, "utf8").catch(() => ""),
  );
  return (await Promise.all(stats)).some((stat) => /\) D /.test(stat));
}
