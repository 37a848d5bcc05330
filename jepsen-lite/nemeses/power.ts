import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import type { World } from "../chaos/world.ts";
import { cutMachines, type Machine } from "../real/machines.ts";
import { type Nemesis, seen } from "./nemesis.ts";
import { namesOf, someRunning } from "./targets.ts";

/** What the harness itself leaves unsynced on each disk: a cut that leaves it was none. */
const CANARY = "canary";

/** The power fails: what was not synced is lost. It is back later, after a check of the disk. */
export const power: Nemesis = {
  name: "power",
  doc: "The power of one, the leader, a minority, a majority or all fails: what was not synced is lost.",
  on: "processes",
  // Somebody who is removed ends, too.
  alsoOn: ["members"],
  needs: ["disks"],
  strike: async (world, prng) => {
    const running = await someRunning(world, prng);
    if (running.length === 0) return null;
    const machines = running.map((node) => world.footing.machine(node));
    // Still, so that what is looked at is what the cut meets.
    for (const node of running) node.signal("SIGSTOP");
    const before = await Promise.all(machines.map(({ node }) => contentOf(node.dataDir)));
    for (const { disk } of machines) await writeFile(join(disk.path, CANARY), CANARY);
    await cutMachines(world.cluster, machines, prng, () => void refuse(world, machines));
    const lost = await Promise.all(machines.map((machine, at) => lostOf(machine, before[at])));
    return {
      what: `${namesOf(running)} without power`,
      end: async () => {
        for (const node of running) world.revive(node);
        return seen(
          lost.reduce((sum, bytes) => sum + bytes),
          "unsynced bytes lost, one file of the harness's on each disk among them",
        );
      },
    };
  },
};

async function refuse({ edges }: World, machines: readonly Machine[]): Promise<void> {
  await Promise.all(machines.map(({ node }) => edges.refuse(node.name)));
}

/** By path. */
type Content = ReadonlyMap<string, Buffer>;

async function contentOf(directory: string): Promise<Content> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const read = files.map(async ({ parentPath, name }) => {
    const path = join(parentPath, name);
    return [relative(directory, path), await readFile(path)] as const;
  });
  return new Map(await Promise.all(read));
}

/** In bytes. Throws where the disk has kept what nobody had synced: then the harness finds nothing. */
async function lostOf({ node, disk }: Machine, before: Content = new Map()): Promise<number> {
  const canary = join(disk.path, CANARY);
  if ((await readFile(canary, "utf8").catch(() => "")) === CANARY) {
    throw new Error(`the power of ${node.name} was cut, and nothing is lost`);
  }
  await rm(canary, { force: true });
  return CANARY.length + bytesLost(before, await contentOf(node.dataDir));
}

/** How many bytes of what was there are others now, or gone with their file. */
export function bytesLost(before: Content, after: Content): number {
  let bytes = 0;
  for (const [path, content] of before) {
    bytes += differenceOf(content, after.get(path) ?? Buffer.alloc(0));
  }
  return bytes;
}

function differenceOf(before: Buffer, after: Buffer): number {
  const length = Math.min(before.length, after.length);
  let differing = Math.abs(before.length - after.length);
  if (before.compare(after, 0, length, 0, length) === 0) return differing;
  for (let at = 0; at < length; at += 1) if (before[at] !== after[at]) differing += 1;
  return differing;
}
