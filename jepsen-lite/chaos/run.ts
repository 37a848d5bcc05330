import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { viewOf } from "../bare/messages.ts";
import { check } from "../checker/check.ts";
import type { Verdict } from "../checker/verdict.ts";
import type { Capabilities } from "../faults/capabilities.ts";
import type { Evidence, Nemesis, Struck } from "../nemeses/nemesis.ts";
import { snapshots } from "../nemeses/snapshots.ts";
import { Prng } from "../prng.ts";
import type { NodeProcess } from "../real/node-process.ts";
import type { SnapshotBounds } from "../real/preload-order.ts";
import { Violation } from "../real/violation.ts";
import { until } from "../real/wait.ts";
import { type Counts, countsOf } from "./counts.ts";
import { Footing } from "./footing.ts";
import { readHistory, writeHistory } from "./history-file.ts";
import { writeOrders } from "./orders.ts";
import { drawWindow, type Strike } from "./plan.ts";
import { World } from "./world.ts";

export interface RunOptions {
  readonly bin: string;
  readonly nodes: number;
  /** At the least; and until there were so many `operations`, but not longer than twice this. */
  readonly seconds: number;
  readonly operations: number;
  readonly seed: number;
  readonly nemeses: readonly Nemesis[];
  readonly directory: string;
  readonly capabilities: Capabilities;
  /** By name: why nemeses that were asked for are not among these. */
  readonly skipped: ReadonlyMap<string, string>;
  readonly freezerPath: string;
  readonly onProgress: (line: string) => void;
  /** Called with what ends all that is started from then on, for whoever is told to stop. */
  readonly onMade: (close: () => Promise<void>) => void;
}

/** What was done to the world, and when; milliseconds since the run began. */
export interface Disturbance {
  readonly nemesis: string;
  readonly what: string;
  readonly fromMs: number;
  /** Null where the run ended before. */
  readonly toMs: number | null;
  /** What was seen of its effect; null: nothing. */
  readonly evidence: Evidence | null;
}

export interface RunResult {
  readonly seed: number;
  readonly nodes: number;
  readonly outcome: "valid" | "invalid" | "unknown";
  /** What was broken, or why nothing can be said. */
  readonly why: readonly string[];
  readonly seconds: number;
  readonly operations: number;
  readonly acknowledged: number;
  readonly reads: number;
  readonly deliveries: number;
  readonly elections: number;
  /** By kind: what was asked and how it was answered, and what clients saw. */
  readonly counts: Counts;
  /** That took effect, and that did not, as far as was seen. */
  readonly faults: Readonly<Record<string, number>>;
  readonly faultsInVain: Readonly<Record<string, number>>;
  readonly looked: Verdict["looked"] | null;
  readonly machine: {
    /** By name; null where it was there, otherwise what was missing. */
    readonly capabilities: Readonly<Record<string, string | null>>;
    /** Nemeses that were asked for, and why they were not at work. */
    readonly skipped: Readonly<Record<string, string>>;
    /** By which the monotonic clock of each node was ahead. */
    readonly epochsSeconds: Readonly<Record<string, number>>;
  };
}

const OPERATION_MS = 12;
const SETTLE_MS_MAX = 30_000;
/** At the end some providers are gone for good: their sessions are to end, and nobody else's. */
const LEFT = 2;
/** Longer than their TTL and all that is allowed beyond it. */
const REST_MS = 7_000;
/** One more stands still for longer than its TTL, and is to be told so. */
const FROZEN_MS = 5_000;
const OPERATIONS_PER_SECOND_MIN = 100;
/** A node that is away for a second or two needs a snapshot then. */
export const SNAPSHOT_BOUNDS: SnapshotBounds = {
  logBytesMin: 48 * 1024,
  tailBytes: 8 * 1024,
  laggardBytesMax: 16 * 1024,
  chunkBytes: 2 * 1024,
};

/**
 * One run: real nodes and clients, disturbed as the seed says; then everything is whole again, all
 * that was asked for is answered, and the history is written down and judged from the file.
 */
