import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Capabilities } from "../faults/capabilities.ts";
import type { Event } from "../history.ts";
import type { Nemesis } from "../nemeses/nemesis.ts";
import { snapshots } from "../nemeses/snapshots.ts";
import { Prng } from "../prng.ts";
import type { SnapshotBounds } from "../real/preload-order.ts";
import { Violation } from "../real/violation.ts";
import { disturb } from "./disturb.ts";
import { Footing } from "./footing.ts";
import { HistoryWriter } from "./history-file.ts";
import { judged } from "./judged.ts";
import { writeOrders } from "./orders.ts";
import { Bag } from "./plan.ts";
import { rest } from "./rest.ts";
import {
  type Broken,
  type Disturbance,
  FILES,
  type RunResult,
  writeJson,
} from "./run-directory.ts";
import { Sampler } from "./sampler.ts";
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

const OPERATION_MS = 12;
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
  const { seed, nodes, seconds, operations, directory } = options;
  const names = options.nemeses.map(({ name }) => name);
  await writeOrders(directory, { nodes, seconds, operations, seed, nemeses: names });
  const disturbances: Disturbance[] = [];
  const broken: Broken[] = [];
  const writer = new HistoryWriter(join(directory, FILES.history));
  const world = await worldOf(options, (event) => writer.write(event));
  const { clock } = world;
  await writeFile(join(directory, FILES.schedule), "");
  const sampler = new Sampler(() => world.nodes, clock, join(directory, FILES.views));
  const ended = async (): Promise<void> => {
    await world.close();
    await sampler.end();
    await writer.end();
    await writeJson(join(directory, FILES.faults), disturbances);
  };
  // Whoever is told to stop and the run itself write the files once.
  let closing: Promise<void> | null = null;
  const close = (): Promise<void> => {
    closing ??= ended();
    return closing;
  };
  options.onMade(close);
  try {
    await world.start();
    await disturbed(world, options, disturbances);
    options.onProgress("healed; everything is to come to rest");
    await rest(world);
  } catch (error) {
    if (!(error instanceof Violation)) {
      for (const what of ofWorld(world)) options.onProgress(`before that: ${what}`);
      throw error;
    }
    broken.push({ what: `${error.kind}: ${error.message}`, atMs: clock.nowMs });
  } finally {
    await close();
  }
  for (const what of ofWorld(world)) broken.push({ what, atMs: null });
  return await judged(options, world, { disturbances, broken, seconds: clock.nowMs / 1_000 });
}

/** What is broken at no moment in particular. */
function ofWorld({ cluster, strange }: World): string[] {
  return [...cluster.leaderships.faults.map((fault) => `two leaders: ${fault}`), ...strange];
}

/** None of it runs yet. */
async function worldOf(options: RunOptions, keep: (event: Event) => void): Promise<World> {
  const { bin, nodes, directory, seed, nemeses, capabilities, freezerPath } = options;
  const footing = await Footing.make({
    ...{ directory, capabilities, freezerPath, prng: new Prng(seed, 3) },
    names: Array.from({ length: nodes }, (_, i) => `n${i + 1}`),
    needed: new Set(nemeses.flatMap(({ needs = [] }) => needs)),
  });
  return await World.make({
    ...{ bin, nodes, operationMs: OPERATION_MS, directory, footing, keep },
    prng: new Prng(seed, 1),
    snapshotBounds: nemeses.includes(snapshots) ? SNAPSHOT_BOUNDS : null,
  });
}

/** Window after window, until the time is over. */
async function disturbed(
  world: World,
  { seed, seconds, operations, nemeses, directory, onProgress }: RunOptions,
  disturbances: Disturbance[],
): Promise<void> {
  const prng = new Prng(seed);
  const bag = new Bag(nemeses);
  // How long nodes take to come up is no part of it.
  const untilMs = world.clock.nowMs + seconds * 1_000;
  const untilMsMax = untilMs + seconds * 1_000;
  const isOver = (): boolean => {
    const { nowMs } = world.clock;
    return nowMs >= untilMs && (world.operations >= operations || nowMs >= untilMsMax);
  };
  while (!isOver()) {
    await disturb({ world, bag, prng, directory, disturbances, onProgress });
    const leftSeconds = Math.max(0, Math.round((untilMs - world.clock.nowMs) / 1_000));
    const { count } = world.cluster.leaderships;
    onProgress(
      `${world.operations} operations, ${disturbances.length} faults, ${count} elections, ${leftSeconds} s left`,
    );
  }
}
