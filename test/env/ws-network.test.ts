import { type AddressInfo, createServer, type Socket as NetSocket, type Server } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CloseReason, DialError, Frame, Listener, Socket } from "../../src/env/env.ts";
import { wsDialer } from "../../src/env/ws-dialer.ts";
import { listen } from "../../src/env/ws-listener.ts";

const LIMIT = { name: "TEST_BYTES_MAX", bytes: 1024 };
const LISTEN = {
  ...{ handshakeTimeoutMs: 1_000, silenceMsMax: 1_000, connectionsMax: 100, pipelinedMax: 3 },
  onDropped: () => {},
};
const DIAL = { subprotocols: [], timeoutMs: 1_000, frameLimit: LIMIT };

function nextFrame(socket: Socket): Promise<Frame> {
  return new Promise((resolve) => {
    socket.onFrame = resolve;
  });
}

function nextClose(socket: Socket): Promise<CloseReason> {
  return new Promise((resolve) => {
    socket.onClose = resolve;
  });
}

describe("WebSockets over ws", () => {
  let listener: Listener | null = null;

  afterEach(async () => {
    await listener?.close();
    listener = null;
  });

  /** Both ends of one connection. */
  async function pair(): Promise<{ near: Socket; far: Socket }> {
    let accepted: (socket: Socket) => void = () => {};
    const far = new Promise<Socket>((resolve) => {
      accepted = resolve;
    });
    listener = await listen({
      host: "127.0.0.1",
      port: 0,
      ...LISTEN,
      onUpgrade: ({ subprotocols }) => ({
        accept: true,
        subprotocol: subprotocols[1] ?? null,
        frameLimit: LIMIT,
        onSocket: accepted,
      }),
      onRequest: async () => ({ status: 200, contentType: "text/plain", body: "hello" }),
    });
    const url = `ws://127.0.0.1:${listener.port}/`;
    const near = await wsDialer.dial(url, { ...DIAL, subprotocols: ["one", "two"] });
    return { near, far: await far };
  }

  it("agree on the subprotocol that the listener chose", async () => {
    const { near, far } = await pair();
    expect([near.subprotocol, far.subprotocol]).toEqual(["two", "two"]);
  });

  it("keep frames that come before anybody listens", async () => {
    const { near, far } = await pair();
    far.send("first");
    far.send("second");
    far.close(1000, "done");
    // Closed on both sides: everything has come.
    await nextClose(far);
    const frames: Frame[] = [];
    near.onFrame = (frame) => frames.push(frame);
    expect(frames).toEqual(["first", "second"]);
    expect(await nextClose(near)).toEqual({ code: 1000, reason: "done", byPeer: true });
  });

  it("hand over binary frames as they were sent", async () => {
    const { near, far } = await pair();
    near.send(new Uint8Array([1, 2, 3]));
    expect([...((await nextFrame(far)) as Uint8Array)]).toEqual([1, 2, 3]);
  });

  it.each<[string, (ends: { near: Socket; far: Socket }) => void, Partial<CloseReason>]>([
    ["the other end closes", ({ near }) => near.close(1000, "bye"), { code: 1000, byPeer: true }],
    ["the other end resets", ({ near }) => near.terminate(), { code: 1006, byPeer: true }],
    ["this end closes", ({ far }) => far.close(1001, ""), { code: 1001, byPeer: false }],
    ["this end breaks it", ({ far }) => far.terminate(), { code: 1006, byPeer: false }],
    ["a frame is over the limit", ({ near }) => near.send("x".repeat(2_000)), { byPeer: false }],
  ])("tell who ended it when %s", async (_, end, expected) => {
    const ends = await pair();
    const closed = nextClose(ends.far);
    end(ends);
    expect(await closed).toMatchObject(expected);
  });

  it("cut a close reason to what a frame may hold, between two characters", async () => {
    const { near, far } = await pair();
    far.close(1008, "ä".repeat(100));
    expect((await nextClose(near)).reason).toBe("ä".repeat(61));
  });

  it("tell a pong", async () => {
    const { far } = await pair();
    const pong = new Promise<void>((resolve) => {
      far.onPong = resolve;
    });
    far.ping();
    await pong;
  });

  it.each<[string, number | undefined, string]>([
    ["starting", 2, "refused with 503: starting"],
    ["leaving", undefined, "refused with 503: leaving"],
    ["x".repeat(100_000), undefined, `refused with 503: ${"x".repeat(1_000)}`],
  ])("reject a dial that is refused with the reason, and when to come again", async (...row) => {
    const [message, seconds, expected] = row;
    listener = await listen({
      ...{ ...LISTEN, host: "127.0.0.1", port: 0 },
      onUpgrade: () => ({
        ...{ accept: false, status: 503, message },
        ...(seconds !== undefined && { retryAfterSeconds: seconds }),
      }),
      onRequest: async () => ({ status: 200, contentType: "text/plain", body: "" }),
    });
    const error: unknown = await wsDialer
      .dial(`ws://127.0.0.1:${listener.port}/`, DIAL)
      .catch((reason: unknown) => reason);
    const { message: said, retryAfterMs } = error as DialError;
    expect([said, retryAfterMs]).toEqual([expected, seconds && seconds * 1_000]);
  });

  it("cannot listen where somebody listens already", async () => {
    await pair();
    const again = listen({
      host: "127.0.0.1",
      port: listener?.port ?? 0,
      ...LISTEN,
      onUpgrade: () => ({ accept: false, status: 503, message: "" }),
      onRequest: async () => ({ status: 200, contentType: "text/plain", body: "" }),
    });
    await expect(again).rejects.toMatchObject({ code: "EADDRINUSE" });
  });
});

