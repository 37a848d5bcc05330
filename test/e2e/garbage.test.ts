import { connect as dial } from "node:net";
import { pack } from "msgpackr";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK } from "../../src/wire/messages.ts";
import { Cluster, type ClusterNode } from "./cluster.ts";
import { within } from "./wait.ts";

let cluster: Cluster;
let node: ClusterNode;

beforeAll(async () => {
  cluster = await Cluster.start();
  node = await cluster.leader();
});

afterAll(async () => {
  await cluster.stop();
});

const HELLO = { type: "hello", versions: [1], client: { name: "t", version: "1", language: "t" } };

type Verdict =
  | { readonly type: "error"; readonly code: string }
  | { readonly type: "closed"; readonly code: number; readonly reason: string };

/** Sends frames; the node's first error, or its close, whichever comes. */
async function provoke(
  subprotocols: string[],
  frames: readonly (string | Uint8Array)[],
): Promise<Verdict> {
  const socket = new WebSocket(node.url, subprotocols, { maxPayload: 0 });
  socket.on("error", () => {});
  const verdict = new Promise<Verdict>((resolve) => {
    socket.on("message", (data, isBinary) => {
      const text = isBinary ? "" : String(data);
      const code = /"code":"([A-Z_]+)"/.exec(text)?.[1];
      if (code !== undefined) {
        resolve({ type: "error", code });
      }
    });
    socket.on("close", (code, reason) => resolve({ type: "closed", code, reason: String(reason) }));
  });
  await new Promise<void>((resolve) => socket.once("open", resolve));
  for (const frame of frames) {
    socket.send(frame);
  }
  try {
    return await within(15_000, "an error or a close", verdict);
  } finally {
    socket.terminate();
  }
}

const deep = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
const json = (value: unknown): string => JSON.stringify(value);
const get = (fields: object): string => json({ type: "get", id: 1, ...fields });

describe("garbage", () => {
  const cases: readonly [string, string[], readonly (string | Uint8Array)[]][] = [
    ["a truncated JSON frame", [SUBPROTOCOL_JSON], [json(HELLO).slice(0, 20)]],
    ["a truncated MessagePack frame", [SUBPROTOCOL_MSGPACK], [pack(HELLO).subarray(0, 9)]],
    ["random bytes", [SUBPROTOCOL_MSGPACK], [new Uint8Array([0xc1, 0xff, 0x91, 0x00])]],
    ["a million nested arrays", [SUBPROTOCOL_MSGPACK], [new Uint8Array(1_000_000).fill(0x91)]],
    ["a deep JSON nesting", [SUBPROTOCOL_JSON], [deep(10_000)]],
    ["a number for a hello", [SUBPROTOCOL_JSON], ["42"]],
    ["a request before the hello", [SUBPROTOCOL_JSON], [get({ selector: { application: "a" } })]],
    ["a wrong type", [SUBPROTOCOL_JSON], [json(HELLO), get({ selector: { application: 7 } })]],
    ["an unknown field", [SUBPROTOCOL_JSON], [json(HELLO), get({ selector: {}, extra: 1 })]],
    ["an unknown message", [SUBPROTOCOL_JSON], [json(HELLO), json({ type: "drop", id: 1 })]],
    [
      "a __proto__ key",
      [SUBPROTOCOL_JSON],
      [json(HELLO), '{"type":"get","id":1,"selector":{"application":"a","__proto__":{"x":"y"}}}'],
    ],
    [
      "a __proto__ key in the meta",
      [],
      ['{"application":"a","protocol":"http","addr":"h:1","meta":{"__proto__":"x"}}'],
    ],
    ["no version in common", [SUBPROTOCOL_JSON], [json({ ...HELLO, versions: [99] })]],
    ["a frame of 100 MB", [SUBPROTOCOL_JSON], ["x".repeat(100_000_000)]],
    ["plain nonsense", [], ["hello?"]],
    ["a plain register without an address", [], [json({ application: "a", protocol: "http" })]],
    ["text where bytes belong", [SUBPROTOCOL_MSGPACK], ["{}"]],
  ];

  test.each(cases)("%s is answered with an error or a close", async (_name, protocols, frames) => {
    const verdict = await provoke(protocols, frames);
    if (verdict.type === "closed") {
      expect(verdict.code).toBeGreaterThanOrEqual(1002);
      expect(verdict.code).not.toBe(1006);
    }
    expect((await node.status())?.role).toBe("leader");
  });

  test("handshakes that stop half-way are closed and cost nothing", async () => {
    const sockets = Array.from({ length: 50 }, () => dial(node.port, "127.0.0.1"));
    const closed = sockets.map(
      (socket) =>
        new Promise<void>((resolve) => {
          socket.on("error", () => {});
          socket.on("close", () => resolve());
          socket.write("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n");
          socket.resume();
        }),
    );
    await within(60_000, "the node to close them", Promise.all(closed));
    expect((await node.status())?.role).toBe("leader");
  });

  test("leaves every node running", () => {
    expect(cluster.nodes.every(({ isRunning }) => isRunning)).toBe(true);
  });
});
