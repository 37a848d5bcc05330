import { join } from "node:path";
import type { ClientOptions } from "../bare/client.ts";
import { DYING_WITH_PARENT } from "../faults/dying-with.ts";
import type { Event } from "../history.ts";
import { Edges } from "../net/edges.ts";
import type { Prng } from "../prng.ts";
import { NodeCluster } from "../real/node-cluster.ts";
import type { LogLine, NodeProcess } from "../real/node-process.ts";
import { HARNESS, PRELOAD, type SnapshotBounds, type Told } from "../real/preload-order.ts";
import { Violation } from "../real/violation.ts";
import { Recorder } from "../recorder.ts";
import type { Footing } from "./footing.ts";
import { Members, REMOVED } from "./members.ts";
import { Population } from "./population.ts";

export interface WorldOptions {
  /** The built command. */
  readonly bin: string;
  readonly nodes: number;
  readonly operationMs: number;
  /** Null: those of the product, which a short run does not reach. */
  readonly snapshotBounds: SnapshotBounds | null;
  /** Is given each event of the history as it comes. */
  readonly keep: (event: Event) => void;
  /** For data and logs. */
  readonly directory: string;
  readonly footing: Footing;
  readonly prng: Prng;
}

const APPLICATIONS = ["a", "b"];
/** Nodes that may join in one run. */
const SPARES = 60;
/** The least that a node allows: what expires is to be seen within a run. */
const TTL_MS = 3_000;
const GRACE_MS = 1_000;
/** On loopback, with nothing in its way. */
const CLOSE_NOTICE_MS = 1_000;
/** Longer than a node takes to hand over and to let its clients go. */
const STOP_MS_MAX = 15_000;
/** The steps of a lease clock, heartbeats, a commit, on a machine that has other work. */
const EXPIRY_SLACK_MS = 2_500;

/** A line of the log of a node. */
export interface Said {
  readonly node: NodeProcess;
  readonly line: LogLine;
}
/** 20 to 40 ticks of 50 ms until a silent leader is given up, and an exchange of votes. */
const ELECTION_MS = 2_500;

/** Real processes, with everything between them in our hands, and clients that write down. */
export class World {
  readonly cluster: NodeCluster;
  readonly edges: Edges;
  readonly members: Members;
  /** All that nodes have said, as it came. */
  readonly said: readonly Said[];
  readonly recorder: Recorder;
  readonly population: Population;
  /** Of the recorder, and of all that is written down beside it. */
  readonly clock: { readonly nowMs: number };
  /** What clients and nemeses have counted, by name. */
  readonly counts: Record<string, number>;
  /** What no node may say, by any rule of the protocol. */
  readonly strange: readonly string[];
  /** Why less can be said of this run. */
  readonly doubts: string[] = [];
  readonly directory: string;
  readonly footing: Footing;
  /** What a node that is to stand still reads: for how long. */
  readonly stallPath: string;
  /** So many that a node which is away for a while needs one. */
  readonly takesSnapshots: boolean;
  #isClosed = false;

  private constructor(
    parts: Pick<
      World,
      | ("cluster" | "edges" | "said" | "recorder" | "clock" | "population")
      | ("counts" | "strange" | "stallPath")
    >,
    { directory, nodes, footing, prng, snapshotBounds }: WorldOptions,
  ) {
    this.cluster = parts.cluster;
    this.edges = parts.edges;
    this.said = parts.said;
    this.recorder = parts.recorder;
    this.clock = parts.clock;
    this.population = parts.population;
    this.counts = parts.counts;
    this.strange = parts.strange;
    this.stallPath = parts.stallPath;
    this.takesSnapshots = snapshotBounds !== null;
    this.directory = directory;
    this.footing = footing;
    this.members = new Members({
      ...{ cluster: parts.cluster, edges: parts.edges, footing, prng },
      ...{ names: namesFrom(nodes, SPARES), strength: nodes },
      begin: (node) => this.#begin(node),
    });
  }

