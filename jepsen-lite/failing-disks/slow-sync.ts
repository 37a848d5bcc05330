import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Strace } from "../faults/tampering.ts";
import type { World } from "../real/campaign.ts";
import type { Machine } from "../real/machines.ts";
import { progress } from "../real/progress.ts";
import { Violation } from "../real/violation.ts";

const DELAYS_MS = [5, 50, 500, 5_000] as const;
const MEASURED_MS = 2_000;
const SETTLED_MS = 200;
/** Past which a leader's own disk counts as hanging, with what it takes to hand over. */
const GIVEN_UP_MS = 4_000;

/**
 * Every sync takes longer. One slow disk of three slows nobody down; a leader whose disk hangs leaves
 * it to another; where all are slow, the cluster is slow, and nothing worse.
 */
export async function slowSync(machines: readonly Machine[], world: World): Promise<string> {
  const { cluster, load, turn } = world;
  const delayMs = turn(DELAYS_MS);
  const isAll = machines.length === cluster.machines.length;
  const leads = await cluster.leader();
  // Being traced costs something too.
  const usual = await measured(machines, 0, MEASURED_MS, world);
  const slow = await measured(machines, delayMs, MEASURED_MS + 2 * delayMs, world, async () => {
    if (isAll || delayMs < GIVEN_UP_MS || !machines.includes(leads)) return;
    const others = cluster.machines.filter((machine) => machine !== leads);
    await cluster.leader(others);
  });
  if (slow.perSecond === 0 && !isAll) {
    throw new Violation("stuck", `${load.acknowledged} acknowledged, none with one slow disk`);
  }
  await progress(world, 1);
  const rate = `${usual.perSecond.toFixed(0)} → ${slow.perSecond.toFixed(0)} writes a second`;
  if (slow.p99Ms === null || usual.p99Ms === null) return `${delayMs} ms a sync; ${rate}`;
  const times = (slow.p99Ms / usual.p99Ms).toFixed(1);
  const p99 = `p99 ${usual.p99Ms.toFixed(0)} → ${slow.p99Ms.toFixed(0)} ms (x ${times})`;
  return `${delayMs} ms a sync; ${rate}, ${p99}`;
}

interface Measured {
  /** From call to answer; null where nothing was acknowledged. */
  readonly p99Ms: number | null;
  readonly perSecond: number;
}

async function measured(
  machines: readonly Machine[],
  delayMs: number,
  forMs: number,
  { load, place }: World,
  meanwhile: () => Promise<void> = async () => {},
): Promise<Measured> {
  const tampering = {
    calls: ["fdatasync", "fsync"],
    how: `delay_enter=${delayMs === 0 ? "1us" : `${delayMs}ms`}`,
    paths: null,
  };
  const straces = await Promise.all(
    machines.map(({ node }) => {
      return Strace.attach(node.pid, tampering, join(place, `strace-${node.name}`));
    }),
  );
  // Syncs that were under way are as fast as before.
  await sleep(delayMs === 0 ? 0 : SETTLED_MS);
  load.takeLatenciesMs();
  const startedMs = performance.now();
  await Promise.all([meanwhile(), sleep(forMs)]);
  const seconds = (performance.now() - startedMs) / 1000;
  const latenciesMs = [...load.takeLatenciesMs()].sort((a, b) => a - b);
  await Promise.all(straces.map((strace) => strace.detach()));
  return {
    p99Ms: latenciesMs[Math.floor(latenciesMs.length * 0.99)] ?? null,
    perSecond: latenciesMs.length / seconds,
  };
}
