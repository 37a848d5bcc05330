import { once } from "node:events";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Edges } from "../../jepsen-lite/net/edges.ts";
import { Prng } from "../../jepsen-lite/prng.ts";

const NAMES = ["n1", "n2", "n3"];
const servers = new Map<string, Server>();
const sockets: Socket[] = [];
let edges: Edges;

beforeEach(async () => {
  const targets = new Map<string, number>();
  for (const name of [...NAMES, "n4"]) {
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => {});
      socket.write(name);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    servers.set(name, server);
    if (name !== "n4") targets.set(name, portOf(name));
  }
  edges = await Edges.lay({ targets, spares: ["n4", "n5"], prng: new Prng(1) });
});

afterEach(async () => {
  await edges.close();
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.values()) server.close();
});

function portOf(name: string): number {
  const address = servers.get(name)?.address();
  return typeof address === "object" ? (address?.port ?? 0) : 0;
}

/** Who answers there; null where nobody listens. */
async function answers(address: string): Promise<string | null> {
  const { hostname: host, port } = new URL(`tcp://${address}`);
  const socket = createConnection({ host, port: Number(port) });
  sockets.push(socket);
  return await new Promise((resolve) => {
    socket.once("data", (data) => resolve(String(data)));
    socket.once("error", () => resolve(null));
  });
}

describe("the edges of a cluster", () => {
  test("lead from each node to each other one, and from clients to each", async () => {
    for (const from of NAMES) {
      for (const to of NAMES.filter((name) => name !== from)) {
        expect(await answers(edges.address(from, to))).toBe(to);
      }
    }
    expect(await Promise.all(edges.clientUrls.map((url) => answers(new URL(url).host)))).toEqual(
      NAMES,
    );
  });

  test("grow with a node that joins, at the places that were known before", async () => {
    const [inward, outward] = [edges.address("n1", "n4"), edges.address("n4", "n1")];
    expect(await answers(inward)).toBeNull();
    await edges.grow("n4", portOf("n4"));
    expect(await answers(inward)).toBe("n4");
    expect(await answers(outward)).toBe("n1");
    expect(edges.clientUrls).toHaveLength(4);
    expect(edges.names).toEqual([...NAMES, "n4"]);
  });

  test("go with a node that is gone, and what it had open is broken off", async () => {
    const urls = edges.clientUrls;
    const { hostname: host, port } = new URL(`tcp://${edges.address("n1", "n2")}`);
    const open = createConnection({ host, port: Number(port) });
    sockets.push(open);
    await once(open, "data");
    const broken = once(open, "error");
    await edges.drop("n2");
    expect(await broken).toMatchObject([{ code: "ECONNRESET" }]);
    expect(await answers(edges.address("n1", "n2"))).toBeNull();
    expect(await answers(edges.address("n2", "n1"))).toBeNull();
    // The list that clients were given.
    expect(urls).toEqual([edges.clientUrl("n1"), edges.clientUrl("n3")]);
    expect(await answers(edges.address("n1", "n3"))).toBe("n3");
  });
});