  /** None of it runs yet. */
  static async make(options: WorldOptions): Promise<World> {
    const { bin, nodes, directory, footing, prng } = options;
    const clock = new Stopwatch();
    const setup = {
      ...{ driftMax: 0, closeNoticeMs: CLOSE_NOTICE_MS, expirySlackMs: EXPIRY_SLACK_MS },
      electionMs: ELECTION_MS,
      hasNodeEvents: false,
    };
    const recorder = new Recorder(clock, setup, options.keep);
    const dataDirs = Array.from({ length: nodes }, (_, i) => footing.dataDir(`n${i + 1}`));
    let edges: Edges | null = null;
    const strange: string[] = [];
    const said: Said[] = [];
    const stallPath = join(directory, "stall-ms");
    const told: Told = { bin, stallPath, bounds: options.snapshotBounds };
    const counts: Record<string, number> = {};
    let population: Population | null = null;
    const cluster = await NodeCluster.make({
      directory,
      program: [`--import=${PRELOAD}`, bin],
      dataDirs,
      env: { [HARNESS]: JSON.stringify(told) },
      spares: namesFrom(nodes, SPARES),
      lay: async (targets) => {
        const onClientReset = (port: number): void => population?.wasReset(port);
        const spares = namesFrom(nodes, SPARES);
        const laid = await Edges.lay({ targets, spares, prng, onClientReset });
        edges = laid;
        return (from, to) => laid.address(from, to);
      },
      onLine: (line, node) => {
        const { msg, peer, address } = line;
        const { name } = node;
        said.push({ node, line });
        if (/^leader in term \d+$/.test(msg)) recorder.record({ type: "leader", node: name });
        if (msg === "listening") void edges?.admit(name);
        if (msg === "peer link is up" && address !== edges?.address(name, peer ?? "")) {
          strange.push(`${name} has a link to ${peer} that goes round the edges, at ${address}`);
        }
      },
    });
    const laid = edges as Edges | null;
    if (laid === null) throw new Error("no edges were laid");
    const client = (name: string): ClientOptions => ({
      ...{ name, urls: laid.clientUrls, recorder, clock, prng, applications: APPLICATIONS },
      ...{ ttlMs: TTL_MS, graceMs: GRACE_MS, operationMs: options.operationMs },
      count: (what) => {
        counts[what] = (counts[what] ?? 0) + 1;
      },
      onStrange: (what) => void strange.push(what),
    });
    population = new Population(client);
    const ends = { population, counts, strange };
    const parts = { cluster, edges: laid, said, recorder, clock, stallPath, ...ends };
    return new World(parts, options);
  }

  /** Resolves when a leader was elected, and the clients are on their way. */
  async start(): Promise<void> {
    for (const node of this.nodes) this.#begin(node);
    await this.cluster.leader();
    await this.population.start();
  }

  /** Those that are to be members. */
  get nodes(): readonly NodeProcess[] {
    return this.members.wanted;
  }

  get operations(): number {
    return this.recorder.operations;
  }

  /** @throws Violation where it has ended by itself before. */
  async kill(node: NodeProcess): Promise<void> {
    this.cluster.checkRunning([node]);
    await this.edges.refuse(node.name);
    await node.kill();
    // A line that said that it listens may have been read meanwhile.
    await this.edges.refuse(node.name);
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
    const mayBe = this.members.isLeaving(node) ? [0, REMOVED, null] : [0, null];
    if (!mayBe.includes(node.exitCode)) throw new Violation("ended", node.end);
  }

  /**
   * Connections are let through to it once it listens.
   *
   * @throws Violation where its end was nobody's doing.
   */
  revive(node: NodeProcess): void {
    this.cluster.checkRunning([node]);
    if (!node.isRunning && this.members.mayRun(node)) this.#begin(node);
  }

  #begin(node: NodeProcess): void {
    if (this.#isClosed) return;
    node.start({
      wrapped: (argv) => [...DYING_WITH_PARENT, ...this.footing.under(node.name, argv)],
    });
    node.isBeingKilled = this.members.isLeaving(node);
  }

  /** Nobody of it is left running, and nobody is started any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.population.kill();
    this.footing.thaw();
    for (const node of this.cluster.nodes) node.signal("SIGCONT");
    await this.cluster.kill();
    await this.edges.close();
    await this.footing.close();
  }
}

/** n4, n5, … behind n3. */
function namesFrom(before: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `n${before + 1 + i}`);
}

/** Milliseconds since the run began. */
class Stopwatch {
  readonly #startedMs = performance.now();

  get nowMs(): number {
    return performance.now() - this.#startedMs;
  }
}
