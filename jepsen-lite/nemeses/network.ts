import { type Toll, tollOf, tollSince } from "../net/toll.ts";
import { FAIR, type Weather } from "../net/weather.ts";
import { type Nemesis, seen } from "./nemesis.ts";

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
    const ways = chosen.flatMap((from) =>
      names.filter((to) => to !== from).map((to) => [from, to] as const),
    );
    const toll = (): Toll => tollOf(ways.map(([from, to]) => edges.toll(from, to)));
    const before = toll();
    for (const [from, to] of ways) edges.set(from, to, weather);
    return {
      what: `what ${chosen.join(", ")} send is late, ${delayMs} ms`,
      end: async () => {
        for (const [from, to] of ways) edges.set(from, to, FAIR);
        return seen(tollSince(before, toll()).late, "pieces late");
      },
    };
  },
};

/** Of what nodes send each other, now and then a bit is another one. */
export const corrupt: Nemesis = {
  name: "corrupt",
  doc: "Of what one node sends to the others, now and then a bit is another one.",
  on: "network",
  strike: async ({ edges, said }, prng) => {
    const from = prng.pick(edges.names);
    const perMille = prng.pick([5, 50, 500]);
    const others = edges.names.filter((name) => name !== from);
    const toll = (): Toll => tollOf(others.map((to) => edges.toll(from, to)));
    const [before, saidBefore] = [toll(), said.length];
    // On their own links, or on those of `from`, which carry its words too.
    const complaints = (): number =>
      said.slice(saidBefore).filter(({ line: { msg, peer }, node }) => {
        return (
          /^peer (?:link is (?:down|closed)|cannot be reached)/.test(msg) &&
          (peer === from || node.name === from)
        );
      }).length;
    for (const to of others) edges.set(from, to, { type: "corrupt", perMille });
    return {
      what: `${perMille} of 1,000 pieces that ${from} sends have a bit flipped`,
      end: async () => {
        for (const to of others) edges.set(from, to, FAIR);
        const { spoilt } = tollSince(before, toll());
        return seen(Math.min(spoilt, complaints()), "flipped bits that a node has met");
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
    const evidence = seen(count, "connections reset");
    return { what: `${count} connections reset`, end: async () => evidence };
  },
};

/** One node and its clients hear nothing of each other; the other nodes hear it as ever. */
export const unheard: Nemesis = {
  name: "unheard",
  doc: "One node and its clients hear nothing of each other.",
  on: "sockets",
  strike: async ({ edges }, prng) => {
    const node = prng.pick(edges.names);
    const before = edges.clientToll(node);
    edges.setClients(node, { type: prng.pick(["hold", "drop"] as const) });
    return {
      what: `the clients of ${node} are cut off`,
      end: async () => {
        edges.setClients(node, FAIR);
        const { held, lost } = tollSince(before, edges.clientToll(node));
        return seen(held + lost, "pieces held or dropped");
      },
    };
  },
};
