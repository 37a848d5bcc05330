import { open, readdir } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { LoopDisk } from "../faults/loop-disk.ts";
import { cutPower } from "../faults/power-cut.ts";
import type { Prng } from "../prng.ts";
import { Ballots } from "./ballots.ts";
import { Leaderships } from "./leaderships.ts";
import type { Ledger } from "./ledger.ts";
import { readAll } from "./load.ts";
import { type LogLine, NodeProcess, type NodeView } from "./node-process.ts";
import { Violation } from "./violation.ts";
import { voteOnDisk } from "./vote-on-disk.ts";
import { until } from "./wait.ts";

const SETTLE_MS_MAX = 40_000;
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
  readonly leaderships: Leaderships;
  readonly #ballots: Ballots;
  readonly #ids = new Map<string, string>();
  readonly #prng: Prng;
  /** Of one machine each. */
  cuts = 0;
  /** Nodes that have ended as they have to (`endOf`). */
  ends = 0;

  private constructor(machines: readonly Machine[], leaderships: Leaderships, prng: Prng) {
    this.machines = machines;
    this.leaderships = leaderships;
    this.#ballots = new Ballots(machines.map(({ node }) => node.name));
    this.#prng = prng;
  }

  /** Everything is made in `directory`; `bin` is the built command. Resolves when it is settled. */
  static async start(
    bin: string,
    size: number,
    directory: string,
    prng: Prng,
  ): Promise<PowerCluster> {
    const ports = await freePorts(size);
    const bootstrap = ports.map((port, i) => `n${i + 1}=127.0.0.1:${port}`).join(",");
    const leaderships = new Leaderships();
    const machines: Machine[] = [];
    try {
      for (const [i, port] of ports.entries()) {
        const name = `n${i + 1}`;
        const disk = await LoopDisk.make(directory, name);
        const dataDir = join(disk.path, "data");
        const place = { name, port, dataDir, logPath: join(directory, `${name}.log`) };
        const argv = [bin, "start", "--id", name, "--data", dataDir];
        argv.push("--listen", `127.0.0.1:${port}`, "--bootstrap", bootstrap);
        const node = new NodeProcess(place, argv, (line) => noteLeader(line, node, leaderships));
        machines.push({ node, disk });
        node.start();
      }
      const cluster = new PowerCluster(machines, leaderships, prng);
      await cluster.settled(machines);
      return cluster;
    } catch (error) {
      await removeAll(machines);
      throw error;
    }
  }

  get urls(): string[] {
    return this.machines.map(({ node }) => node.url);
  }

  /** Resolves with who leads by the word of its own, of these. */
  async leader(among: readonly Machine[] = this.machines): Promise<Machine> {
    return await this.#awaited("a leader", async () => {
      const leading = (await this.#views(among)).filter(({ view }) => view?.role === "leader");
      leading.sort((a, b) => (b.view?.term ?? 0) - (a.view?.term ?? 0));
      return leading[0]?.machine ?? null;
    });
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
      if (vote !== null) this.#ballots.saw(node.name, vote);
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
    const leader = elected === null ? undefined : this.#ids.get(elected.node);
    this.#ballots.survived(
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

  /** The power is back. */
  start(machines: readonly Machine[]): void {
    for (const { node } of machines) node.start();
  }

  /** Resolves when each of these serves. */
  async up(machines: readonly Machine[]): Promise<void> {
    await this.#awaited("all to answer", async () => {
      const all = await this.#views(machines);
      return all.every(({ view }) => view !== null) ? true : null;
    });
  }

  /** Resolves when these agree on who leads and have applied all that there is, with one result. */
  async settled(machines: readonly Machine[]): Promise<void> {
    const views = await this.#awaited("all to have everything", async () => {
      const all = (await this.#views(machines)).map(({ view }) => view);
      return all.every((view) => view !== null) && isSettled(all) ? all : null;
    });
    const states = new Set(views.map(({ digest, revision }) => `${digest} at ${revision}`));
    if (states.size > 1) throw new Violation("diverged", [...states].join(", "));
    for (const { node } of machines) {
      const vote = await voteOnDisk(node.dataDir);
      if (vote !== null) this.#ballots.rests(node.name, vote);
    }
  }

  /** Everything, on each of these; nothing may be in flight. */
  async check(ledger: Ledger, machines: readonly Machine[]): Promise<void> {
    await this.settled(machines);
    for (const { node } of machines) {
      const shown = await readAll(node.url).catch((error) => {
        throw new Violation("stuck", `no linearizable read on ${node.name}: ${error}`);
      });
      ledger.check(shown, node.name);
    }
    this.leaderships.check();
  }

  /** Nobody ends by itself. */
  checkRunning(machines: readonly Machine[]): void {
    for (const { node } of machines) {
      if (!node.isRunning && !node.isBeingKilled) {
        throw new Violation(node.hasAnswered ? "ended" : "refused", node.end);
      }
    }
  }

  remove(): Promise<void> {
    return removeAll(this.machines);
  }

  /** A promise of the cluster's progress: what does not come is a violation. */
  async #awaited<T>(what: string, ask: () => Promise<T | null>): Promise<T> {
    return await until(SETTLE_MS_MAX, what, ask).catch((error) => {
      throw error instanceof Violation ? error : new Violation("stuck", String(error));
    });
  }

  async #views(
    machines: readonly Machine[],
  ): Promise<{ readonly machine: Machine; readonly view: NodeView | null }[]> {
    return await Promise.all(
      machines.map(async (machine) => {
        const { node } = machine;
        const { life } = node;
        const view = await node.view();
        if (view !== null) {
          this.#ids.set(node.name, view.id);
          if (view.role === "leader") this.leaderships.leads(view.term, node.name, life);
        }
        this.checkRunning([machine]);
        return { machine, view };
      }),
    );
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

function isSettled(views: readonly NodeView[]): boolean {
  const [first] = views;
  return views.every(
    ({ leader, isCaughtUp, commit, applied, lastIndex }) =>
      isCaughtUp &&
      leader !== null &&
      leader === first?.leader &&
      applied === first.applied &&
      applied === commit &&
      applied === lastIndex,
  );
}

/** Said once in a leadership, right at its beginning. */
function noteLeader({ msg }: LogLine, { name, life }: NodeProcess, leaderships: Leaderships): void {
  const term = /^leader in term (\d+)$/.exec(msg)?.[1];
  if (term !== undefined) leaderships.leads(Number(term), name, life);
}

async function removeAll(machines: readonly Machine[]): Promise<void> {
  await Promise.all(machines.map(({ node }) => node.kill()));
  for (const { disk } of machines) await disk.remove();
}

/** Nobody else takes them before the nodes do, on a machine where nobody looks for them. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const listening = servers.map(
    (server) =>
      new Promise<number>((resolve) => {
        server.listen(0, "127.0.0.1", () => {
          const address = server.address();
          resolve(typeof address === "object" && address !== null ? address.port : 0);
        });
      }),
  );
  const ports = await Promise.all(listening);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
