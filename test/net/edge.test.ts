import { once } from "node:events";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Edge } from "../../jepsen-lite/net/edge.ts";
import { Prng } from "../../jepsen-lite/prng.ts";

const HOST = "127.0.0.1";

/** One end of a connection, and what has come to it. */
class End {
  readonly socket: Socket;
  text = "";
  bytes = 0;
  isEnded = false;
  error: string | null = null;
  isClosed = false;
  #news: () => void = () => {};

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (data: Buffer) => {
      this.text += data.toString("latin1");
      this.bytes += data.length;
      this.#news();
    });
    socket.on("end", () => {
      this.isEnded = true;
      this.#news();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? error.message;
    });
    socket.on("close", () => {
      this.isClosed = true;
      this.#news();
    });
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      await new Promise<void>((resolve) => {
        this.#news = resolve;
      });
    }
  }
}

let server: Server;
let edge: Edge;
let accepted: End[];

beforeEach(async () => {
  accepted = [];
  server = createServer({ allowHalfOpen: true }, (socket) => accepted.push(new End(socket)));
  server.listen(0, HOST);
  await once(server, "listening");
  const target = (server.address() as { port: number }).port;
  const probe = createServer().listen(0, HOST);
  await once(probe, "listening");
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  edge = await Edge.open({ from: "n1", to: "n2", host: HOST, port, target }, new Prng(1));
});

afterEach(async () => {
  await edge.close();
  for (const { socket } of accepted) socket.destroy();
  server.close();
});

async function dial(): Promise<End> {
  const end = new End(createConnection({ host: HOST, port: edge.place.port, allowHalfOpen: true }));
  await once(end.socket, "connect");
  return end;
}

/** Both ends of a connection over which something has gone already, each way. */
async function linked(): Promise<{ readonly near: End; readonly far: End }> {
  const connection = once(server, "connection");
  const near = await dial();
  near.socket.write("hello ");
  await connection;
  const far = accepted.at(-1) as End;
  await far.until(() => far.text === "hello ");
  far.socket.write("welcome ");
  await near.until(() => near.text === "welcome ");
  return { near, far };
}

