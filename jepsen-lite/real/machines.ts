import { open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { LoopDisk } from "../faults/loop-disk.ts";
import { cutPower } from "../faults/power-cut.ts";
import type { Prng } from "../prng.ts";
import type { NodeCluster } from "./node-cluster.ts";
import type { NodeProcess } from "./node-process.ts";
import { Violation } from "./violation.ts";
import { voteOnDisk } from "./vote-on-disk.ts";
import { until } from "./wait.ts";

/** A part of what nobody has synced is on the disk all the same: the kernel writes when it likes. */
const FLUSH_PER_MILLE = 300;
const STOPPED_MS_MAX = 10_000;

/** A node, and the disk on which it keeps everything. */
export interface Machine {
  readonly node: NodeProcess;
  readonly disk: LoopDisk;
}

export function nodesOf(machines: readonly Machine[]): NodeProcess[] {
  return machines.map(({ node }) => node);
}

/**
 * At one moment, at which the processes stop too: a node whose disk is shut down under it could
 * acknowledge what is lost, since ext4 reports some syncs in flight as done. Then they are killed,
 * and their disks are ready for the next start. `onDark` is called when nothing reaches these.
 */
export async function cutMachines(
  cluster: NodeCluster,
  machines: readonly Machine[],
  prng: Prng,
  onDark: () => void = () => {},
): Promise<void> {
  cluster.checkRunning(nodesOf(machines));
  const running = machines.filter(({ node }) => node.isRunning);
  for (const { node } of machines) {
    node.signal("SIGSTOP");
    node.isBeingKilled = true;
  }
  for (const { node } of machines) {
    const vote = await voteOnDisk(node.dataDir);
    if (vote !== null) cluster.ballots.saw(node.name, vote);
    await flush(node.dataDir, prng);
  }
  await cutPower(machines.map(({ disk }) => disk));
  onDark();
  await Promise.all(machines.map(({ node }) => node.kill()));
  // By then: whoever is elected later is told in a log that is still being read.
  const { elected } = cluster;
  const ended = running.find(({ node }) => node.exitCode !== null);
  if (ended !== undefined) throw new Violation("ended", ended.node.end);
  for (const { disk } of machines) await disk.recover();
  await cluster.checkVotes(nodesOf(machines), elected);
}

/** Resolves when every thread of it has come back from what it had asked for, and stands still. */
export async function stopped(node: NodeProcess): Promise<void> {
  node.signal("SIGSTOP");
  const threads = `/proc/${node.pid}/task`;
  await until(STOPPED_MS_MAX, `${node.name} to stand still`, async () => {
    const states = await Promise.all(
      (await readdir(threads)).map((thread) => readFile(join(threads, thread, "stat"), "utf8")),
    );
    return states.every((stat) => /\) [Tt] /.test(stat)) ? true : null;
  });
}

async function flush(dataDir: string, prng: Prng): Promise<void> {
  if (!prng.chance(FLUSH_PER_MILLE)) return;
  const entries = await readdir(dataDir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && prng.chance(500));
  for (const { parentPath, name } of files) {
    const handle = await open(join(parentPath, name), "r");
    await handle.sync();
    await handle.close();
  }
}
