import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { viewOf } from "../bare/messages.ts";
import type { NodeProcess } from "../real/node-process.ts";
import { Violation } from "../real/violation.ts";
import { until } from "../real/wait.ts";
import type { World } from "./world.ts";

const SETTLE_MS_MAX = 30_000;
const ANSWER_MS_MAX = 3_000;
/** A client that stands still for longer, with all of this process, may lose its session rightly. */
const STALL_MS_MAX = 1_000;
/** At the end some providers are gone for good: their sessions are to end, and nobody else's. */
const LEFT = 2;
/** Longer than their TTL and all that is allowed beyond it. */
const REST_MS = 7_000;
/** One more stands still for longer than its TTL, and is to be told so. */
const FROZEN_MS = 5_000;

/**
 * Whole again, and at full strength: all that was asked for is answered, the nodes agree, who is gone
 * expires, and everybody who watches knows what there is.
 *
 * @throws Violation where that does not come about.
 */
export async function rest(world: World): Promise<void> {
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
  await onlyTheGoneEnd(world, settled);
  await world.cluster.settled(world.nodes);
  for (const consumer of consumers) {
    await promised(`${consumer.name} to have what a read shows`, async () =>
      (await isCurrent(world, consumer)) ? true : null,
    );
  }
}

/** Of the sessions that there are, where nothing is disturbed. */
async function onlyTheGoneEnd(
  { population: { providers }, doubts }: World,
  settled: () => Promise<true | null>,
): Promise<void> {
  const stalls = monitorEventLoopDelay();
  stalls.enable();
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
  stalls.disable();
  const stallMs = Math.round(stalls.max / 1e6);
  if (stallMs > STALL_MS_MAX) doubts.push(`the harness itself stood still for ${stallMs} ms`);
  else if (ended.length > 0) {
    throw new Violation("strange", `nothing was disturbed, and the session of ${ended} has ended`);
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
  const signal = AbortSignal.timeout(ANSWER_MS_MAX);
  const answer = await fetch(`http://127.0.0.1:${port}/v1/instances?${query}`, { signal })
    .then((response) => response.json() as Promise<{ readonly items?: unknown }>)
    .catch(() => null);
  const items = answer?.items;
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
