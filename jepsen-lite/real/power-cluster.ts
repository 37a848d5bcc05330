import { join } from "node:path";
import { LoopDisk } from "../faults/loop-disk.ts";
import type { Prng } from "../prng.ts";
import type { Leaderships } from "./leaderships.ts";
import type { Ledger } from "./ledger.ts";
import { cutMachines, type Machine, nodesOf } from "./machines.ts";
import { NodeCluster } from "./node-cluster.ts";

/** Real nodes, each on a disk of its own, whose power can be cut. */
export class PowerCluster {
  readonly machines: readonly Machine[];
  readonly #cluster: NodeCluster;
  readonly #prng: Prng;
  /** Of one machine each. */
  cuts = 0;
  /** Nodes that have ended as they have to (`endsNaming`). */
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

  /** `cutMachines`, of these. */
  async cut(machines: readonly Machine[], onDark?: () => void): Promise<void> {
    this.cuts += machines.length;
    await cutMachines(this.#cluster, machines, this.#prng, onDark);
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
}
