import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { BareClient, Cluster, HELLO } from "./world.ts";

const JSON_PROTOCOL = ["rollcall.v1.json"];
const MSGPACK_PROTOCOL = ["rollcall.v1.msgpack"];

function nested(depth: number): string {
  return "[".repeat(depth) + "]".repeat(depth);
}

describe("bad input gets an error or a close, and stops nobody", () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await Cluster.started(1);
  }, 20_000);

  afterAll(async () => {
    // Whatever was sent: the node is there, answers, and has not ended.
    expect((await fetch(`http://${cluster.address("n1")}/readyz`)).status).toBe(200);
    await cluster.close();
  });

  const register = { type: "register", id: 5, seq: 1, low: 1 };
  const instance = { application: "a", protocol: "http", addr: "127.0.0.1:1" };

  it.each<[string, string]>([
    ["a number for the application", JSON.stringify({ ...register, ...instance, application: 1 })],
    ["an unknown field", JSON.stringify({ ...register, ...instance, colour: "red" })],
    ["an unknown type", JSON.stringify({ type: "drop", id: 5 })],
    ["a __proto__ key", `{"type":"ping","id":5,"__proto__":{"isAdmin":true}}`],
    [
      "a __proto__ key in meta",
      `{"type":"register","id":5,"seq":1,"low":1,"application":"a","protocol":"http","addr":"127.0.0.1:1","meta":{"__proto__":"x"}}`,
    ],
    ["meta that is no text", JSON.stringify({ ...register, ...instance, meta: { a: { b: 1 } } })],
    [
      "a name that is too long",
      JSON.stringify({ ...register, ...instance, application: "a".repeat(129) }),
    ],
    ["a fraction for the number", JSON.stringify({ ...register, ...instance, seq: 1.5 })],
  ])("%s: a reply with a code, the connection stays", async (_, text) => {
    const client = await BareClient.open(cluster.address("n1"), JSON_PROTOCOL);
    client.send(HELLO);
    await client.next();
    client.ws.send(text);
    expect(await client.next()).toMatchObject({
      type: "reply",
      id: 5,
      ok: false,
      error: {
        code: expect.stringMatching(/^(INVALID|TOO_LARGE|LIMIT)$/),
        message: expect.any(String),
      },
    });
    client.send({ type: "ping", id: 6 });
    expect(await client.next()).toMatchObject({ type: "pong", id: 6 });
    await client.close();
  });

  it.each<[string, string[], string | Uint8Array, number]>([
    ["no JSON", JSON_PROTOCOL, "{", 1007],
    ["deep nesting", JSON_PROTOCOL, nested(10_000), 1007],
    ["binary on a JSON connection", JSON_PROTOCOL, new Uint8Array([1, 2, 3]), 1007],
    ["text on a MessagePack connection", MSGPACK_PROTOCOL, "{}", 1007],
    ["truncated MessagePack", MSGPACK_PROTOCOL, new Uint8Array([0x85, 0xa4, 0x74]), 1007],
    [
      "an endless MessagePack array",
      MSGPACK_PROTOCOL,
      new Uint8Array([0xdd, 255, 255, 255, 255]),
      1007,
    ],
    ["a message before the hello", JSON_PROTOCOL, `{"type":"ping","id":1}`, 1008],
    [
      "a hello of an unknown version",
      JSON_PROTOCOL,
      JSON.stringify({ ...HELLO, versions: [99] }),
      1008,
    ],
    ["a hello that is none", JSON_PROTOCOL, `{"type":"hello"}`, 1008],
    ["too many messages in a frame", JSON_PROTOCOL, JSON.stringify(Array(1025).fill(HELLO)), 1009],
    ["a frame over the limit", JSON_PROTOCOL, "x".repeat(1024 * 1024 + 1), 1009],
    ["garbage on a plain connection", [], "\u0000", 1007],
  ])("%s: the connection is closed with a reason", async (_, subprotocols, frame, code) => {
    const client = await BareClient.open(cluster.address("n1"), subprotocols, () => null);
    client.ws.send(frame);
    const closed = await client.closed;
    expect(closed.code).toBe(code);
    if (code !== 1009 || typeof frame !== "string" || !frame.startsWith("x")) {
      expect(closed.reason).toMatch(/^[A-Z_]+: ./);
    }
  });

  it("100 MB in one frame are not read to the end", async () => {
    const client = await BareClient.open(cluster.address("n1"), JSON_PROTOCOL);
    client.ws.send(Buffer.alloc(100 * 1024 * 1024, 0x20));
    expect([1006, 1009]).toContain((await client.closed).code);
  });

  it("a typed client that says nothing is closed after the handshake time", async () => {
    const client = await BareClient.open(cluster.address("n1"), JSON_PROTOCOL);
    const closed = await client.closed;
    expect(closed).toEqual({ code: 1008, reason: "PROTOCOL: no frame within 5000 ms" });
  });

  it.each([
    ["a request that never ends", "GET / HTTP/1.1\r\nHost: x\r\n"],
    ["nothing at all", ""],
  ])(
    "a TCP connection with %s is closed",
    async (_, text) => {
      const [host = "", port = ""] = cluster.address("n1").split(":");
      const socket = connect(Number(port), host);
      socket.on("error", () => {});
      socket.write(text);
      socket.resume();
      await new Promise((resolve) => socket.once("close", resolve));
    },
    15_000,
  );

  it("no HTTP at all is answered with 400", async () => {
    const [host = "", port = ""] = cluster.address("n1").split(":");
    const socket = connect(Number(port), host);
    socket.write("\u0016\u0003\u0001 hello\r\n\r\n");
    const answer = await new Promise<string>((resolve) =>
      socket.once("data", (data) => resolve(data.toString("latin1"))),
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    socket.destroy();
  });

  it.each<[string, string | Uint8Array]>([
    ["text", "hello"],
    ["bytes that are no frame", new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8, 9])],
  ])("%s on the peers' path: a close with a reason", async (_, frame) => {
    const ws = new WebSocket(`ws://${cluster.address("n1")}/peer`);
    ws.once("open", () => ws.send(frame));
    const closed = await new Promise<{ code: number; reason: string }>((resolve) =>
      ws.once("close", (code, reason) => resolve({ code, reason: String(reason) })),
    );
    expect(closed.code).toBe(1008);
    expect(closed.reason).not.toBe("");
  });
});