export async function run(options: RunOptions): Promise<RunResult> {
  const { seed, nodes, seconds, operations, directory, onProgress } = options;
  const { capabilities, skipped } = options;
  const nemeses = options.nemeses.map(({ name }) => name);
  await writeOrders(directory, { nodes, seconds, operations, seed, nemeses });
  const prng = new Prng(seed);
  const disturbances: Disturbance[] = [];
  const broken: string[] = [];
  const startedMs = performance.now();
  const footing = await Footing.make({
    ...{ directory, capabilities, freezerPath: options.freezerPath, prng: new Prng(seed, 3) },
    names: Array.from({ length: nodes }, (_, i) => `n${i + 1}`),
    needed: new Set(options.nemeses.flatMap(({ needs = [] }) => needs)),
  });
  const world = await World.make({
    ...{ bin: options.bin, nodes },
    ...{ operationMs: OPERATION_MS, directory, footing, prng: new Prng(seed, 1) },
    snapshotBounds: nemeses.includes(snapshots.name) ? SNAPSHOT_BOUNDS : null,
  });
  const path = join(directory, "history.jsonl");
  options.onMade(async () => {
    await world.close();
    await writeHistory(path, world.recorder.history);
  });
  try {
    await world.start();
    const untilMs = startedMs + seconds * 1_000;
    const untilMsMax = untilMs + seconds * 1_000;
    const isOver = (): boolean => {
      const nowMs = performance.now();
      return nowMs >= untilMs && (world.operations >= operations || nowMs >= untilMsMax);
    };
    while (!isOver()) {
      await disturb(world, options.nemeses, prng, startedMs, disturbances, onProgress);
      const leftSeconds = Math.max(0, Math.round((untilMs - performance.now()) / 1_000));
      onProgress(
        `${world.operations} operations, ${disturbances.length} faults, ${world.cluster.leaderships.count} elections, ${leftSeconds} s left`,
      );
    }
    onProgress("healed; everything is to come to rest");
    await rest(world);
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    broken.push(`${error.kind}: ${error.message}`);
  } finally {
    await world.close();
    await writeHistory(path, world.recorder.history);
    await writeFile(join(directory, "faults.json"), JSON.stringify(disturbances, null, 2));
  }
  broken.push(...world.cluster.leaderships.faults.map((fault) => `two leaders: ${fault}`));
  const history = await readHistory(path);
  const verdict = check(history);
  const faults = counted(disturbances.filter(({ evidence }) => evidence !== null));
  const faultsInVain = counted(disturbances.filter(({ evidence }) => evidence === null));
  const { population } = world;
  const elections = world.cluster.leaderships.count;
  const why = [
    ...[...broken, ...world.strange],
    ...verdict.findings.map(({ promise, checker, what }) => `${promise} (${checker}): ${what}`),
  ];
  const doubts = [
    world.operations < Math.max(operations, OPERATIONS_PER_SECOND_MIN * seconds)
      ? "too few operations"
      : "",
    elections < 2 ? "the leader never changed" : "",
    Object.keys(faults).length === 0 ? "nothing took effect" : "",
    verdict.outcome === "unknown" ? "a checker had nothing to look at" : "",
  ].filter((doubt) => doubt !== "");
  const result: RunResult = {
    ...{ seed, nodes },
    outcome: why.length > 0 ? "invalid" : doubts.length > 0 ? "unknown" : "valid",
    why: why.length > 0 ? why : doubts,
    seconds: (performance.now() - startedMs) / 1_000,
    operations: world.operations,
    acknowledged: population.acknowledged,
    reads: population.reads,
    deliveries: population.deliveries,
    counts: countsOf(history, world.counts),
    ...{ elections, faults, faultsInVain, looked: verdict.looked },
    machine: {
      capabilities: Object.fromEntries(capabilities),
      skipped: Object.fromEntries(skipped),
      epochsSeconds: Object.fromEntries(footing.epochs),
    },
  };
  await writeFile(join(directory, "result.json"), JSON.stringify(result, null, 2));
  return result;
}

/** One window. */
async function disturb(
  world: World,
  nemeses: readonly Nemesis[],
  prng: Prng,
  startedMs: number,
  disturbances: Disturbance[],
  onProgress: (line: string) => void,
): Promise<void> {
  const { lengthMs, strikes } = drawWindow(nemeses, prng);
  const own = new Prng(prng.below(2 ** 32), 2);
  // All of them end before one of them fails this.
  const ends = await Promise.allSettled([
    sleep(lengthMs),
    ...strikes.map((strike) => carryOut(strike, world, own, startedMs, disturbances, onProgress)),
  ]);
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  world.cluster.checkRunning(world.nodes);
}

