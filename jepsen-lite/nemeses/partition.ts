import { FAIR, type Weather } from "../net/weather.ts";
import { cutsOf, SHAPES } from "./cuts.ts";
import type { Nemesis } from "./nemesis.ts";

/** Cuts some of what the nodes send each other; their clients are not touched. */
export const partition: Nemesis = {
  name: "partition",
  doc: "Halves, the leader alone, deaf or mute, one that hears nobody, a bridge, a ring, a chain.",
  on: "network",
  strike: async (world, prng) => {
    const shape = prng.pick(SHAPES);
    const cuts = await cutsOf(shape, world, prng);
    if (cuts.ways.length === 0) return null;
    // Held, it arrives when the cut is over; dropped, the connection is broken off then.
    const weather: Weather = { type: prng.pick(["hold", "drop"] as const) };
    cuts.set(weather);
    return {
      what: `${shape} (${weather.type}): ${cuts}`,
      end: async () => {
        cuts.set(FAIR);
        return cuts.evidence;
      },
    };
  },
};
