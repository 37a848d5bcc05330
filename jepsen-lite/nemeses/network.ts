import { FAIR, type Weather } from "../net/weather.ts";
import type { Nemesis } from "./nemesis.ts";

/** Between nodes, both ways: late, and now and then much later than usual. */
export const slow: Nemesis = {
  name: "slow",
  doc: "What some nodes send each other is late, and some of it at 200 kB/s.",
  on: "network",
  strike: async ({ edges }, prng) => {
    const { names } = edges;
    const delayMs = prng.pick([20, 60, 150]);
    const weather: Weather = {
      ...{ type: "slow", delayMs, jitterMs: delayMs },
      bytesPerSecond: prng.pick([null, 200_000]),
    };
    const chosen = prng.shuffled(names).slice(0, prng.between(1, names.length));
    const each = (change: Weather): void => {
      for (const from of chosen) {
        for (const to of names) if (from !== to) edges.set(from, to, change);
      }
    };
    each(weather);
    return {
      what: `what ${chosen.join(", ")} send is late, ${delayMs} ms`,
      end: async () => each(FAIR),
    };
  },
};

/** Of what nodes send each other, now and then a bit is another one. */
export const corrupt: Nemesis = {
  name: "corrupt",
  doc: "Of what one node sends to the others, now and then a bit is another one.",
  on: "network",
  strike: async ({ edges }, prng) => {
    const from = prng.pick(edges.names);
    const perMille = prng.pick([5, 50, 500]);
    const others = edges.names.filter((name) => name !== from);
    for (const to of others) edges.set(from, to, { type: "corrupt", perMille });
    return {
      what: `${perMille} of 1,000 pieces that ${from} sends have a bit flipped`,
      end: async () => {
        for (const to of others) edges.set(from, to, FAIR);
      },
    };
  },
};

/** Every connection, of nodes and of clients, is reset at once. */
export const storm: Nemesis = {
  name: "storm",
  doc: "Every connection, of nodes and of clients, is reset at once.",
  on: "sockets",
  strike: async ({ edges }) => {
    const count = edges.resetAll();
    return count === 0 ? null : { what: `${count} connections reset`, end: async () => {} };
  },
};

/** One node and its clients hear nothing of each other; the other nodes hear it as ever. */
export const unheard: Nemesis = {
  name: "unheard",
  doc: "One node and its clients hear nothing of each other.",
  on: "sockets",
  strike: async ({ edges }, prng) => {
    const node = prng.pick(edges.names);
    edges.setClients(node, { type: prng.pick(["hold", "drop"] as const) });
    return {
      what: `the clients of ${node} are cut off`,
      end: async () => edges.setClients(node, FAIR),
    };
  },
};
