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
export class PowerCluster {
  readonly machines: readonly Machine[];
  readonly #cluster: NodeCluster;
  readonly #prng: Prng;
  /** Of one machine each. */
  cuts = 0;
  /** Nodes that have ended as they have to (`endOf`). */
  ends = 0;

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

  /** Resolves with who leads by the word of its own, of these. */
  async leader(among: readonly Machine[] = this.machines): Promise<Machine> {
    const leader = await this.#cluster.leader(nodesOf(among));
    const machine = among.find(({ node }) => node === leader);
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
    const running = machines.filter(({ node }) => node.isRunning);
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
    const ended = running.find(({ node }) => node.exitCode !== null);
    if (ended !== undefined) throw new Violation("ended", ended.node.end);
    for (const { disk } of machines) await disk.recover();
    await this.#cluster.checkVotes(nodesOf(machines), elected);
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
