import type { Answer } from "../chaos/members.ts";
import type { World } from "../chaos/world.ts";
import type { Prng } from "../prng.ts";
import { until } from "../real/wait.ts";
import { type Nemesis, seen } from "./nemesis.ts";
import { namesOf, selected } from "./targets.ts";

/** Nodes that come or go in one strike. */
const TOGETHER_MAX = 2;
/** There are so many more than at the least, at the most: 3 to 5. */
const RANGE = 2;
const LEAST_MAX = 3;
const REPLACE_MS_MAX = 30_000;
const HAND_MS_MAX = 5_000;

/** Something to do with members, in words; what it resolves with is undone by nobody. */
interface Change {
  readonly what: string;
  /**
   * Resolves when it was asked for; that it comes about is seen to at the end. With how many lead now
   * that were to lead.
   */
  readonly asked: Promise<number>;
}

/**
 * Nodes join, as voters or as learners to be promoted, are removed, the leader too, or dead; a dead
 * one is replaced in one step, and a named one is to lead. Whatever is asked for is asked by two
 * operators at once, over and over.
 */
export const members: Nemesis = {
  name: "members",
  doc: "Nodes join, are promoted, removed and replaced, dead or alive, and lead by name.",
  on: "members",
  strike: async (world, prng) => {
    const before = await votersOf(world);
    const change = before === null ? null : await drawn(world, prng);
    if (before === null || change === null) return null;
    change.asked.catch(() => {});
    return {
      what: change.what,
      end: async () => {
        const led = await change.asked;
        await world.members.settle();
        const after = (await votersOf(world)) ?? before;
        const changed = [...after, ...before].filter(
          (name) => after.includes(name) !== before.includes(name),
        );
        return (
          seen(changed.length, "voters come or gone") ?? seen(led, "that were to lead, and do")
        );
      },
    };
  },
};

async function drawn(world: World, prng: Prng): Promise<Change | null> {
  const count = world.nodes.length;
  const least = Math.min(LEAST_MAX, world.members.strength);
  const most = Math.max(world.members.strength, least + RANGE);
  const many = prng.between(1, TOGETHER_MAX);
  const kinds = [
    count < most ? "grow" : "shrink",
    count > least ? "shrink" : "grow",
    count < LEAST_MAX ? "grow" : "replace",
    "hand",
  ] as const;
  switch (prng.pick(kinds)) {
    case "grow":
      return await grow(world, prng, Math.min(many, most - count));
    case "shrink":
      return await shrink(world, prng, Math.min(many, count - least));
    case "replace":
      return await replace(world, prng);
    default:
      return hand(world, prng);
  }
}

async function grow({ members }: World, prng: Prng, count: number): Promise<Change | null> {
  const joined = [];
  for (let i = 0; i < count; i += 1) {
    const node = await members.join(prng.chance(500));
    if (node !== null) joined.push(node);
  }
  return joined.length === 0
    ? null
    : { what: `${namesOf(joined)} join`, asked: Promise.resolve(0) };
}

async function shrink(world: World, prng: Prng, count: number): Promise<Change | null> {
  const isDead = prng.chance(300);
  const [leader] = await selected(world, prng.pick(["primary", "one"] as const), prng);
  const others = prng.shuffled(world.nodes).filter((node) => node !== leader);
  const going = [...(leader === undefined ? [] : [leader]), ...others].slice(0, count);
  if (going.length === 0) return null;
  for (const node of going) world.members.condemn(node);
  if (isDead) await Promise.all(going.map((node) => world.kill(node)));
  const asked = (async () => {
    for (const { name } of going) await world.members.twice("remove", { member: name });
    return 0;
  })();
  return { what: `${namesOf(going)} removed${isDead ? ", killed before" : ""}`, asked };
}

/** Its disk is lost with it: it never comes back. */
async function replace(world: World, prng: Prng): Promise<Change | null> {
  const [lost] = await selected(world, prng.pick(["primary", "one"] as const), prng);
  const by = lost === undefined ? null : await world.members.join(true);
  if (lost === undefined || by === null) return null;
  world.members.condemn(lost);
  await world.members.forget(lost);
  const isDone = (answer: Answer | null): boolean =>
    answer !== null && [null, "notVoter", "notLearner"].includes(answer.reason);
  const done = async (): Promise<true | null> =>
    isDone(await world.members.twice("replace", { member: lost.name, by: by.name })) ? true : null;
  // What comes to nothing is made good in two steps.
  const asked = until(REPLACE_MS_MAX, "the replacement", done).then(
    () => 0,
    () => 0,
  );
  return { what: `${lost.name} is lost for good, ${by.name} takes its place`, asked };
}

function hand(world: World, prng: Prng): Change | null {
  const before = world.cluster.leaderships.last?.node;
  const others = world.nodes.filter((node) => node.name !== before);
  if (others.length === 0) return null;
  const { name } = prng.pick(others);
  const leads = async (): Promise<true | null> => {
    await world.members.twice("transfer-leader", { member: name });
    return world.cluster.leaderships.last?.node === name ? true : null;
  };
  // It may be down, or cut off: then nobody hands over to it.
  const asked = until(HAND_MS_MAX, `${name} to lead`, leads).then(
    () => 1,
    () => 0,
  );
  return { what: `${name} is asked to lead`, asked };
}

/** Names, by the word of who leads. */
async function votersOf({ members }: World): Promise<readonly string[] | null> {
  const listed = await members.listed();
  return listed?.filter(({ membership }) => membership === "voter").map(({ name }) => name) ?? null;
}
