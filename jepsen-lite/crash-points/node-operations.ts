import type { SnapshotLimits } from "../../src/replica/snapshot-taker.ts";
import { inspectDirectory } from "../../src/storage/inspection.ts";
import { command } from "../faults/command.ts";
import type { Edges } from "../net/edges.ts";
import { FAIR, type Weather } from "../net/weather.ts";
import type { Load } from "../real/load.ts";
import type { NodeCluster } from "../real/node-cluster.ts";
import type { NodeProcess } from "../real/node-process.ts";
import { until } from "../real/wait.ts";
import { kindOf, type Point } from "./points.ts";

/** Real nodes under load, of which one is down. */
export interface NodeWorld {
  readonly bin: string;
  readonly cluster: NodeCluster;
  /** Between the nodes; their clients go round them. */
  readonly edges: Edges;
  readonly load: Load;
  readonly victim: NodeProcess;
  readonly start: (node: NodeProcess) => void;
}

/** Something that happens to a real node between its start and its work. */
export interface NodeOperation {
  readonly name: string;
  readonly size: 1 | 3;
  /** Each time on directories that are made anew. */
  readonly isBirth?: true;
  /** Acknowledgements that are waited for behind it; more than that is other work. */
  readonly acks?: number;
  /** What the victim's log says where it has happened: without it, nothing was crashed. */
  readonly sign: RegExp;
  /** Of every node. */
  readonly limits: SnapshotLimits;
  /** Done before the victim is started. */
  readonly before: (world: NodeWorld) => Promise<void>;
  /** Of all points of a start and the work behind it: `isServing` since it has answered. */
  readonly isMeant: (point: Point, isServing: boolean) => boolean;
}

/** A log of a few hundred writes is long with these. */
const SHORT_LOGS: SnapshotLimits = {
  logBytesMin: 16 * 1024,
  tailBytes: 4 * 1024,
  laggardBytesMax: 8 * 1024,
  chunkBytes: 2 * 1024,
};
/** More than the followers' tail of such a log holds. */
const BEHIND_ACKS = 400;
/** No log is cut: a member that was sent a snapshot would have nothing to truncate. */
const LONG_LOGS: SnapshotLimits = { ...SHORT_LOGS, logBytesMin: Number.MAX_SAFE_INTEGER };

const TAIL_WRITES = 6;
/** In a new term, in the place of the tail. */
const TAKEOVER_ACKS = 20;
const TAIL_ATTEMPTS = 5;
const TAIL_MS_MAX = 60_000;
const ANSWER_MS_MAX = 3_000;

/**
 * Leaves a victim that is down with entries that nobody else has, while the others have gone on in a
 * later term with entries in their place. It led, was cut off from the others, and took writes that
 * it could not have acknowledged.
 */
async function leaveTail(world: NodeWorld): Promise<void> {
  for (let attempt = 1; attempt <= TAIL_ATTEMPTS; attempt += 1) {
    if (await hasLeftTail(world)) return;
  }
  throw new Error(`${world.victim.name} took nothing while it was cut off`);
}

/** False where it had stepped down before the writes came, or nothing of them was on its disk. */
async function hasLeftTail(world: NodeWorld): Promise<boolean> {
  const { cluster, edges, load, victim, start } = world;
  const others = cluster.nodes.filter((node) => node !== victim);
  start(victim);
  await cluster.up(cluster.nodes);
  await until(TAIL_MS_MAX, `${victim.name} to lead`, async () => {
    const leader = await cluster.leader();
    if (leader === victim) return true;
    await handOver(leader, victim);
    return null;
  });
  const writer = await load.lone(victim.url);
  const cut = (weather: Weather): void => {
    for (const { name } of others) {
      edges.set(victim.name, name, weather);
      edges.set(name, victim.name, weather);
    }
  };
  cut({ type: "drop" });
  const before = await victim.view();
  await writer.write(TAIL_WRITES);
  const leader = await cluster.leader(others);
  await load.more(TAKEOVER_ACKS);
  const after = await leader.view();
  await victim.kill();
  cut(FAIR);
  await writer.close();
  const { log } = await inspectDirectory(victim.dataDir);
  const [shared, end] = [before?.lastIndex ?? Number.POSITIVE_INFINITY, log?.lastIndex ?? 0];
  const isReplaced = (after?.commit ?? 0) >= end && (after?.term ?? 0) > (log?.lastTerm ?? 0);
  return end > shared && isReplaced;
}

async function handOver(from: NodeProcess, to: NodeProcess): Promise<void> {
  const query = `operation=transfer-leader&member=${to.name}`;
  const signal = AbortSignal.timeout(ANSWER_MS_MAX);
  const url = `http://127.0.0.1:${from.port}/v1/members?${query}`;
  // What is refused is asked again.
  await fetch(url, { method: "POST", signal }).catch(() => {});
}

export const nodeOperations: readonly NodeOperation[] = [
  {
    name: "node-birth",
    sign: /leader in term/,
    size: 1,
    limits: SHORT_LOGS,
    isBirth: true,
    acks: 20,
    before: async () => {},
    isMeant: () => true,
  },
  {
    name: "node-boot",
    sign: /leader in term/,
    size: 1,
    limits: SHORT_LOGS,
    before: async () => {},
    isMeant: (_, isServing) => !isServing,
  },
  {
    name: "node-load",
    sign: /snapshot taken/,
    size: 1,
    limits: SHORT_LOGS,
    before: async () => {},
    isMeant: (_, isServing) => isServing,
  },
  {
    name: "node-vote",
    sign: /(?:follower|leader) in term/,
    size: 3,
    limits: SHORT_LOGS,
    before: async ({ cluster, start }) => {
      await cluster.kill();
      for (const node of cluster.nodes.slice(1)) start(node);
    },
    isMeant: (point) => /vote|of files/.test(kindOf(point)),
  },
  {
    name: "node-install",
    sign: /snapshot installed/,
    size: 3,
    limits: SHORT_LOGS,
    before: ({ load }) => load.more(BEHIND_ACKS),
    isMeant: (point, isServing) => isServing || !/vote/.test(kindOf(point)),
  },
  {
    name: "node-truncate",
    sign: /caught up with the leader/,
    size: 3,
    limits: LONG_LOGS,
    acks: 20,
    before: leaveTail,
    isMeant: (point, isServing) => isServing || !/vote/.test(kindOf(point)),
  },
  {
    name: "node-return",
    sign: /back: the state of a peer/,
    size: 3,
    limits: SHORT_LOGS,
    before: async ({ bin, victim: { name, dataDir } }) => {
      await command(process.execPath, bin, "discard-state", "--id", name, "--data", dataDir);
    },
    isMeant: () => true,
  },
];
