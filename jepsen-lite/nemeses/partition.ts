import type { World } from "../chaos/world.ts";
import { FAIR, type Weather } from "../net/weather.ts";
import type { Prng } from "../prng.ts";
import type { Nemesis } from "./nemesis.ts";
import { primaryOf } from "./targets.ts";

/** What one sends to the other does not arrive. */
type Cut = readonly [from: string, to: string];

const SHAPES = ["halves", "primary", "one-way", "bridge", "ring"] as const;

/** Cuts some of what the nodes send each other; their clients are not touched. */
export const partition: Nemesis = {
  name: "partition",
  doc: "Halves, the leader alone, one that hears nobody, a bridge, a ring; held or dropped.",
  on: "network",
  strike: async (world, prng) => {
    const { names } = world.edges;
    if (names.length < 2) return null;
    const shape = prng.pick(SHAPES);
    const cuts = await cutsOf(shape, world, prng);
    if (cuts.length === 0) return null;
    // Held, it arrives when the cut is over; dropped, the connection is broken off then.
    const weather: Weather = { type: prng.pick(["hold", "drop"] as const) };
    for (const [from, to] of cuts) world.edges.set(from, to, weather);
    return {
      what: `${shape} (${weather.type}): ${cuts.map(([from, to]) => `${from}>${to}`).join(" ")}`,
      end: async () => {
        for (const [from, to] of cuts) world.edges.set(from, to, FAIR);
      },
    };
  },
};

async function cutsOf(
  shape: (typeof SHAPES)[number],
  world: World,
  prng: Prng,
): Promise<readonly Cut[]> {
  const names = prng.shuffled(world.edges.names);
  switch (shape) {
    case "halves":
      return between(names.slice(0, names.length >> 1), names.slice(names.length >> 1));
    case "primary": {
      const primary = (await primaryOf(world))?.name;
      return primary === undefined ? [] : between([primary], without(names, primary));
    }
    case "one-way": {
      const deaf = prng.pick(names);
      return without(names, deaf).map((from) => [from, deaf]);
    }
    case "bridge": {
      const others = names.slice(1);
      return between(others.slice(0, others.length >> 1), others.slice(others.length >> 1));
    }
    default:
      return names.length < 4 ? [] : ring(names);
  }
}

/** Each hears its two neighbours, so each has a majority, and no two the same. */
function ring(names: readonly string[]): Cut[] {
  const count = names.length;
  return names.flatMap((from, at) =>
    names
      .filter((_, other) => ![0, 1, count - 1].includes((other - at + count) % count))
      .map((to): Cut => [from, to]),
  );
}

function between(one: readonly string[], other: readonly string[]): Cut[] {
  return one.flatMap((a) =>
    other.flatMap((b): Cut[] => [
      [a, b],
      [b, a],
    ]),
  );
}

function without(names: readonly string[], name: string): string[] {
  return names.filter((other) => other !== name);
}
