import { once } from "node:events";
import { createConnection, createServer, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { World } from "../../jepsen-lite/chaos/world.ts";
import { churn, halfOpen, lateBytes } from "../../jepsen-lite/nemeses/connections.ts";
import { flapping } from "../../jepsen-lite/nemeses/healing.ts";
import type { Evidence, Nemesis } from "../../jepsen-lite/nemeses/nemesis.ts";
import { corrupt, slow, storm, unheard } from "../../jepsen-lite/nemeses/network.ts";
import { partition } from "../../jepsen-lite/nemeses/partition.ts";
import { isGone, isStopped } from "../../jepsen-lite/nemeses/proc.ts";
import { Edges } from "../../jepsen-lite/net/edges.ts";
import { Prng } from "../../jepsen-lite/prng.ts";

const NAMES = ["n1", "n2"];
const accepted: Socket[] = [];
const server = createServer((socket) => {
  accepted.push(socket);
  socket.on("error", () => {});
});
let edges: Edges;

beforeEach(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const targets = new Map(NAMES.map((name) => [name, port]));
  edges = await Edges.lay({ targets, prng: new Prng(1) });
});

afterEach(async () => {
  await edges.close();
  for (const socket of accepted.splice(0)) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

/** Who talks without a pause, from n1 to n2. */
async function talking(): Promise<Socket> {
  const { hostname: host, port } = new URL(`tcp://${edges.address("n1", "n2")}`);
  const socket = createConnection({ host, port: Number(port), noDelay: true });
  socket.on("error", () => {});
  await once(socket, "connect");
  const timer = setInterval(() => socket.write("heartbeat"), 2);
  socket.once("close", () => clearInterval(timer));
  return socket;
}

async function evidenceOf({ strike }: Nemesis, seed = 1): Promise<Evidence | null> {
  const world = { edges, nodes: [], said: [] } as unknown as World;
  const struck = await strike(world, new Prng(seed));
  if (struck === null) return null;
  await new Promise((resolve) => setTimeout(resolve, 100));
  return await struck.end();
}

const ofEdges = [partition, flapping, slow, corrupt, unheard, storm, churn, halfOpen, lateBytes];

describe("a nemesis", () => {
  test.each(ofEdges.map((nemesis) => [nemesis.name, nemesis] as const))(
    "claims no effect where nobody says anything: %s",
    async (_, nemesis) => {
      for (const seed of [1, 2, 3]) expect(await evidenceOf(nemesis, seed)).toBeNull();
    },
  );

  test("counts what was cut of what is said", async () => {
    const socket = await talking();
    // One that cuts from n1 to n2.
    const cut = await evidenceOf(partition, 1);
    expect(cut).toMatchObject({ unit: "pieces held or dropped" });
    expect(cut?.count).toBeGreaterThan(3);
    socket.destroy();
  });

  test("that flips bits claims nothing until a node has complained", async () => {
    const socket = await talking();
    for (const seed of [1, 2, 3, 4]) expect(await evidenceOf(corrupt, seed)).toBeNull();
    socket.destroy();
  });

  test("knows from the kernel what has become of a process", () => {
    expect([isStopped(process.pid), isGone(process.pid)]).toEqual([false, false]);
    // Beyond what the kernel numbers.
    expect(isGone(2 ** 30)).toBe(true);
  });
});