/** For what is not to happen; there is no event of that. */
async function laterThan(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

describe("an edge", () => {
  test("passes what is sent, both ways, and the end of each way by itself", async () => {
    const { near, far } = await linked();
    near.socket.end("bye");
    await far.until(() => far.isEnded);
    expect(far.text).toBe("hello bye");
    expect(near.isEnded).toBe(false);
    far.socket.end("and bye");
    await near.until(() => near.isEnded);
    expect(near.text).toBe("welcome and bye");
    await near.until(() => near.isClosed);
    expect(near.error).toBeNull();
  });

  test("holds one way, the end of it too, and delivers all of it late", async () => {
    const { near, far } = await linked();
    edge.set("there", { type: "hold" });
    near.socket.end("late");
    far.socket.write("in time");
    await near.until(() => near.text === "welcome in time");
    await laterThan(50);
    expect([far.text, far.isEnded]).toEqual(["hello ", false]);
    edge.set("there", { type: "pass" });
    await far.until(() => far.isEnded);
    expect(far.text).toBe("hello late");
  });

  test("keeps no more than its bound of what it holds: the sender waits", async () => {
    const { near, far } = await linked();
    edge.set("there", { type: "hold" });
    const bytes = 32 * 1024 * 1024;
    near.socket.write(Buffer.alloc(bytes, "x"));
    for (let before = -1; before !== near.socket.bytesWritten - near.socket.writableLength; ) {
      before = near.socket.bytesWritten - near.socket.writableLength;
      await laterThan(200);
    }
    expect(near.socket.writableLength).toBeGreaterThan(8 * 1024 * 1024);
    edge.set("there", { type: "pass" });
    await far.until(() => far.bytes === bytes + "hello ".length);
  });

  test("drops one way without a word, and breaks off what has lost something when that is over", async () => {
    const { near, far } = await linked();
    edge.set("there", { type: "drop" });
    near.socket.write("lost");
    far.socket.write("kept");
    await near.until(() => near.text === "welcome kept");
    const other = await dial();
    await laterThan(50);
    expect([far.text, far.isClosed]).toEqual(["hello ", false]);
    edge.set("there", { type: "pass" });
    await far.until(() => far.isClosed);
    await near.until(() => near.isClosed);
    expect([near.error, far.error]).toEqual(["ECONNRESET", "ECONNRESET"]);
    // It has lost nothing.
    expect(other.isClosed).toBe(false);
    other.socket.destroy();
  });

  test("leaves the other end half open where it drops the end of a connection", async () => {
    const { near, far } = await linked();
    edge.set("there", { type: "drop" });
    near.socket.resetAndDestroy();
    await laterThan(50);
    expect([far.isEnded, far.isClosed]).toEqual([false, false]);
    edge.set("there", { type: "pass" });
    await far.until(() => far.isClosed);
  });

  test("tells a reset as a reset, and resets all at once where it is told to", async () => {
    const first = await linked();
    first.near.socket.resetAndDestroy();
    await first.far.until(() => first.far.isClosed);
    expect(first.far.error).toBe("ECONNRESET");
    const ends = [await linked(), await linked()];
    expect(edge.reset()).toBe(2);
    for (const { near, far } of ends) {
      await near.until(() => near.isClosed);
      await far.until(() => far.isClosed);
      expect([near.error, far.error]).toEqual(["ECONNRESET", "ECONNRESET"]);
    }
    expect(edge.connections).toEqual([]);
    await linked();
  });

  test("tells a reset behind an end, once something shows it", async () => {
    const { near, far } = await linked();
    near.socket.end("bye");
    await far.until(() => far.isEnded);
    near.socket.resetAndDestroy();
    // Who has read the end of a connection hears of its reset only when it writes.
    const writing = setInterval(() => far.socket.write("are you there?"), 10);
    await far.until(() => far.isClosed);
    clearInterval(writing);
    expect(["ECONNRESET", "EPIPE"]).toContain(far.error);
  });

  test("lets one end of a connection go, and leaves the other one in the dark", async () => {
    const { near, far } = await linked();
    const [connection] = edge.connections;
    connection?.keepApart({ there: { type: "drop" }, back: { type: "drop" } });
    connection?.breakOff("dialled");
    await far.until(() => far.isClosed);
    near.socket.write("into the void");
    await laterThan(50);
    expect([near.isEnded, near.isClosed, connection?.isHalfOpen]).toEqual([false, false, true]);
    // Its own weather is not that of the edge, and new connections have that.
    edge.set("there", { type: "pass" });
    expect(near.isClosed).toBe(false);
    await linked();
    expect(edge.tolls.there.lost).toBeGreaterThan(0);
  });

  test("delivers what a dialler had sent when it has come back on another connection", async () => {
    const before = await linked();
    const [connection] = edge.connections;
    connection?.keepApart({ there: { type: "hold" }, back: { type: "drop" } });
    before.near.socket.write("late");
    while ((connection?.waiting ?? 0) === 0) await laterThan(5);
    connection?.breakOff("dialler");
    await before.near.until(() => before.near.isClosed);
    const after = await linked();
    expect([before.far.text, after.far.text]).toEqual(["hello ", "hello "]);
    connection?.release();
    await before.far.until(() => before.far.text === "hello late");
    expect([before.far.isEnded, after.near.isClosed]).toEqual([false, false]);
    connection?.reset();
    await before.far.until(() => before.far.isClosed);
    expect(before.far.error).toBe("ECONNRESET");
  });

  test("stays shut for as long as anything speaks against it", async () => {
    await edge.refuse();
    await edge.refuse("barred");
    await edge.admit();
    const refused = new End(createConnection({ host: HOST, port: edge.place.port }));
    await refused.until(() => refused.isClosed);
    expect(refused.error).toBe("ECONNREFUSED");
    await edge.admit("barred");
    await linked();
  });

  test("counts what it did to what was sent", async () => {
    const { near, far } = await linked();
    const untouched = { held: 0, lost: 0, late: 0, spoilt: 0 };
    expect(edge.tolls).toEqual({ there: untouched, back: untouched });
    edge.set("there", { type: "corrupt", perMille: 1_000 });
    near.socket.write("x");
    await far.until(() => far.text.length === "hello x".length);
    edge.set("there", { type: "hold" });
    near.socket.write("y");
    while (edge.tolls.there.held === 0) await laterThan(5);
    expect(edge.tolls).toEqual({
      there: { ...untouched, spoilt: 1, held: 1 },
      back: untouched,
    });
  });

  test("refuses new connections, and leaves those that stand; admits again at the same port", async () => {
    const { near, far } = await linked();
    await edge.refuse();
    const refused = new End(createConnection({ host: HOST, port: edge.place.port }));
    await refused.until(() => refused.isClosed);
    expect(refused.error).toBe("ECONNREFUSED");
    near.socket.write("still");
    await far.until(() => far.text === "hello still");
    await edge.admit();
    await linked();
  });

  test("resets who dials where nobody listens behind it", async () => {
    server.close();
    const near = new End(createConnection({ host: HOST, port: edge.place.port }));
    await near.until(() => near.isClosed);
    expect(near.error).toBe("ECONNRESET");
  });

  test("delays each piece, in order, and lets none overtake when it is over", async () => {
    const { near, far } = await linked();
    edge.set("there", { type: "slow", delayMs: 80, jitterMs: 60, bytesPerSecond: null });
    const sentMs = performance.now();
    for (let piece = 0; piece < 20; piece += 1) {
      near.socket.write(`${piece},`);
      await laterThan(2);
    }
    await far.until(() => far.text.length > "hello ".length);
    expect(performance.now() - sentMs).toBeGreaterThan(20);
    edge.set("there", { type: "pass" });
    near.socket.write("last");
    await far.until(() => far.text.endsWith("last"));
    expect(far.text).toBe(`hello ${[...Array(20).keys()].join(",")},last`);
  });

  test("lets only so many bytes a second through", async () => {
    const { near, far } = await linked();
    edge.set("there", { type: "slow", delayMs: 0, jitterMs: 0, bytesPerSecond: 1_000_000 });
    const sentMs = performance.now();
    near.socket.write(Buffer.alloc(300_000, "x"));
    await far.until(() => far.bytes === 300_000 + "hello ".length);
    expect(performance.now() - sentMs).toBeGreaterThan(290);
  });

  test("flips bits, and changes no length", async () => {
    const { near, far } = await linked();
    edge.set("back", { type: "corrupt", perMille: 1_000 });
    const sent = "x".repeat(1_000);
    far.socket.write(sent);
    await near.until(() => near.bytes === sent.length + "welcome ".length);
    const different = [...near.text.slice("welcome ".length)].filter((letter) => letter !== "x");
    expect(different.length).toBeGreaterThan(0);
  });
});
