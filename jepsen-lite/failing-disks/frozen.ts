import { setTimeout as sleep } from "node:timers/promises";
import type { Freezer } from "../faults/freezer.ts";
import type { World } from "../real/campaign.ts";
import type { Machine } from "../real/machines.ts";
import { progress } from "../real/progress.ts";
import { say } from "../real/run.ts";
import { Violation } from "../real/violation.ts";

const ACKS_MAX = 100;
const FROZEN_MS_MIN = 500;
/** In which a client is told what was on the disks before they froze. */
const ON_ITS_WAY_MS = 1_000;
/** Before the thaw, so that nothing is taken for an earlier answer that came of it. */
const MARGIN_MS = 300;

/**
 * The file systems stand still for a while: whoever writes waits, and goes on later. As long as one
 * of three does, the others go on, under another leader where it was the leader's.
 */
export async function frozen(
  freezer: Freezer,
  msMax: number,
  machines: readonly Machine[],
  world: World,
): Promise<string> {
  const { cluster, prng } = world;
  const ms = prng.between(FROZEN_MS_MIN, msMax);
  await progress(world, prng.between(1, ACKS_MAX));
  const { thawed } = await freezer.freeze(
    machines.map(({ disk }) => disk),
    ms,
  );
  say(`standing still: ${machines.map(({ node }) => node.name).join(", ")}`);
  const isAll = machines.length === cluster.machines.length;
  const meanwhile = isAll ? nothing(world, ms) : progress(world, 1);
  await Promise.all([thawed, meanwhile]);
  await progress(world, prng.between(1, ACKS_MAX));
  return `frozen for ${ms} ms`;
}

/** No disk takes anything for `ms` from now, so nothing may be acknowledged. */
async function nothing({ load }: World, ms: number): Promise<void> {
  const endMs = performance.now() + ms - MARGIN_MS;
  await sleep(ON_ITS_WAY_MS);
  const before = load.acknowledged;
  const waitMs = endMs - performance.now();
  if (waitMs <= 0) return;
  await sleep(waitMs);
  const isLate = performance.now() > endMs + MARGIN_MS / 2;
  const count = load.acknowledged - before;
  if (count > 0 && !isLate) {
    throw new Violation("undurable", `${count} while every disk stood still`, count);
  }
}
