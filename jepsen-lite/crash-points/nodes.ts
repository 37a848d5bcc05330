import { mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { DYING_WITH_PARENT } from "../faults/dying-with.ts";
import { killedAt, syscallsIn, traced } from "../faults/strace.ts";
import { Edges } from "../net/edges.ts";
import { Prng } from "../prng.ts";
import { Load } from "../real/load.ts";
import { type Dialled, NodeCluster } from "../real/node-cluster.ts";
import type { NodeProcess } from "../real/node-process.ts";
import { Violation } from "../real/violation.ts";
import { voteOnDisk } from "../real/vote-on-disk.ts";
import { until } from "../real/wait.ts";
import type { Site } from "./campaign.ts";
import type { StepMoment } from "./failpoint.ts";
import type { NodeOperation, NodeWorld } from "./node-operations.ts";
import { kindOf, momentOf, type Point, pointsOfCalls, pointsOfSteps, without } from "./points.ts";
import { NODE_ORDER, type NodeOrder } from "./preload.ts";
import { passedIn } from "./told.ts";

const PRELOAD = new URL("preload.js", import.meta.url).href;
const BIN = fileURLToPath(new URL("../../../bin/rollcall.js", import.meta.url));
/** What a run does before it has come to its end without a crash. */
const WORK_ACKS = 300;
const FIRST_ACKS = 100;
const WORK_MS_MAX = 30_000;
const SIGN_MS_MAX = 60_000;
const PROGRESS_MS_MAX = 40_000;

/** An operation of a real node in a cluster that lives through all of its crashes. */
export class Nodes implements Site {
  readonly #place: string;
  readonly #operation: NodeOperation;
  readonly #prng: Prng;
  #world: NodeWorld | null = null;
  #worlds = 0;
  /** What was acknowledged in the run that showed the points. */
  #acks = WORK_ACKS;

  /** All of it is in `directory`. */
  constructor(directory: string, operation: NodeOperation, seed: number) {
    this.#place = directory;
    this.#operation = operation;
    this.#prng = new Prng(seed);
  }

  get name(): string {
    return this.#operation.name;
  }

  async points(type: Point["type"]): Promise<readonly Point[]> {
    const file = join(this.#place, type);
    const wrapped = (argv: readonly string[]) => traced(file, argv);
    try {
      return type === "step"
        ? await this.#listed(file, { steps: file }, (text) => pointsOfSteps(passedIn(text)))
        : await this.#listed(file, { wrapped }, (text, path) =>
            pointsOfCalls(syscallsIn(text), path),
          );
    } finally {
      // Others are listed meanwhile, and want the machine; one node that is down takes no load.
      if (this.#operation.size > 1) await this.#world?.load.pause();
    }
  }

  async crash(point: Point): Promise<boolean> {
    try {
      return await this.#crash(point);
    } catch (error) {
      // The next one begins with a cluster in which nothing is broken.
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    const world = this.#world;
    this.#world = null;
    if (world === null) return;
    await world.cluster.kill();
    await world.load.close();
    await world.edges.close();
  }

  async #crash(point: Point): Promise<boolean> {
    const world = await this.#worldBefore();
    const { victim } = world;
    if (point.type === "step") this.#start(victim, { moment: point.moment });
    else {
      const moment = await momentOf(point, victim.dataDir);
      this.#start(victim, { wrapped: (argv) => killedAt(moment, argv) });
    }
    victim.isBeingKilled = true;
    await Promise.race([victim.ended, this.#work(world, 2 * this.#acks)]);
    const isKilled = !victim.isRunning;
    await victim.kill();
    await this.#judge(world);
    return isKilled;
  }

  /** A start of the victim that nobody kills, and the points of what is in `file` then. */
  async #listed(
    file: string,
    how: Partial<Armed>,
    pointsOf: (text: string, path: string) => Point[],
  ): Promise<Point[]> {
    const world = await this.#worldBefore();
    const { cluster, load, victim } = world;
    const { isMeant, sign, name } = this.#operation;
    const said = await sizeOf(victim.logPath);
    this.#start(victim, how);
    await cluster.up([victim]);
    const size = await sizeOf(file);
    const acknowledged = load.acknowledged;
    await this.#work(world, this.#operation.acks ?? WORK_ACKS);
    // Otherwise nothing of it is crashed.
    await until(SIGN_MS_MAX, `${name}: ${sign}`, async () =>
      sign.test(await logOf(victim, said)) ? true : null,
    );
    this.#acks = load.acknowledged - acknowledged;
    victim.isBeingKilled = true;
    await victim.kill();
    const text = await readFile(file, "utf8");
    await this.#judge(world);
    const atStart = pointsOf(text.slice(0, size), victim.dataDir);
    const behind = without(pointsOf(text, victim.dataDir), atStart);
    return early([
      ...atStart.filter((point) => isMeant(point, false)),
      ...behind.filter((point) => isMeant(point, true)),
    ]);
  }

  #start(
    victim: NodeProcess,
    { moment = null, steps = null, wrapped = dying }: Partial<Armed>,
  ): void {
    const order: NodeOrder = {
      path: victim.dataDir,
      moment,
      steps,
      limits: this.#operation.limits,
    };
    victim.start({ wrapped, env: { [NODE_ORDER]: JSON.stringify(order) } });
  }

  /** Resolves when all is well and much was done, or when it has taken long. */
  async #work({ cluster, load, victim }: NodeWorld, acks: number): Promise<void> {
    const done = (async () => {
      while (victim.isRunning && (await victim.view())?.isCaughtUp !== true) await sleep(20);
      await load.more(acks);
    })();
    await Promise.race([done, late(WORK_MS_MAX)]);
    cluster.checkRunning(cluster.nodes);
  }

  /** All that has to be there, behind a clean start of the victim, which is killed again then. */
  async #judge({ cluster, load, victim }: NodeWorld): Promise<void> {
    if (victim.exitCode !== null) throw new Violation("ended", victim.end);
    // Before there is a directory there is nothing that it could have forgotten.
    const isUnmade =
      this.#operation.isBirth === true && (await voteOnDisk(victim.dataDir)) === null;
    if (!isUnmade) await cluster.checkVotes([victim], cluster.elected);
    const said = await sizeOf(victim.logPath);
    this.#start(victim, {});
    await cluster.up(cluster.nodes);
    const log = await logOf(victim, said);
    // It would be mended from peers, without anything being lost.
    const mended =
      /^.*(?:the log is whole again|nobody has what is missing|unreadable, rewritten).*$/m.exec(
        log,
      );
    if (mended !== null) throw new Violation("refused", `it was called damaged: ${mended[0]}`);
    await load.pause();
    await cluster.check(load.ledger, cluster.nodes);
    load.go();
    const isLate = await Promise.race([load.more(1).then(() => false), late(PROGRESS_MS_MAX)]);
    if (isLate) throw new Violation("stuck", `no acknowledgement within ${PROGRESS_MS_MAX} ms`);
    await victim.kill();
  }

  /** With the victim down, and ready for the operation. */
  async #worldBefore(): Promise<NodeWorld> {
    if (this.#operation.isBirth === true) await this.close();
    this.#world ??= await this.#newWorld();
    this.#world.load.go();
    if (this.#operation.isBirth !== true) await this.#operation.before(this.#world);
    return this.#world;
  }

  async #newWorld(): Promise<NodeWorld> {
    this.#worlds += 1;
    const directory = join(this.#place, `world-${this.#worlds}`);
    await mkdir(directory);
    const names = Array.from({ length: this.#operation.size }, (_, i) => `n${i + 1}`);
    const dataDirs = names.map((name) => join(directory, name));
    const program = [`--import=${PRELOAD}`, BIN];
    let edges: Edges | null = null;
    const lay = async (targets: ReadonlyMap<string, number>): Promise<Dialled> => {
      const laid = await Edges.lay({ targets, prng: this.#prng });
      edges = laid;
      return (from, to) => laid.address(from, to);
    };
    const cluster = await NodeCluster.make({ directory, program, dataDirs, lay });
    const [victim] = cluster.nodes;
    const laid = edges as Edges | null;
    if (victim === undefined || laid === null) throw new Error("a cluster without nodes");
    const isBirth = this.#operation.isBirth === true;
    if (!isBirth) {
      for (const node of cluster.nodes) this.#start(node, {});
      await cluster.settled(cluster.nodes);
    }
    const load = await Load.start(cluster.urls, this.#prng);
    const start = (node: NodeProcess): void => this.#start(node, {});
    this.#world = { bin: BIN, cluster, edges: laid, load, victim, start };
    if (isBirth) return this.#world;
    await load.more(FIRST_ACKS);
    await victim.kill();
    return this.#world;
  }
}

/** Of a start of the victim. */
interface Armed {
  readonly moment: StepMoment | null;
  readonly steps: string | null;
  readonly wrapped: (argv: readonly string[]) => readonly string[];
}

/** The first two thirds of each kind: the next run may put more into one write, and write less often. */
function early(points: readonly Point[]): Point[] {
  const counts = new Map<string, number>();
  for (const point of points) counts.set(kindOf(point), (counts.get(kindOf(point)) ?? 0) + 1);
  const taken = new Map<string, number>();
  return points.filter((point) => {
    const kind = kindOf(point);
    taken.set(kind, (taken.get(kind) ?? 0) + 1);
    return (taken.get(kind) ?? 0) <= Math.ceil(((counts.get(kind) ?? 0) * 2) / 3);
  });
}

function dying(argv: readonly string[]): readonly string[] {
  return [...DYING_WITH_PARENT, ...argv];
}

/** What it has said since its log was that long. */
async function logOf({ logPath }: NodeProcess, said: number): Promise<string> {
  return (await readFile(logPath)).subarray(said).toString("utf8");
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => null))?.size ?? 0;
}

function late(ms: number): Promise<true> {
  return sleep(ms, true as const, { ref: false });
}