describe("a dial to a process that does not answer", () => {
  let server: Server;
  let url: string;
  const taken: NetSocket[] = [];
  let onTaken: (socket: NetSocket) => void = () => {};

  beforeEach(async () => {
    server = createServer((socket) => {
      taken.push(socket);
      socket.on("error", () => {});
      socket.resume();
      onTaken(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });

  afterEach(async () => {
    for (const socket of taken.splice(0)) {
      socket.destroy();
    }
    await new Promise((resolve) => server.close(resolve));
  });

  const nextTaken = () =>
    new Promise<NetSocket>((resolve) => {
      onTaken = resolve;
    });

  it("is refused where nobody listens", async () => {
    await new Promise((resolve) => server.close(resolve));
    await expect(wsDialer.dial(url, DIAL)).rejects.toThrow("ECONNREFUSED");
  });

  it("ends when its time is over, also where a byte comes now and then", async () => {
    const dripping = nextTaken().then((socket) => {
      socket.write("HTTP/1.1 101 Switching Protocols\r\nLong: ");
      const timer = setInterval(() => socket.write("x"), 20);
      socket.once("close", () => clearInterval(timer));
    });
    await expect(wsDialer.dial(url, { ...DIAL, timeoutMs: 200 })).rejects.toThrow("timed out");
    await dripping;
  });

  it("waits on one connection as long as it is told, once that stands", async () => {
    const dialed = wsDialer.dial(url, { ...DIAL, timeoutMs: 50, answerTimeoutMs: 500 });
    const startedMs = performance.now();
    await expect(dialed).rejects.toThrow("timed out: no answer");
    expect(performance.now() - startedMs).toBeGreaterThan(450);
    expect(taken).toHaveLength(1);
  });

  it("leaves no connection when it is given up", async () => {
    const connected = nextTaken();
    const giveUp = new AbortController();
    const dialed = wsDialer.dial(url, { ...DIAL, signal: giveUp.signal });
    const socket = await connected;
    const closed = new Promise((resolve) => socket.once("close", resolve));
    giveUp.abort();
    await expect(dialed).rejects.toThrow("given up");
    await closed;
  });
});
