import { setTimeout as sleep } from "node:timers/promises";
import type { World } from "../chaos/world.ts";
import type { Connection } from "../net/connection.ts";
import { FAIR } from "../net/weather.ts";
import type { Prng } from "../prng.ts";
import { type Nemesis, seen } from "./nemesis.ts";

const CHURN_MS = [200, 1_000] as const;
/** Long enough for something to be under way on every connection: some heartbeats. */
const UNDER_WAY_MS = 300;
/** For a socket that was reset to be closed. */
const CLOSING_MS = 50;
const DROP = { type: "drop" } as const;
const HOLD = { type: "hold" } as const;

/** All connections between nodes are reset, about every second, for a while. */
export const churn: Nemesis = {
  name: "churn",
  doc: "All connections between nodes are reset, over and over.",
  on: "sockets",
  strike: async ({ edges }, prng) => {
    let isOver = false;
    let count = 0;
    const churned = (async () => {
      while (!isOver) {
        const standing = edges.peerConnections;
        for (const connection of standing) connection.reset();
        count += standing.length;
        await sleep(prng.between(...CHURN_MS));
      }
    })();
    return {
      what: "connections between nodes are reset, over and over",
      end: async () => {
        isOver = true;
        await churned;
        return seen(count, "connections reset");
      },
    };
  },
};

/** Of each connection one end is gone, and the other one is never told: whatever it sends is lost. */
export const halfOpen: Nemesis = {
  name: "half-open",
  doc: "One end of connections is gone, and the other one is never told.",
  on: "sockets",
  strike: async (world, prng) => {
    const { what, connections } = chosen(world, prng);
    const end = prng.pick(["dialler", "dialled"] as const);
    for (const connection of connections) {
      connection.keepApart({ there: DROP, back: DROP });
      connection.breakOff(end);
    }
    await sleep(CLOSING_MS);
    const count = connections.filter(({ isHalfOpen }) => isHalfOpen).length;
    return {
      what: `${what}: the ${end === "dialler" ? "dialled" : "dialling"} end stays open`,
      end: async () => {
        for (const connection of connections) connection.reset();
        return seen(count, "connections half open");
      },
    };
  },
};

/**
 * What was under way on a connection comes when its dialler has long come back on another one: it
 * was cut off with bytes in flight, and they arrive late.
 */
export const lateBytes: Nemesis = {
  name: "late-bytes",
  doc: "What was sent on connections comes late, when their diallers have come back on others.",
  on: "sockets",
  strike: async (world, prng) => {
    const { what, connections } = chosen(world, prng);
    for (const connection of connections) connection.keepApart({ there: HOLD, back: DROP });
    await sleep(UNDER_WAY_MS);
    const pieces = connections.reduce((sum, { waiting }) => sum + waiting, 0);
    for (const connection of connections) connection.breakOff("dialler");
    return {
      what: `${what}: what they had sent comes late, behind their next connection`,
      end: async () => {
        for (const connection of connections) connection.release();
        await sleep(CLOSING_MS);
        for (const connection of connections) connection.reset();
        return seen(pieces, "pieces behind a newer connection");
      },
    };
  },
};

/** Who dials a node is taken, and hears nothing: as of a machine that hangs. */
export const silentPeer: Nemesis = {
  name: "silent-peer",
  doc: "One node takes connections of the others, and says nothing on them.",
  on: "network",
  alsoOn: ["sockets"],
  strike: async ({ edges }, prng) => {
    const to = prng.pick(edges.names);
    const dialled = edges.names.flatMap((from) => edges.between(from, to) ?? []);
    const before = dialled.reduce((sum, { accepted }) => sum + accepted, 0);
    const each = (weather: typeof HOLD | typeof FAIR): void => {
      for (const edge of dialled)
        for (const way of ["there", "back"] as const) edge.set(way, weather);
    };
    each(HOLD);
    for (const edge of dialled) edge.reset();
    return {
      what: `${to} takes connections of the others, and is silent`,
      end: async () => {
        const count = dialled.reduce((sum, { accepted }) => sum + accepted, 0) - before;
        each(FAIR);
        return seen(count, "dials taken in silence");
      },
    };
  },
};

/** A node refuses the others: what stands is broken off, and nothing new is taken. */
export const refusing: Nemesis = {
  name: "refusing",
  doc: "One node breaks off the connections of others, and refuses new ones.",
  on: "sockets",
  strike: async ({ edges, said }, prng) => {
    const [to = "", ...others] = prng.shuffled(edges.names);
    const from = others.slice(0, prng.between(1, others.length));
    const barred = from.flatMap((name) => edges.between(name, to) ?? []);
    const saidBefore = said.length;
    for (const edge of barred) {
      await edge.refuse("barred");
      edge.reset();
    }
    const refused = (): number =>
      said.slice(saidBefore).filter(({ node, line: { msg, peer } }) => {
        return from.includes(node.name) && peer === to && /ECONNREFUSED/.test(msg);
      }).length;
    return {
      what: `${to} refuses ${from.join(", ")}`,
      end: async () => {
        for (const edge of barred) await edge.admit("barred");
        return seen(refused(), "dials refused, by the word of who dialled");
      },
    };
  },
};

/** Those between nodes, or those of the clients of one. */
function chosen(
  { edges }: World,
  prng: Prng,
): { readonly what: string; readonly connections: readonly Connection[] } {
  const node = prng.pick([null, ...edges.names]);
  return node === null
    ? { what: "all connections between nodes", connections: edges.peerConnections }
    : { what: `the clients of ${node}`, connections: edges.clientConnections(node) };
}
