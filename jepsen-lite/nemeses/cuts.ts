import type { World } from "../chaos/world.ts";
import type { Edges } from "../net/edges.ts";
import { type Toll, tollOf, tollSince } from "../net/toll.ts";
import type { Weather } from "../net/weather.ts";
import type { Prng } from "../prng.ts";
import { type Evidence, seen } from "./nemesis.ts";
import { primaryOf } from "./targets.ts";

/** What one sends to the other does not arrive. */
export type Cut = readonly [from: string, to: string];

export const SHAPES = [
  ...["halves", "primary", "one-way", "bridge", "ring", "chain"],
  ...["mute-primary", "deaf-primary"],
] as const;

/** Some ways between nodes, and what they have cost since. */
export class Cuts {
  readonly ways: readonly Cut[];
  readonly #edges: Edges;
  readonly #before: Toll;

  constructor(edges: Edges, ways: readonly Cut[]) {
    this.#edges = edges;
    this.ways = ways;
    this.#before = this.#toll();
  }

  set(weather: Weather, ways: readonly Cut[] = this.ways): void {
    for (const [from, to] of ways) this.#edges.set(from, to, weather);
  }

  /** What has not come, or not in time. */
  get evidence(): Evidence | null {
    const { held, lost } = tollSince(this.#before, this.#toll());
    return seen(held + lost, "pieces held or dropped");
  }

  toString(): string {
    return this.ways.map(([from, to]) => `${from}>${to}`).join(" ");
  }

  #toll(): Toll {
    return tollOf(this.ways.map(([from, to]) => this.#edges.toll(from, to)));
  }
}

/** None where there is nothing to cut. */
export async function cutsOf(
  shape: (typeof SHAPES)[number],
  world: World,
  prng: Prng,
): Promise<Cuts> {
  return new Cuts(world.edges, await waysOf(shape, world, prng));
}

async function waysOf(
  shape: (typeof SHAPES)[number],
  world: World,
  prng: Prng,
): Promise<readonly Cut[]> {
  const names = prng.shuffled(world.edges.names);
  switch (shape) {
    case "halves":
      return between(names.slice(0, names.length >> 1), names.slice(names.length >> 1));
    case "primary":
    case "mute-primary":
    case "deaf-primary": {
      const primary = (await primaryOf(world))?.name;
      if (primary === undefined) return [];
      const others = without(names, primary);
      if (shape === "mute-primary") return others.map((to) => [primary, to]);
      if (shape === "deaf-primary") return others.map((from) => [from, primary]);
      return between([primary], others);
    }
    case "one-way": {
      const deaf = prng.pick(names);
      return without(names, deaf).map((from) => [from, deaf]);
    }
    case "bridge": {
      const others = names.slice(1);
      return between(others.slice(0, others.length >> 1), others.slice(others.length >> 1));
    }
    case "chain":
      return names.flatMap((from, at) =>
        names.filter((_, other) => Math.abs(at - other) > 1).map((to): Cut => [from, to]),
      );
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
