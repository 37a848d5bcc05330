import { setTimeout as sleep } from "node:timers/promises";
import type { Watcher } from "../bare/watcher.ts";
import type { World } from "../chaos/world.ts";
import { FAIR, type Weather } from "../net/weather.ts";
import type { Prng } from "../prng.ts";
import type { NodeProcess } from "../real/node-process.ts";
import { Violation } from "../real/violation.ts";
import { until } from "../real/wait.ts";
import { Cuts } from "./cuts.ts";
import { type Nemesis, seen } from "./nemesis.ts";
import { primaryOf } from "./targets.ts";

/** For the others to cut their logs behind it. */
const BEHIND_MS_MAX = 12_000;
/** For a snapshot, over a way that is narrow, from a leader that may be killed meanwhile. */
const INSTALL_MS_MAX = 20_000;
/** A snapshot of a short run takes about a second over it. */
const NARROW: Weather = { type: "slow", delayMs: 0, jitterMs: 0, bytesPerSecond: 40_000 };
const INTO_IT_MS = [50, 900] as const;
const DOWN_MS = [0, 400] as const;
const AGAIN_CHANCE = 300;
const RESET_MS_MAX = 3_000;

/**
 * A node is cut off, or killed, until the others have cut their logs, so that it needs a snapshot. It
 * comes over a narrow way, and meanwhile who sends or who receives it may be killed; perhaps all of
 * it once more. Whoever watches there is to be told that its list is void.
 */
export const snapshots: Nemesis = {
  name: "snapshots",
  doc: "A node needs a snapshot; meanwhile who sends or who receives it is killed.",
  on: "processes",
  // What its watchers are told is to reach them.
  // Watchers that stand still hear of no RESET.
  alsoOn: ["network", "sockets", "clients"],
  strike: async (world, prng) => {
    const primary = await primaryOf(world);
    const others = world.nodes.filter((node) => node !== primary && node.isRunning);
    if (primary === null || others.length < 2 || !world.takesSnapshots) return null;
    const victim = prng.pick(others);
    const leaving = prng.pick(["cut", "killed"] as const);
    const hit = prng.pick(["nobody", "sender", "receiver"] as const);
    const isTwice = prng.chance(AGAIN_CHANCE);
    const work = (async () => {
      const first = await left(world, prng, victim, { leaving, hit });
      const second = isTwice ? await left(world, prng, victim, { leaving, hit }) : NOTHING;
      return { installs: first.installs + second.installs, told: first.told + second.told };
    })();
    // What it fails with is thrown by whoever ends it.
    work.catch(() => {});
    return {
      what: `${victim.name} is ${leaving} until it needs a snapshot${isTwice ? ", twice" : ""}; killed meanwhile: ${hit}`,
      end: async () => {
        const { installs, told } = await work;
        return seen(installs, `snapshots installed, which ${told} watchers were told`);
      },
    };
  },
};

interface How {
  readonly leaving: "cut" | "killed";
  readonly hit: "nobody" | "sender" | "receiver";
}

interface Seen {
  readonly installs: number;
  /** Watchers that were told that their list is void. */
  readonly told: number;
}

const NOTHING: Seen = { installs: 0, told: 0 };

async function left(
  world: World,
  prng: Prng,
  victim: NodeProcess,
  { leaving, hit }: How,
): Promise<Seen> {
  const { names } = world.edges;
  const inward = names
    .filter((name) => name !== victim.name)
    .map((from) => [from, victim.name] as const);
  const cuts = new Cuts(world.edges, [
    ...inward,
    ...inward.map(([from, to]) => [to, from] as const),
  ]);
  const lastIndex = (await victim.view())?.lastIndex ?? null;
  const saidBefore = world.said.length;
  if (leaving === "cut") cuts.set({ type: "drop" });
  else await world.kill(victim);
  const isBehind = await until(BEHIND_MS_MAX, "the others to cut their logs", async () => {
    const view = await (await primaryOf(world))?.view();
    return lastIndex !== null && (view?.firstIndex ?? 0) > lastIndex + 1 ? true : null;
  }).catch(() => false);
  const watching = leaving === "cut" && hit !== "receiver" ? watchersOf(world, victim) : [];
  cuts.set(FAIR);
  cuts.set(NARROW, inward);
  world.revive(victim);
  await sleep(prng.between(...INTO_IT_MS));
  const struck = hit === "receiver" ? victim : hit === "sender" ? await primaryOf(world) : null;
  if (isBehind && struck !== null) {
    await world.kill(struck);
    await sleep(prng.between(...DOWN_MS));
    world.revive(struck);
  }
  const installs = (): number =>
    world.said
      .slice(saidBefore)
      .filter(({ node, line }) => node === victim && line.msg === "snapshot installed").length;
  const installed = async (): Promise<true | null> => (installs() > 0 ? true : null);
  if (isBehind) await until(INSTALL_MS_MAX, "a snapshot", installed).catch(() => {});
  cuts.set(FAIR);
  return { installs: installs(), told: installs() > 0 ? await told(watching, victim) : 0 };
}

interface Watching {
  readonly watcher: Watcher;
  readonly stream: number;
  readonly resets: number;
}

function watchersOf({ population, edges }: World, { name }: NodeProcess): Watching[] {
  return population.watchers
    .filter(({ url, isFed }) => url === edges.clientUrl(name) && isFed)
    .map((watcher) => ({ watcher, stream: watcher.stream, resets: watcher.resets }));
}

/** Each of these that has stayed where it was is told that what it has is void. */
async function told(watching: readonly Watching[], victim: NodeProcess): Promise<number> {
  for (const { watcher, stream, resets } of watching) {
    await until(RESET_MS_MAX, "a RESET", async () =>
      watcher.stream !== stream || watcher.resets > resets ? true : null,
    ).catch(() => {
      const what = `${victim.name} has installed a snapshot, and ${watcher.name}, which watches there, was not told`;
      throw new Violation("strange", what);
    });
  }
  return watching.filter(({ watcher, resets }) => watcher.resets > resets).length;
}
