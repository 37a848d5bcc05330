import { join } from "node:path";
import { CLIENTS } from "../net/edges.ts";
import { freePorts } from "../net/ports.ts";
import { Ballots } from "./ballots.ts";
import { Leaderships } from "./leaderships.ts";
import type { Ledger } from "./ledger.ts";
import { readAll } from "./load.ts";
import { type LogLine, NodeProcess, type NodeView } from "./node-process.ts";
import { Violation } from "./violation.ts";
import { voteOnDisk } from "./vote-on-disk.ts";
import { until } from "./wait.ts";

const SETTLE_MS_MAX = 40_000;

export interface ClusterPlace {
  /** For the logs. */
  readonly directory: string;
  /** Before `start` and what belongs to it: what Node is told, and the built command. */
  readonly program: readonly string[];
  /** Of each node. */
  readonly dataDirs: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** What its log says, as it comes. */
  readonly onLine?: (line: LogLine, node: NodeProcess) => void;
  /** Where one node dials another, of those that listen at `ports`; there, unless it is given. */
  readonly lay?: (ports: ReadonlyMap<string, number>) => Promise<Dialled>;
  /** Of nodes that may join: where they would be dialled, all know from the beginning. */
  readonly spares?: readonly string[];
}

/** Where `from` dials `to`, `host:port`. */
export type Dialled = (from: string, to: string) => string;

/** A node that joins a cluster which runs. */
export interface Joining {
  readonly name: string;
  readonly port: number;
  readonly dataDir: string;
  /** Members, by their names. */
  readonly seeds: readonly string[];
  /** It stays a learner until it is promoted. */
  readonly isLearner: boolean;
}

export interface Elected {
  readonly term: number;
  /** Its id. */
  readonly leader: string;
}

/** Real nodes n1, n2, … of one cluster, and what is known of them. */
export class NodeCluster {
  readonly leaderships = new Leaderships();
  readonly ballots: Ballots;
  readonly #place: ClusterPlace;
  readonly #dialled: Dialled | null;
  /** Those that there are, and those that may come. */
  readonly #known: readonly string[];
  #nodes: readonly NodeProcess[] = [];
  readonly #ids = new Map<string, string>();

  /** Others than those of the beginning are, or were, members. */
  #hasChanged = false;

  private constructor(place: ClusterPlace, names: readonly string[], dialled: Dialled | null) {
    this.#place = place;
    this.#dialled = dialled;
    this.#known = [...names, ...(place.spares ?? [])];
    this.ballots = new Ballots(names);
  }

  /** None of them is started. */
  static async make(place: ClusterPlace): Promise<NodeCluster> {
    const { dataDirs, lay } = place;
    const ports = await freePorts(dataDirs.length);
    const portOf = new Map(ports.map((port, i) => [`n${i + 1}`, port]));
    const cluster = new NodeCluster(place, [...portOf.keys()], (await lay?.(portOf)) ?? null);
    const places = [...portOf].map(([to, port]) => `${to}=${cluster.#told(to, port)}`);
    for (const [i, [name, port]] of [...portOf].entries()) {
      const own = { name, port, dataDir: dataDirs[i] ?? "" };
      cluster.#add(own, ["--bootstrap", places.join()]);
    }
    return cluster;
  }

  /** It is not started. */
  join({ seeds, isLearner, ...own }: Joining): NodeProcess {
    this.#hasChanged = true;
    const places = seeds.map((seed) => this.#dialled?.(own.name, seed));
    return this.#add(own, ["--join", places.join(), ...(isLearner ? ["--learner"] : [])]);
  }

  /** It was removed from the cluster, or is dead for good. */
  drop(node: NodeProcess): void {
    this.#hasChanged = true;
    this.#nodes = this.#nodes.filter((other) => other !== node);
  }

  get nodes(): readonly NodeProcess[] {
    return this.#nodes;
  }

  get urls(): string[] {
    return this.nodes.map(({ url }) => url);
  }

  /** Who was elected last, by its id; null where nobody was, or its id was never told. */
  get elected(): Elected | null {
    const { last } = this.leaderships;
    const leader = last === null ? undefined : this.#ids.get(last.node);
    return last === null || leader === undefined ? null : { term: last.term, leader };
  }

  /** Resolves with who leads by the word of its own, of these. */
  async leader(among: readonly NodeProcess[] = this.nodes): Promise<NodeProcess> {
    return await this.#awaited("a leader", async () => {
      const leading = (await this.#views(among)).filter(({ view }) => view?.role === "leader");
      leading.sort((a, b) => (b.view?.term ?? 0) - (a.view?.term ?? 0));
      return leading[0]?.node ?? null;
    });
  }

