import { setTimeout as sleep } from "node:timers/promises";
import type { World } from "./campaign.ts";
import { Violation } from "./violation.ts";

const PROGRESS_MS_MAX = 40_000;

/** So many acknowledgements, which a majority owes its clients. */
export async function progress({ cluster, load }: World, count: number): Promise<void> {
  const controller = new AbortController();
  const late = sleep(PROGRESS_MS_MAX, true, { signal: controller.signal }).catch(() => false);
  const isLate = await Promise.race([late, load.more(count).then(() => false)]);
  controller.abort();
  if (isLate) {
    cluster.checkRunning(cluster.machines);
    throw new Violation("stuck", `not ${count} acknowledgements within ${PROGRESS_MS_MAX} ms`);
  }
}
