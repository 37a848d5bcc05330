import { setTimeout as sleep } from "node:timers/promises";
import type { Scenario, World } from "../real/campaign.ts";
import type { Machine } from "../real/machines.ts";
import { progress } from "../real/progress.ts";

const ACKS_MAX = 200;
/** Behind an acknowledgement, and so behind a sync. */
const BEHIND_ACK_MS_MAX = 50;
const OFF_MS_MAX = 1_500;
const AGAIN_PER_MILLE = 250;
const AGAIN_MS_MAX = 1_000;

export const scenarios: readonly Scenario[] = [
  { name: "single", nodes: 1, round: all },
  { name: "follower", nodes: 3, round: follower },
  { name: "leader", nodes: 3, round: leader },
  { name: "majority", nodes: 3, round: majority },
  { name: "all", nodes: 3, round: all },
  { name: "in-turn", nodes: 3, round: inTurn },
  { name: "split", nodes: 3, round: split },
];

async function follower(world: World): Promise<void> {
  const { cluster, prng } = world;
  const leading = await cluster.leader();
  const others = cluster.machines.filter((machine) => machine !== leading);
  await oneWhileOthersGoOn(prng.pick(others), world);
}

async function leader(world: World): Promise<void> {
  await oneWhileOthersGoOn(await world.cluster.leader(), world);
}

async function oneWhileOthersGoOn(machine: Machine, world: World): Promise<void> {
  const { cluster, prng } = world;
  await drawnMoment(world);
  await cluster.cut([machine]);
  if (prng.chance(500)) await progress(world, prng.between(1, ACKS_MAX));
  await powerUp(machine, world);
}

/** The leader and another one, or both of the others. */
async function majority(world: World): Promise<void> {
  const { cluster, prng } = world;
  const leading = await cluster.leader();
  const others = prng.shuffled(cluster.machines.filter((machine) => machine !== leading));
  await blackout(prng.chance(500) ? others : [leading, ...others.slice(0, 1)], world);
}

async function all(world: World): Promise<void> {
  await blackout(world.cluster.machines, world);
}

/** At once, and back one by one in any order, in which the last may find the others at work. */
async function blackout(machines: readonly Machine[], world: World): Promise<void> {
  const { cluster, prng } = world;
  await drawnMoment(world);
  await cluster.cut(machines);
  const order = prng.shuffled(machines);
  const last = order.length === cluster.machines.length && prng.chance(500) ? order.splice(2) : [];
  for (const machine of order) {
    if (prng.chance(500)) await sleep(prng.below(OFF_MS_MAX));
    await powerUp(machine, world);
  }
  if (last.length > 0) {
    await progress(world, prng.between(1, ACKS_MAX));
    cluster.start(last);
  }
}

/**
 * One after the other, each off for a while, and the next goes before or after it has what it missed:
 * so each in turn lacks a tail that the other two have.
 */
async function inTurn(world: World): Promise<void> {
  const { cluster, prng } = world;
  for (const machine of prng.shuffled(cluster.machines)) {
    await aWhile(world);
    await cluster.cut([machine]);
    await aWhile(world);
    cluster.start([machine]);
  }
}

/**
 * What has split others: n1 stands still, n2 and n3 go on without it. The power of n2 fails, and n3
 * stands still too. Then n1 and n2 are a majority of which one never had the tail, and the other may
 * have lost it; n3 alone has it for certain.
 */
async function split(world: World): Promise<void> {
  const { cluster, load, prng } = world;
  const [behind, cut, ahead] = prng.shuffled(cluster.machines);
  if (behind === undefined || cut === undefined || ahead === undefined)
    throw new Error("not three");
  behind.node.signal("SIGSTOP");
  await drawnMoment(world);
  await cluster.cut([cut], () => ahead.node.signal("SIGSTOP"));
  behind.node.signal("SIGCONT");
  cluster.start([cut]);
  await progress(world, prng.between(1, ACKS_MAX));
  await load.pause();
  await cluster.check(load.ledger, [behind, cut]);
  load.go();
  await progress(world, 1);
  ahead.node.signal("SIGCONT");
}

/** Now and then it fails once more, before or soon after the node has read what there is. */
async function powerUp(machine: Machine, { cluster, prng }: World): Promise<void> {
  cluster.start([machine]);
  while (prng.chance(AGAIN_PER_MILLE)) {
    await sleep(prng.below(AGAIN_MS_MAX));
    await cluster.cut([machine]);
    cluster.start([machine]);
  }
}

async function drawnMoment(world: World): Promise<void> {
  const { prng } = world;
  await progress(world, prng.between(1, ACKS_MAX));
  await sleep(prng.below(BEHIND_ACK_MS_MAX));
}

/** Perhaps there is no majority meanwhile. */
async function aWhile({ load, prng }: World): Promise<void> {
  await Promise.race([load.more(prng.between(1, ACKS_MAX)), sleep(prng.below(OFF_MS_MAX))]);
}