  /** Resolves when each of these serves. */
  async up(nodes: readonly NodeProcess[]): Promise<void> {
    await this.#awaited("all to answer", async () => {
      const all = await this.#views(nodes);
      return all.every(({ view }) => view !== null) ? true : null;
    });
  }

  /** Resolves when these agree on who leads and have applied all that there is, with one result. */
  async settled(nodes: readonly NodeProcess[]): Promise<void> {
    const views = await this.#awaited("all to have everything", async () => {
      const all = (await this.#views(nodes)).map(({ view }) => view);
      return all.every((view) => view !== null) && isSettled(all) ? all : null;
    });
    const states = new Set(views.map(({ digest, revision }) => `${digest} at ${revision}`));
    if (states.size > 1) throw new Violation("diverged", [...states].join(", "));
    for (const { name, dataDir } of nodes) {
      const vote = await voteOnDisk(dataDir);
      if (vote !== null) this.ballots.rests(name, vote);
    }
  }

  /** Everything, on each of these; nothing may be in flight. */
  async check(ledger: Ledger, nodes: readonly NodeProcess[]): Promise<void> {
    await this.settled(nodes);
    for (const { url, name } of nodes) {
      const shown = await readAll(url).catch((error) => {
        throw new Violation("stuck", `no linearizable read on ${name}: ${error}`);
      });
      ledger.check(shown, name);
    }
    this.leaderships.check();
  }

  /** Nobody ends by itself. */
  checkRunning(nodes: readonly NodeProcess[]): void {
    for (const node of nodes) {
      if (!node.isRunning && !node.isBeingKilled) {
        throw new Violation(node.hasAnswered ? "ended" : "refused", node.end);
      }
    }
  }

  /**
   * What a fault has left on the disks of these, none of which was started since; `elected` won the
   * last election before it.
   */
  async checkVotes(nodes: readonly NodeProcess[], elected: Elected | null): Promise<void> {
    const left = nodes.map(async ({ name, dataDir }) => [name, await voteOnDisk(dataDir)] as const);
    // Whoever has joined since an election knows nothing of it, and counts for nothing in it.
    this.ballots.survived(new Map(await Promise.all(left)), this.#hasChanged ? null : elected);
  }

  async kill(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
  }

  /** Where it says that it is: clients that hear of it there go over an edge, too. */
  #told(name: string, port: number): string {
    return this.#dialled?.(CLIENTS, name) ?? `127.0.0.1:${port}`;
  }

  #add(own: Pick<Joining, "name" | "port" | "dataDir">, flags: readonly string[]): NodeProcess {
    const { directory, program, env, onLine } = this.#place;
    const { name, port, dataDir } = own;
    const argv = [...program, "start", "--id", name, "--data", dataDir];
    argv.push("--listen", `127.0.0.1:${port}`, "--advertise", this.#told(name, port), ...flags);
    for (const to of this.#dialled === null ? [] : this.#known) {
      // The only place where it is dialled, whatever it says of itself.
      if (to !== name) argv.push("--peer", `${to}=${this.#dialled?.(name, to)}`);
    }
    const heard = (line: LogLine): void => {
      noteLeader(line, node, this.leaderships);
      onLine?.(line, node);
    };
    const place = { ...own, logPath: join(directory, `${name}.log`) };
    const node = new NodeProcess(place, argv, heard, env);
    this.#nodes = [...this.#nodes, node];
    return node;
  }

  /** A promise of the cluster's progress: what does not come is a violation. */
  async #awaited<T>(what: string, ask: () => Promise<T | null>): Promise<T> {
    return await until(SETTLE_MS_MAX, what, ask).catch((error) => {
      throw error instanceof Violation ? error : new Violation("stuck", String(error));
    });
  }

  async #views(
    nodes: readonly NodeProcess[],
  ): Promise<{ readonly node: NodeProcess; readonly view: NodeView | null }[]> {
    return await Promise.all(
      nodes.map(async (node) => {
        const { life } = node;
        const view = await node.view();
        if (view !== null) {
          this.#ids.set(node.name, view.id);
          if (view.role === "leader") this.leaderships.leads(view.term, node.name, life);
        }
        this.checkRunning([node]);
        return { node, view };
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
function noteLeader({ msg }: LogLine, { name, life }: NodeProcess, leaderships: Leaderships): void {
  const term = /^leader in term (\d+)$/.exec(msg)?.[1];
  if (term !== undefined) leaderships.leads(Number(term), name, life);
}
