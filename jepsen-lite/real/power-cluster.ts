import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { LoopDisk } from "../faults/loop-disk.ts";
import { cutPower } from "../faults/power-cut.ts";
import type { Prng } from "../prng.ts";
import type { Leaderships } from "./leaderships.ts";
import type { Ledger } from "./ledger.ts";
import { NodeCluster } from "./node-cluster.ts";
import type { NodeProcess } from "./node-process.ts";
import { Violation } from "./violation.ts";
import { voteOnDisk } from "./vote-on-disk.ts";

/** A part of what nobody has synced is on the disk all the same: the kernel writes when it likes. */
const FLUSH_PER_MILLE = 300;

/** A node, and the disk on which it keeps everything. */
export interface Machine {
  readonly node: NodeProcess;
  readonly disk: LoopDisk;
}

/** Real nodes, each on a disk of its own, whose power can be cut. */
export class PowerCluster {
  readonly machines: readonly Machine[];
  readonly #cluster: NodeCluster;
  readonly #prng: Prng;
  /** Of one machine each. */
  cuts = 0;

  private constructor(cluster: NodeCluster, disks: readonly LoopDisk[], prng: Prng) {
    this.#cluster = cluster;
    this.machines = disks.flatMap((disk, i) => {
      const node = cluster.nodes[i];
      return node === undefined ? [] : [{ node, disk }];
    });
    this.#prng = prng;
  }

  /** Everything is made in `directory`; `bin` is the built command. Resolves when it is settled. */
  static async start(
    bin: string,
    size: number,
    directory: string,
    prng: Prng,
  ): Promise<PowerCluster> {
    const disks: LoopDisk[] = [];
    let cluster: PowerCluster | null = null;
    try {
      for (let i = 0; i < size; i += 1) disks.push(await LoopDisk.make(directory, `n${i + 1}`));
      const dataDirs = disks.map(({ path }) => join(path, "data"));
      const nodes = await NodeCluster.make({ directory, program: [bin], dataDirs });
      cluster = new PowerCluster(nodes, disks, prng);
      cluster.start(cluster.machines);
      await cluster.settled(cluster.machines);
      return cluster;
    } catch (error) {
      if (cluster === null) for (const disk of disks) await disk.remove();
      else await cluster.remove();
      throw error;
    }
  }

  get leaderships(): Leaderships {
    return this.#cluster.leaderships;
  }

  get urls(): string[] {
    return this.#cluster.urls;
  }

  /** Resolves with who leads by the word of its own. */
  async leader(): Promise<Machine> {
    const leader = await this.#cluster.leader();
    const machine = this.machines.find(({ node }) => node === leader);
    if (machine === undefined) throw new Error(`${leader.name} has no machine`);
    return machine;
  }

  /**
   * At one moment, at which the processes stop too: a node whose disk is shut down under it could
   * acknowledge what is lost, since ext4 reports some syncs in flight as done. Then they are killed,
   * and their disks are ready for the next start. `onDark` is called when nothing reaches these.
   */
  async cut(machines: readonly Machine[], onDark: () => void = () => {}): Promise<void> {
    this.cuts += machines.length;
    this.checkRunning(machines);
    for (const { node } of machines) {
      node.signal("SIGSTOP");
      node.isBeingKilled = true;
    }
    for (const { node } of machines) {
      const vote = await voteOnDisk(node.dataDir);
      if (vote !== null) this.#cluster.ballots.saw(node.name, vote);
      await this.#flush(node.dataDir);
    }
    await cutPower(machines.map(({ disk }) => disk));
    onDark();
    await Promise.all(machines.map(({ node }) => node.kill()));
    // By then: whoever is elected later is told in a log that is still being read.
    const { elected } = this.#cluster;
    for (const { node, disk } of machines) {
      if (node.exitCode !== null) throw new Violation("ended", node.end);
      await disk.recover();
    }
    await this.#cluster.checkVotes(nodesOf(machines), elected);
  }

  /** The power is back. */
  start(machines: readonly Machine[]): void {
    for (const { node } of machines) node.start();
  }

  /** Resolves when each of these serves. */
  up(machines: readonly Machine[]): Promise<void> {
    return this.#cluster.up(nodesOf(machines));
  }

  /** Resolves when these agree on who leads and have applied all that there is, with one result. */
  settled(machines: readonly Machine[]): Promise<void> {
    return this.#cluster.settled(nodesOf(machines));
  }

  /** Everything, on each of these; nothing may be in flight. */
  check(ledger: Ledger, machines: readonly Machine[]): Promise<void> {
    return this.#cluster.check(ledger, nodesOf(machines));
  }

  /** Nobody ends by itself. */
  checkRunning(machines: readonly Machine[]): void {
    this.#cluster.checkRunning(nodesOf(machines));
  }

  async remove(): Promise<void> {
    await this.#cluster.kill();
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

function nodesOf(machines: readonly Machine[]): NodeProcess[] {
  return machines.map(({ node }) => node);
}
