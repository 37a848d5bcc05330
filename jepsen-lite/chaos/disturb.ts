import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Struck } from "../nemeses/nemesis.ts";
import { Prng } from "../prng.ts";
import { Violation } from "../real/violation.ts";
import { lineOf } from "./json-lines.ts";
import { type Bag, drawWindow, type Strike } from "./plan.ts";
import { type Disturbance, type DrawnWindow, FILES } from "./run-directory.ts";
import type { World } from "./world.ts";

export interface Disturbing {
  readonly world: World;
  readonly bag: Bag;
  readonly prng: Prng;
  readonly directory: string;
  /** What was done is added. */
  readonly disturbances: Disturbance[];
  readonly onProgress: (line: string) => void;
}

/** One window. */
export async function disturb(disturbing: Disturbing): Promise<void> {
  const { world, bag, prng, directory } = disturbing;
  const { lengthMs, strikes } = drawWindow(bag, prng);
  const drawn = strikes.map(({ nemesis, ...when }) => ({ nemesis: nemesis.name, ...when }));
  const window: DrawnWindow = { atMs: world.clock.nowMs, lengthMs, strikes: drawn };
  await appendFile(join(directory, FILES.schedule), lineOf(window));
  const own = new Prng(prng.below(2 ** 32), 2);
  // All of them end before one of them fails this.
  const ends = await Promise.allSettled([
    sleep(lengthMs),
    ...strikes.map((strike) => carryOut(strike, own, disturbing)),
  ]);
  // A node that has ended by itself is why the rest has failed.
  world.cluster.checkRunning(world.nodes);
  const failures = ends.flatMap((end) => (end.status === "rejected" ? [end.reason] : []));
  const [failure] = [...failures.filter((reason) => reason instanceof Violation), ...failures];
  if (failure !== undefined) throw failure;
}

async function carryOut(
  { nemesis, atMs, forMs }: Strike,
  prng: Prng,
  { world, disturbances, onProgress }: Disturbing,
): Promise<void> {
  await sleep(atMs);
  const fromMs = world.clock.nowMs;
  const struck: Struck | null = await nemesis.strike(world, prng);
  if (struck === null) return;
  const { name, on } = nemesis;
  const disturbance = {
    ...{ nemesis: name, on, what: struck.what, fromMs },
    ...{ toMs: null, evidence: null },
  };
  const at = disturbances.push(disturbance) - 1;
  onProgress(`${name}: ${struck.what}`);
  await sleep(forMs);
  const evidence = await struck.end();
  disturbances[at] = { ...disturbance, toMs: world.clock.nowMs, evidence };
}
