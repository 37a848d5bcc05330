import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { WebSocket } from "ws";
import { DESCRIPTORS_MIN } from "../../src/limits.ts";
import { BareClient, Cluster } from "./world.ts";

/** As many connections as leave no descriptor for a client, and as many as leave none for a peer. */
const CLIENTS_MAX = DESCRIPTORS_MIN / 2;
const CONNECTIONS_MAX = (DESCRIPTORS_MIN * 3) / 4;

let cluster: Cluster;
const silent: Socket[] = [];

beforeAll(async () => {
  cluster = await Cluster.make(1);
  await cluster.start("n1", {}, { openFilesMax: DESCRIPTORS_MIN });
  await cluster.until(() => cluster.isReady("n1"));
}, 20_000);

afterAll(async () => {
  for (const socket of silent) {
    socket.destroy();
  }
  await cluster.close();
});

async function crowd(count: number): Promise<void> {
  const [host, port] = cluster.address("n1").split(":");
  const joining = Array.from({ length: count }, () => {
    const socket = connect(Number(port), host);
    silent.push(socket);
    socket.on("error", () => {});
    return new Promise((resolve) => socket.once("connect", resolve));
  });
  await Promise.all(joining);
}

function upgrade(path: string): Promise<string> {
  const ws = new WebSocket(`ws://${cluster.address("n1")}${path}`);
  return new Promise((resolve) => {
    ws.once("open", () => {
      ws.terminate();
      resolve("open");
    });
    ws.once("error", (error) => resolve(error.message));
  });
}

it("a node without descriptors to spare refuses clients, and still takes peers and writes", async () => {
  const provider = await BareClient.open(cluster.address("n1"));
  await crowd(CLIENTS_MAX);
  expect(await upgrade("/")).toContain("503");
  expect(await upgrade("/peer")).toBe("open");
  await crowd(CONNECTIONS_MAX);
  expect(await upgrade("/peer")).toMatch(/ECONNRESET|hang up/);
  provider.send({ application: "a", protocol: "http", addr: "h:1" });
  expect(await provider.next()).toMatchObject({ ok: true });
  const refused = cluster.log.lines.filter(({ message }) => message.startsWith("refuses clients"));
  expect(refused).toHaveLength(1);
  await provider.close();
});
