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
    expect(closed.reason).toMatch(/^[A-Z_]+: ./);
  });

  const OVER_THE_LIMIT = "TOO_LARGE: a frame of more than 1048576 bytes (CLIENT_FRAME_BYTES_MAX)";
  const OVER_THE_PEERS_LIMIT =
    "TOO_LARGE: a frame of more than 8388608 bytes (PEER_FRAME_BYTES_MAX)";

  it("100 MB in one frame are closed with the limit's name", async () => {
    const client = await BareClient.open(cluster.address("n1"), JSON_PROTOCOL);
    client.ws.send(Buffer.alloc(100 * 1024 * 1024, 0x20));
    expect(await client.closed).toEqual({ code: 1009, reason: OVER_THE_LIMIT });
  });

  const FINAL = 0x80;
  const BINARY = 2;
  const CONTINUATION = 0;
  /** The first bytes of a client's frame: what it says it will be, and none of it. */
  function head(flags: number, bytes: number): Buffer {
    const buffer = Buffer.alloc(14);
    buffer.writeUInt8(flags, 0);
    buffer.writeUInt8(0xff, 1);
    buffer.writeBigUInt64BE(BigInt(bytes), 2);
    return buffer;
  }
  const piece = (flags: number, bytes: number) =>
    Buffer.concat([head(flags, bytes), Buffer.alloc(bytes)]);

  it.each<[string, string, readonly Buffer[], string]>([
    ["a frame", "/", [head(FINAL | BINARY, 100_000_000)], OVER_THE_LIMIT],
    [
      "the piece of a frame that makes it too long",
      "/",
      [piece(BINARY, 1_000_000), head(CONTINUATION, 100_000)],
      OVER_THE_LIMIT,
    ],
    ["a peer's frame", "/peer", [head(FINAL | BINARY, 9_000_000)], OVER_THE_PEERS_LIMIT],
    ["no frame of WebSocket", "/", [Buffer.alloc(14, 0x7f)], "PROTOCOL: not a frame of WebSocket"],
  ])("the head of %s is enough for a close with a reason", async (_, path, bytes, reason) => {
    const [host = "", port = ""] = cluster.address("n1").split(":");
    const socket = connect(Number(port), host);
    const key = Buffer.alloc(16).toString("base64");
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
    );
    for (const some of bytes) {
      socket.write(some);
    }
    let answer = "";
    await new Promise<void>((resolve) => {
      socket.on("data", (data) => {
        answer += data.toString("latin1");
        if (answer.includes(reason)) {
          resolve();
        }
      });
    });
    socket.destroy();
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
