import type { Edges } from "../net/edges.ts";
import { freePorts } from "../net/ports.ts";
import type { Prng } from "../prng.ts";
import type { NodeCluster } from "../real/node-cluster.ts";
import type { MemberView, NodeProcess } from "../real/node-process.ts";
import { Violation } from "../real/violation.ts";
import { until } from "../real/wait.ts";
import type { Footing } from "./footing.ts";

export interface MembersOptions {
  readonly cluster: NodeCluster;
  readonly edges: Edges;
  readonly footing: Footing;
  readonly prng: Prng;
  /** Of nodes that may join, one after the other. */
  readonly names: readonly string[];
  /** Voters that there are to be at the end, at the least. */
  readonly strength: number;
  /** Starts a process. */
  readonly begin: (node: NodeProcess) => void;
}

/** How a request of an operator was answered; `reason` is null where it is done. */
export interface Answer {
  readonly reason: string | null;
}

/** Exit code of a node that was removed. */
export const REMOVED = 78;
const ANSWER_MS_MAX = 3_000;
/** With everything whole, or soon whole again. */
const SETTLE_MS_MAX = 40_000;

/** Which nodes are to be members, and the operator who sees to it. */
export class Members {
  readonly #options: MembersOptions;
  readonly #names: string[];
  readonly #leaving = new Set<NodeProcess>();

  constructor(options: MembersOptions) {
    this.#options = options;
    this.#names = [...options.names];
  }

  get strength(): number {
    return this.#options.strength;
  }

  get wanted(): readonly NodeProcess[] {
    return this.#options.cluster.nodes.filter((node) => !this.#leaving.has(node));
  }

  /** It is to be no member any more, and still there. */
  isLeaving(node: NodeProcess): boolean {
    return this.#leaving.has(node);
  }

  /** Neither told that it was removed, nor given up. */
  mayRun(node: NodeProcess): boolean {
    return this.#options.cluster.nodes.includes(node) && node.exitCode !== REMOVED;
  }

  /** Another process, on an empty directory; null where no name is left. */
  async join(isLearner: boolean): Promise<NodeProcess | null> {
    const { cluster, edges, footing, begin } = this.#options;
    const name = this.#names.shift();
    if (name === undefined) return null;
    const [port = 0] = await freePorts(1);
    const seeds = this.wanted.map((node) => node.name);
    await edges.grow(name, port);
    await footing.stand(name);
    const dataDir = footing.dataDir(name);
    const node = cluster.join({ name, port, dataDir, seeds, isLearner });
    begin(node);
    return node;
  }

  /** It is to be removed; that it ends is no news from now on. */
  condemn(node: NodeProcess): void {
    this.#leaving.add(node);
    node.isBeingKilled = true;
  }

  /** Whoever it was, it is gone, and so is its place. */
  async forget(node: NodeProcess): Promise<void> {
    const { cluster, edges, footing } = this.#options;
    await edges.refuse(node.name);
    await node.kill();
    cluster.drop(node);
    this.#leaving.delete(node);
    await edges.drop(node.name);
    await footing.leave(node.name);
  }

  /**
   * Asks all nodes at once, of which the one that leads may do it; null where nobody answers who
   * leads. Nothing is asked again.
   */
  async ask(
    operation: string,
    parameters: Readonly<Record<string, string>>,
  ): Promise<Answer | null> {
    const query = new URLSearchParams({ operation, ...parameters });
    const asked = this.#options.cluster.nodes.map(async ({ port }) => {
      const url = `http://127.0.0.1:${port}/v1/members?${query}`;
      const signal = AbortSignal.timeout(ANSWER_MS_MAX);
      const response = await fetch(url, { method: "POST", signal });
      const { error } = (await response.json()) as {
        readonly error?: { readonly reason?: string; readonly code: string } | null;
      };
      if (error?.code === "NO_LEADER") throw new Error("does not lead");
      return { reason: error == null ? null : (error.reason ?? error.code) };
    });
    return await Promise.any(asked).catch(() => null);
  }

  /** By the word of who leads in the latest term; null where nobody does. */
  async listed(): Promise<readonly MemberView[] | null> {
    const views = await Promise.all(
      this.#options.cluster.nodes.map((node) => (node.isRunning ? node.view() : null)),
    );
    const leading = views.filter((view) => view !== null && view.role === "leader");
    leading.sort((one, other) => (other?.term ?? 0) - (one?.term ?? 0));
    return leading[0]?.members ?? null;
  }

  /**
   * Resolves when those that are wanted are the members, all voters, and whoever was removed has
   * ended as it has to. An operator asks for what is missing, over and over, and so does a second one.
   *
   * @throws Violation where that does not come about.
   */
  async settle(): Promise<void> {
    await until(SETTLE_MS_MAX, "the members to be those that are wanted", async () => {
      const listed = await this.listed();
      if (listed === null) return null;
      const wanted = new Set(this.wanted.map(({ name }) => name));
      const stranger = listed.find(({ name }) => !wanted.has(name));
      const learner = listed.find(({ membership }) => membership === "learner");
      const [operation, member] =
        stranger === undefined ? ["promote", learner] : ["remove", stranger];
      if (member !== undefined) {
        await this.twice(operation, { member: member.name });
        return null;
      }
      await this.#seeOff();
      return listed.length === wanted.size && this.#leaving.size === 0 ? true : null;
    }).catch((error) => {
      throw error instanceof Violation ? error : new Violation("stuck", String(error));
    });
  }

  /** As many voters as at the beginning, at the least. */
  async restore(): Promise<void> {
    while (this.wanted.length < this.strength && (await this.join(false)) !== null);
    await this.settle();
  }

  /** Two operators ask for the same at once. What the one that was heard is told. */
  async twice(
    operation: string,
    parameters: Readonly<Record<string, string>>,
  ): Promise<Answer | null> {
    const answers = await Promise.all([
      this.ask(operation, parameters),
      this.ask(operation, parameters),
    ]);
    return answers.find((answer) => answer?.reason === null) ?? answers[0];
  }

  /** Whoever was removed is to end by itself, or hears of it when it is started again. */
  async #seeOff(): Promise<void> {
    for (const node of [...this.#leaving]) {
      if (node.isRunning) continue;
      await node.ended;
      if (node.exitCode === REMOVED) await this.forget(node);
      else if ([0, null].includes(node.exitCode)) this.#options.begin(node);
      else throw new Violation("ended", node.end);
    }
  }
}