async function carryOut(
  { nemesis, atMs, forMs }: Strike,
  world: World,
  prng: Prng,
  startedMs: number,
  disturbances: Disturbance[],
  onProgress: (line: string) => void,
): Promise<void> {
  await sleep(atMs);
  const struck: Struck | null = await nemesis.strike(world, prng);
  if (struck === null) return;
  const fromMs = performance.now() - startedMs;
  const disturbance = {
    ...{ nemesis: nemesis.name, what: struck.what, fromMs },
    ...{ toMs: null, evidence: null },
  };
  const at = disturbances.push(disturbance) - 1;
  onProgress(`${nemesis.name}: ${struck.what}`);
  await sleep(forMs);
  const evidence = await struck.end();
  disturbances[at] = { ...disturbance, toMs: performance.now() - startedMs, evidence };
}

/** Whole again, and at full strength: all that was asked for is answered, the nodes agree, who is gone expires. */
async function rest(world: World): Promise<void> {
  world.edges.calm();
  world.cluster.checkRunning(world.nodes);
  for (const node of world.nodes) {
    node.signal("SIGCONT");
    world.revive(node);
  }
  const { providers, libraryProviders, consumers } = world.population;
  for (const provider of providers) {
    provider.thaw();
    provider.quiesce();
  }
  for (const provider of libraryProviders) provider.quiesce();
  const settled = async (): Promise<true | null> =>
    [...providers, ...libraryProviders].every(({ isSettled }) => isSettled) ? true : null;
  await promised("every provider to be answered", settled);
  await world.cluster.up(world.nodes);
  await world.members.restore();
  await world.cluster.settled(world.nodes);
  world.recorder.record({ type: "calm" });
  for (const provider of providers.slice(0, LEFT)) provider.kill();
  const [frozen, ...alive] = providers.slice(LEFT);
  const told = alive.map(({ endsTold }) => endsTold);
  const before = frozen?.endsTold ?? 0;
  frozen?.freeze(false);
  await sleep(FROZEN_MS);
  frozen?.thaw();
  await sleep(REST_MS - FROZEN_MS);
  await promised("every provider to be answered again", settled);
  if (frozen?.endsTold === before) {
    throw new Violation("strange", `${frozen.name} stood still for ${FROZEN_MS} ms, and lives on`);
  }
  const ended = alive.filter(({ endsTold }, i) => endsTold !== told[i]).map(({ name }) => name);
  if (ended.length > 0) {
    throw new Violation("strange", `nothing was disturbed, and the session of ${ended} has ended`);
  }
  await world.cluster.settled(world.nodes);
  for (const consumer of consumers) {
    await promised(`${consumer.name} to have what a read shows`, async () =>
      (await isCurrent(world, consumer)) ? true : null,
    );
  }
}

/** By a linearizable read of any node. */
async function isCurrent(
  world: World,
  watcher: World["population"]["consumers"][number],
): Promise<boolean> {
  const { application, protocol, meta } = watcher.selector;
  const query = new URLSearchParams({ application, ...(protocol !== null && { protocol }) });
  for (const [key, value] of meta) query.set(`meta.${key}`, value);
  const { port } = world.nodes[0] as NodeProcess;
  const response = await fetch(`http://127.0.0.1:${port}/v1/instances?${query}`);
  const { items } = (await response.json()) as { readonly items?: unknown };
  if (watcher.view === null || !Array.isArray(items)) return false;
  const shown = viewOf(items).map((row) => row.join());
  const held = [...watcher.view].map((row) => row.join());
  return shown.sort().join() === held.sort().join();
}

async function promised(what: string, ask: () => Promise<true | null>): Promise<void> {
  await until(SETTLE_MS_MAX, what, ask).catch((error) => {
    throw new Violation("stuck", String(error));
  });
}

function counted(disturbances: readonly Disturbance[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { nemesis } of disturbances) counts[nemesis] = (counts[nemesis] ?? 0) + 1;
  return counts;
}
