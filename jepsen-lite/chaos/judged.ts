import { join } from "node:path";
import { judge } from "../checker/judge.ts";
import type { History } from "../history.ts";
import { writeReport } from "../report/write.ts";
import { countsOf } from "./counts.ts";
import { readHistory } from "./history-file.ts";
import { outcomeOf } from "./outcome.ts";
import type { RunOptions } from "./run.ts";
import {
  type Broken,
  type Disturbance,
  FILES,
  type RunResult,
  writeJson,
} from "./run-directory.ts";
import type { World } from "./world.ts";

const OPERATIONS_PER_SECOND_MIN = 100;

/** What the harness itself saw of a run. */
export interface Seen {
  readonly disturbances: readonly Disturbance[];
  readonly broken: readonly Broken[];
  /** How long it took. */
  readonly seconds: number;
}

/** What a run comes to, by the file of its history; in its directory, with the page. */
export async function judged(
  options: RunOptions,
  { operations, population, cluster, counts, footing, doubts: ofWorld }: World,
  { disturbances, broken, seconds }: Seen,
): Promise<RunResult> {
  const { directory, seed, nodes } = options;
  const history = await readHistory(join(directory, FILES.history));
  const judgement = judge(history);
  const faults = counted(disturbances.filter(({ evidence }) => evidence !== null));
  const faultsInVain = counted(disturbances.filter(({ evidence }) => evidence === null));
  const elections = cluster.leaderships.count;
  const operationsMin = Math.max(options.operations, OPERATIONS_PER_SECOND_MIN * options.seconds);
  const doubts = [
    operations < operationsMin ? "too few operations" : "",
    hasChanged(history, disturbances) ? "" : "the leader never changed",
    Object.keys(faults).length === 0 ? "nothing took effect" : "",
    ...ofWorld,
  ].filter((doubt) => doubt !== "");
  const { acknowledged, reads, deliveries } = population;
  const result: RunResult = {
    ...{ seed, nodes },
    ...outcomeOf({ broken, doubts }, judgement),
    ...{ broken, doubts, seconds, operations },
    ...{ acknowledged, reads, deliveries, elections },
    ...{ faults, faultsInVain, counts: countsOf(history, counts) },
    ...{ looked: judgement.looked, bounds: judgement.bounds, referee: judgement.referee },
    machine: {
      capabilities: Object.fromEntries(options.capabilities),
      skipped: Object.fromEntries(options.skipped),
      epochsSeconds: Object.fromEntries(footing.epochs),
    },
  };
  await writeJson(join(directory, FILES.result), result);
  await writeJson(join(directory, FILES.verdict), judgement);
  await writeReport(directory, history);
  return result;
}

/** Whether another node led than before, behind the first disturbance. */
function hasChanged(history: History, [first]: readonly Disturbance[]): boolean {
  const leaders = history.filter((event) => event.type === "leader");
  const before = leaders.findLast(({ atMs }) => atMs < (first?.fromMs ?? 0));
  return leaders.some(({ atMs, node }) => {
    return first !== undefined && atMs >= first.fromMs && node !== before?.node;
  });
}

function counted(disturbances: readonly Disturbance[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { nemesis } of disturbances) counts[nemesis] = (counts[nemesis] ?? 0) + 1;
  return counts;
}
