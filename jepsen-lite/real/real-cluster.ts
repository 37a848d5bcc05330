import { createServer } from "node:net";
import { join } from "node:path";
import { Ballots } from "./ballots.ts";
import type { Leaderships } from "./leaderships.ts";
import type { Ledger } from "./ledger.ts";
import { readAll } from "./load.ts";
import { type LogLine, NodeProcess, type NodeView } from "./node-process.ts";
import { Violation } from "./violation.ts";
import { voteOnDisk } from "./vote-on-disk.ts";
import { until } from "./wait.ts";

const SETTLE_MS_MAX = 40_000;

/** What a node runs on. */
export interface Place {
  readonly node: NodeProcess;
}

/** Real nodes, and what must hold of them whatever is done to their machines. */
export class RealCluster<Machine extends Place> {
  readonly machines: readonly Machine[];
  readonly leaderships: Leaderships;
  readonly ballots: Ballots;
  readonly #ids = new Map<string, string>();

  constructor(machines: readonly Machine[], leaderships: Leaderships) {
    this.machines = machines;
    this.leaderships = leaderships;
    this.ballots = new Ballots(machines.map(({ node }) => node.name));
  }

  get urls(): string[] {
    return this.machines.map(({ node }) => node.url);
  }

  /** As its node has told. */
  idOf(name: string): string | undefined {
    return this.#ids.get(name);
  }

  /** Resolves with who leads by the word of its own, of these. */
  async leader(among: readonly Machine[] = this.machines): Promise<Machine> {
    return await this.#awaited("a leader", async () => {
      const leading = (await this.#views(among)).filter(({ view }) => view?.role === "leader");
      leading.sort((a, b) => (b.view?.term ?? 0) - (a.view?.term ?? 0));
      return leading[0]?.machine ?? null;
    });
  }

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
      if (vote !== null) this.ballots.rests(node.name, vote);
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
export function noteLeader(
  { msg }: LogLine,
  { name, life }: NodeProcess,
  leaderships: Leaderships,
): void {
  const term = /^leader in term (\d+)$/.exec(msg)?.[1];
  if (term !== undefined) leaderships.leads(Number(term), name, life);
}

/** n1, n2, … of one cluster, none of them started; `dataDirOf` makes room for one. */
export async function makeNodes(
  { bin, size, directory }: { bin: string; size: number; directory: string },
  onLine: (line: LogLine, node: NodeProcess) => void,
  dataDirOf: (name: string) => Promise<string>,
): Promise<NodeProcess[]> {
  const ports = await freePorts(size);
  const bootstrap = ports.map((port, i) => `n${i + 1}=127.0.0.1:${port}`).join(",");
  const nodes: NodeProcess[] = [];
  for (const [i, port] of ports.entries()) {
    const name = `n${i + 1}`;
    const dataDir = await dataDirOf(name);
    const place = { name, port, dataDir, logPath: join(directory, `${name}.log`) };
    const argv = [bin, "start", "--id", name, "--data", dataDir];
    argv.push("--listen", `127.0.0.1:${port}`, "--bootstrap", bootstrap);
    const node: NodeProcess = new NodeProcess(place, argv, (line) => onLine(line, node));
    nodes.push(node);
  }
  return nodes;
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
