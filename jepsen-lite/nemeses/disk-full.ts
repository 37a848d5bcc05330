import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { World } from "../chaos/world.ts";
import { empty, fill, spaceOf } from "../faults/filler.ts";
import { endsByDisk } from "../real/ends.ts";
import type { Machine } from "../real/machines.ts";
import type { NodeProcess } from "../real/node-process.ts";
import { Violation } from "../real/violation.ts";
import { until } from "../real/wait.ts";
import { type Nemesis, seen } from "./nemesis.ts";
import { namesOf, someRunning } from "./targets.ts";

/** What is left, in parts of the whole. A node is low below a tenth, and full below a twentieth. */
const LEVELS = { low: 0.075, full: 0.025, none: 0 } as const;
type Level = keyof typeof LEVELS;
/** The node keeps so much for a start on a full disk, and does not count it as room. */
const RESERVE = 0.05;
const RESTARTED_PER_MILLE = 250;
const TOLD_MS_MAX = 5_000;
/** Of one that serves; it looks at its disk four times a second. */
const ROOM_AGAIN_MS_MAX = 15_000;

/**
 * Somebody else fills the disk, so that a node is low, full, or has not a block left: then a write
 * may fail before it has looked, and it ends. Where there is room again, it is as before by itself.
 */
export const diskFull: Nemesis = {
  name: "disk-full",
  doc: "The disks of some, or all, become low, full, or have not a block left; and have room again.",
  on: "processes",
  // Somebody who is removed ends, too.
  alsoOn: ["members"],
  needs: ["disks"],
  strike: async (world, prng) => {
    const running = await someRunning(world, prng);
    if (running.length === 0) return null;
    const level = prng.pick(Object.keys(LEVELS) as Level[]);
    const isRestarting = level !== "none" && prng.chance(RESTARTED_PER_MILLE);
    const machines = running.map((node) => world.footing.machine(node));
    for (const machine of machines) {
      machine.node.isBeingKilled = level === "none";
      await leave(machine, level);
    }
    const told = await Promise.all(running.map((node) => isTold(node, level)));
    if (isRestarting) {
      await Promise.all(running.map((node) => world.kill(node)));
      for (const node of running) world.revive(node);
    }
    return {
      what: `the disks of ${namesOf(running)}: ${level === "none" ? "not a block is left" : level}${isRestarting ? ", and they are started again" : ""}`,
      end: async () => {
        for (const { disk } of machines) await empty(disk.path);
        await Promise.all(running.map((node) => hasRoom(node, world)));
        return seen(told.filter((is) => is).length, "nodes that said so, or ended");
      },
    };
  },
};

async function leave({ node, disk }: Machine, level: Level): Promise<void> {
  if (level === "none") return await fill(disk.path, 0);
  const { totalBytes } = await spaceOf(disk.path);
  const held = await stat(join(node.dataDir, "reserve")).then(
    ({ size }) => size,
    () => 0,
  );
  const toHold = Math.max(0, RESERVE * totalBytes - held);
  await fill(disk.path, Math.floor(LEVELS[level] * totalBytes + toHold));
}

/** Whether it says so of its disk in time, or has ended. */
async function isTold(node: NodeProcess, level: Level): Promise<boolean> {
  const wanted = level === "low" ? "low" : "full";
  return await until(TOLD_MS_MAX, "its state", async () => {
    return !node.isRunning || (await node.view())?.diskState === wanted ? true : null;
  }).catch(() => false);
}

async function hasRoom(node: NodeProcess, world: World): Promise<void> {
  if (!node.isRunning) {
    await endsByDisk(node, /ENOSPC|no space left/i);
    await world.edges.refuse(node.name);
    node.isBeingKilled = true;
    world.revive(node);
  }
  node.isBeingKilled = false;
  await world.cluster.up([node]);
  await until(ROOM_AGAIN_MS_MAX, `${node.name} to see that there is room`, async () => {
    world.cluster.checkRunning([node]);
    return (await node.view())?.diskState === "ok" ? true : null;
  }).catch((error) => {
    throw error instanceof Violation ? error : new Violation("stuck", error.message);
  });
}
