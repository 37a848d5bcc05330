import { setTimeout as sleep } from "node:timers/promises";
import { FAIR, type Weather } from "../net/weather.ts";
import { cutsOf } from "./cuts.ts";
import type { Nemesis } from "./nemesis.ts";

/** From a fifth of a heartbeat to two. */
const FLAP_MS = [20, 200] as const;
const LATER_MS = [300, 2_500] as const;

/** A partition that comes and goes, faster than anybody can adapt to it. */
export const flapping: Nemesis = {
  name: "flapping",
  doc: "A partition that comes and goes, every 20 to 200 ms.",
  on: "network",
  strike: async (world, prng) => {
    const shape = prng.pick(["halves", "primary", "one-way", "mute-primary"] as const);
    const cuts = await cutsOf(shape, world, prng);
    if (cuts.ways.length === 0) return null;
    const weather: Weather = { type: prng.pick(["hold", "drop"] as const) };
    let isOver = false;
    const flapped = (async () => {
      while (!isOver) {
        cuts.set(weather);
        await sleep(prng.between(...FLAP_MS));
        cuts.set(FAIR);
        await sleep(prng.between(...FLAP_MS));
      }
    })();
    return {
      what: `${shape} (${weather.type}), on and off: ${cuts}`,
      end: async () => {
        isOver = true;
        await flapped;
        return cuts.evidence;
      },
    };
  },
};

/** A partition that heals one way first: for a while one side hears the other and is not heard. */
export const oneSidedHeal: Nemesis = {
  name: "one-sided-heal",
  doc: "A partition that heals one way first.",
  on: "network",
  strike: async (world, prng) => {
    const shape = prng.pick(["halves", "primary"] as const);
    const cuts = await cutsOf(shape, world, prng);
    if (cuts.ways.length === 0) return null;
    const weather: Weather = { type: prng.pick(["hold", "drop"] as const) };
    cuts.set(weather);
    // Both ways of a pair stand side by side.
    const firstHealed = prng.between(0, 1);
    const first = cuts.ways.filter((_, at) => at % 2 === firstHealed);
    return {
      what: `${shape} (${weather.type}), to heal one way first: ${cuts}`,
      end: async () => {
        cuts.set(FAIR, first);
        await sleep(prng.between(...LATER_MS));
        cuts.set(FAIR);
        return cuts.evidence;
      },
    };
  },
};
