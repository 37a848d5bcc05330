import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { ClientOptions } from "../bare/client.ts";
import { Provider } from "../bare/provider.ts";
import { Watcher } from "../bare/watcher.ts";
import { DYING_WITH_PARENT } from "../faults/dying-with.ts";
import { Edges } from "../net/edges.ts";
import type { Prng } from "../prng.ts";
import { NodeCluster } from "../real/node-cluster.ts";
import type { NodeProcess } from "../real/node-process.ts";
import { Violation } from "../real/violation.ts";
import { Recorder } from "../recorder.ts";

export interface WorldOptions {
  /** The built command. */
  readonly bin: string;
  readonly nodes: number;
  readonly providers: number;
  readonly watchers: number;
  readonly operationMs: number;
  /** For data and logs. */
  readonly directory: string;
  readonly prng: Prng;
}

const APPLICATIONS = ["a", "b"];
/** The least that a node allows: what expires is to be seen within a run. */
const TTL_MS = 3_000;
const GRACE_MS = 1_000;
/** On loopback, with nothing in its way. */
const CLOSE_NOTICE_MS = 1_000;
/** Longer than a node takes to hand over and to let its clients go. */
const STOP_MS_MAX = 15_000;
/** The steps of a lease clock, heartbeats, a commit, on a machine that has other work. */
const EXPIRY_SLACK_MS = 2_500;

/** Real processes, with everything between them in our hands, and clients that write down. */
export class World {
  readonly cluster: NodeCluster;
  readonly edges: Edges;
  readonly recorder: Recorder;
  readonly providers: readonly Provider[];
  readonly watchers: readonly Watcher[];
  /** What no node may say, by any rule of the protocol. */
  readonly strange: readonly string[];
  #isClosed = false;

  private constructor(
    cluster: NodeCluster,
    edges: Edges,
    recorder: Recorder,
    ends: { readonly providers: Provider[]; readonly watchers: Watcher[] },
    strange: readonly string[],
  ) {
    this.cluster = cluster;
    this.edges = edges;
    this.recorder = recorder;
    this.providers = ends.providers;
    this.watchers = ends.watchers;
    this.strange = strange;
  }

  /** None of it runs yet. */
  static async make(options: WorldOptions): Promise<World> {
    const { bin, nodes, directory, prng } = options;
    const clock = new Stopwatch();
    const recorder = new Recorder(clock, {
      ...{ driftMax: 0, closeNoticeMs: CLOSE_NOTICE_MS, expirySlackMs: EXPIRY_SLACK_MS },
      hasNodeEvents: false,
    });
    const dataDirs = Array.from({ length: nodes }, (_, i) => join(directory, `n${i + 1}`));
    await mkdir(directory, { recursive: true });
    let edges: Edges | null = null;
    const strange: string[] = [];
    const ends: { providers: Provider[]; watchers: Watcher[] } = { providers: [], watchers: [] };
    const cluster = await NodeCluster.make({
      directory,
      program: [bin],
      dataDirs,
      lay: async (ports) => {
        const laid = await Edges.lay(ports, prng, (port) => {
          for (const provider of ends.providers) provider.wasReset(port);
        });
        edges = laid;
        return (from, to) => laid.port(from, to);
      },
      onLine: ({ msg, peer, address }, { name }) => {
        if (/^leader in term \d+$/.test(msg)) recorder.record({ type: "leader", node: name });
        if (msg === "listening") void edges?.admit(name);
        if (msg === "peer link is up" && !address?.endsWith(`:${edges?.port(name, peer ?? "")}`)) {
          strange.push(`${name} has a link to ${peer} that goes round the edges, at ${address}`);
        }
      },
    });
    const laid = edges as Edges | null;
    if (laid === null) throw new Error("no edges were laid");
    const client = (name: string): ClientOptions => ({
      ...{ name, urls: laid.clientUrls, recorder, clock, prng, applications: APPLICATIONS },
      ...{ ttlMs: TTL_MS, graceMs: GRACE_MS, operationMs: options.operationMs },
      onStrange: (what) => void strange.push(what),
    });
    const named = (letter: string, count: number): string[] =>
      Array.from({ length: count }, (_, i) => `${letter}${i + 1}`);
    ends.providers = named("c", options.providers).map((name) => new Provider(client(name)));
    ends.watchers = named("w", options.watchers).map((name) => new Watcher(client(name)));
    return new World(cluster, laid, recorder, ends, strange);
  }

  /** Resolves when a leader was elected, and the clients are on their way. */
  async start(): Promise<void> {
    for (const node of this.nodes) this.#begin(node);
    await this.cluster.leader();
    for (const end of [...this.providers, ...this.watchers]) end.start();
  }

  get nodes(): readonly NodeProcess[] {
    return this.cluster.nodes;
  }

  get operations(): number {
    return this.recorder.operations;
  }

  async kill(node: NodeProcess): Promise<void> {
    await this.edges.refuse(node.name);
    await node.kill();
  }

  /**
   * As an operator does.
   *
   * @throws Violation where it does not end, or ends in another way than it should.
   */
  async stop(node: NodeProcess): Promise<void> {
    node.isBeingKilled = true;
    let isLate = false;
    const late = setTimeout(() => {
      isLate = true;
      node.signal("SIGKILL");
    }, STOP_MS_MAX);
    node.signal("SIGTERM");
    await node.ended;
    clearTimeout(late);
    await this.edges.refuse(node.name);
    if (isLate) throw new Violation("stuck", `${node.name} does not end within ${STOP_MS_MAX} ms`);
    if (![0, null].includes(node.exitCode)) throw new Violation("ended", node.end);
  }

  /** Connections are let through to it once it listens. */
  revive(node: NodeProcess): void {
    if (!node.isRunning) this.#begin(node);
  }

  #begin(node: NodeProcess): void {
    if (this.#isClosed) return;
    node.start({ wrapped: (argv) => [...DYING_WITH_PARENT, ...argv] });
  }

  /** Nobody of it is left running, and nobody is started any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const end of [...this.providers, ...this.watchers]) end.kill();
    for (const node of this.nodes) node.signal("SIGCONT");
    await this.cluster.kill();
    await this.edges.close();
  }
}

/** Milliseconds since the run began. */
class Stopwatch {
  readonly #startedMs = performance.now();

  get nowMs(): number {
    return performance.now() - this.#startedMs;
  }
}
