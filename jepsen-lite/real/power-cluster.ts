import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { LoopDisk } from "../faults/loop-disk.ts";
import { cutPower } from "../faults/power-cut.ts";
import type { Prng } from "../prng.ts";
import { Leaderships } from "./leaderships.ts";
import type { NodeProcess } from "./node-process.ts";
import { makeNodes, noteLeader, RealCluster } from "./real-cluster.ts";
import { Violation } from "./violation.ts";
import { voteOnDisk } from "./vote-on-disk.ts";
import { until } from "./wait.ts";

/** From a fault to the end of the node, with the write that meets it. */
const END_MS_MAX = 15_000;
/** A part of what nobody has synced is on the disk all the same: the kernel writes when it likes. */
const FLUSH_PER_MILLE = 300;

/** A node, and the disk on which it keeps everything. */
export interface Machine {
  readonly node: NodeProcess;
  readonly disk: LoopDisk;
}

/** Real nodes, each on a disk of its own, whose power can be cut. */
export class PowerCluster extends RealCluster<Machine> {
  readonly #prng: Prng;
  /** Of one machine each. */
  cuts = 0;
  /** Nodes that have ended as they have to (`endOf`). */
  ends = 0;

  private constructor(machines: readonly Machine[], leaderships: Leaderships, prng: Prng) {
    super(machines, leaderships);
    this.#prng = prng;
  }

  /** Everything is made in `directory`; `bin` is the built command. Resolves when it is settled. */
  static async start(
    bin: string,
    size: number,
    directory: string,
    prng: Prng,
  ): Promise<PowerCluster> {
    const leaderships = new Leaderships();
    const disks: LoopDisk[] = [];
    const machines: Machine[] = [];
    try {
      const nodes = await makeNodes(
        { bin, size, directory },
        (line, node) => noteLeader(line, node, leaderships),
        async (name) => {
          const disk = await LoopDisk.make(directory, name);
          disks.push(disk);
          return join(disk.path, "data");
        },
      );
      for (const [i, disk] of disks.entries()) {
        const node = nodes[i];
        if (node !== undefined) machines.push({ node, disk });
      }
      const cluster = new PowerCluster(machines, leaderships, prng);
      cluster.start(machines);
      await cluster.settled(machines);
      return cluster;
    } catch (error) {
      await Promise.all(machines.map(({ node }) => node.kill()));
      for (const disk of disks) await disk.remove();
      throw error;
    }
  }

  /**
   * At one moment, at which the processes stop too: a node whose disk is shut down under it could
   * acknowledge what is lost, since ext4 reports some syncs in flight as done. Then they are killed,
   * and their disks are ready for the next start. `onDark` is called when nothing reaches these.
   */
  async cut(machines: readonly Machine[], onDark: () => void = () => {}): Promise<void> {
    this.cuts += machines.length;
    this.checkRunning(machines);
    const running = machines.filter(({ node }) => node.isRunning);
    for (const { node } of machines) {
      node.signal("SIGSTOP");
      node.isBeingKilled = true;
    }
    for (const { node } of machines) {
      const vote = await voteOnDisk(node.dataDir);
      if (vote !== null) this.ballots.saw(node.name, vote);
      await this.#flush(node.dataDir);
    }
    await cutPower(machines.map(({ disk }) => disk));
    onDark();
    await Promise.all(machines.map(({ node }) => node.kill()));
    const elected = this.leaderships.last;
    const ended = running.find(({ node }) => node.exitCode !== null);
    if (ended !== undefined) throw new Violation("ended", ended.node.end);
    for (const { disk } of machines) await disk.recover();
    const left = machines.map(
      async ({ node }) => [node.name, await voteOnDisk(node.dataDir)] as const,
    );
    const leader = elected === null ? undefined : this.idOf(elected.node);
    this.ballots.survived(
      new Map(await Promise.all(left)),
      elected === null || leader === undefined ? null : { term: elected.term, leader },
    );
  }

  /**
   * Resolves with the last that it said when a node has ended by itself as it has to, where a fault
   * of its disk was brought about; `isBeingKilled` was set before.
   */
  async endOf({ node }: Machine, exitCode: number): Promise<string> {
    await until(END_MS_MAX, `${node.name} to end`, async () =>
      node.isRunning ? null : true,
    ).catch((error) => {
      throw new Violation("silent", error.message);
    });
    await node.ended;
    if (node.exitCode !== exitCode) throw new Violation("silent", node.end);
    this.ends += 1;
    return node.end;
  }

  async remove(): Promise<void> {
    await Promise.all(this.machines.map(({ node }) => node.kill()));
    for (const { disk } of this.machines) await disk.remove();
  }

  async #flush(dataDir: string): Promise<void> {
    if (!this.#prng.chance(FLUSH_PER_MILLE)) return;
    const entries = await readdir(dataDir, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile() && this.#prng.chance(500));
    for (const { parentPath, name } of files) {
      const handle = await open(join(parentPath, name), "r");
      await handle.sync();
      await handle.close();
    }
  }
}
