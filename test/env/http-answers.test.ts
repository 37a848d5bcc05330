import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { HttpRequest, HttpResponse, Listener, ListenOptions } from "../../src/env/env.ts";
import { listen } from "../../src/env/ws-listener.ts";
import { deferred } from "../../src/util/deferred.ts";

const HOST = "Host: localhost\r\n";
const SILENCE_MS_MAX = 500;

describe("HTTP beside the WebSockets", () => {
  let listener: Listener | null = null;
  const sockets: Socket[] = [];

  afterEach(async () => {
    for (const socket of sockets.splice(0)) {
      socket.destroy();
    }
    await listener?.close();
    listener = null;
  });

  async function serve(
    onRequest: (request: HttpRequest) => Promise<HttpResponse>,
    options: Partial<ListenOptions> = {},
  ): Promise<void> {
    listener = await listen({
      ...{ host: "127.0.0.1", port: 0, handshakeTimeoutMs: 500, silenceMsMax: SILENCE_MS_MAX },
      ...{ connectionsMax: 100, pipelinedMax: 3, onDropped: () => {} },
      onUpgrade: () => ({ accept: false, status: 404, message: "no WebSocket here" }),
      onRequest,
      ...options,
    });
  }

  const echo = async ({ path }: HttpRequest): Promise<HttpResponse> => ({
    ...{ status: 200, contentType: "text/plain", body: `${path}\n` },
  });

  function open(): Socket {
    const socket = connect(listener?.port ?? 0, "127.0.0.1");
    socket.on("error", () => {});
    sockets.push(socket);
    return socket;
  }

  const closed = (socket: Socket) => new Promise<void>((resolve) => socket.once("close", resolve));

  /** All that the node says until it closes the connection. */
  async function exchange(text: string): Promise<string> {
    const socket = open();
    let answer = "";
    socket.setEncoding("latin1");
    socket.on("data", (some: string) => {
      answer += some;
    });
    socket.write(text);
    await closed(socket);
    return answer;
  }

  it("tells when an answer was sent, and when nobody is there any more to take it", async () => {
    const [sent, left, asked] = [deferred<void>(), deferred<void>(), deferred<void>()];
    await serve(async (request) => {
      const isLast = request.path === "/left";
      request.over.addEventListener("abort", () => (isLast ? left : sent).resolve());
      if (isLast) asked.resolve();
      return isLast ? new Promise<never>(() => {}) : echo(request);
    });
    await exchange(`GET /sent HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`);
    await sent.promise;
    const socket = open();
    socket.write(`GET /left HTTP/1.1\r\n${HOST}\r\n`);
    await asked.promise;
    socket.destroy();
    await left.promise;
  });

  it("answers requests that come at once, in their order", async () => {
    await serve(echo);
    const close = `GET /c HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`;
    const get = (path: string) => `GET ${path} HTTP/1.1\r\n${HOST}\r\n`;
    const answers = await exchange(get("/a") + get("/b") + close);
    expect(answers.match(/^\/.$/gm)).toEqual(["/a", "/b", "/c"]);
  });

  it("breaks off a connection that heaps up requests", async () => {
    let asked = 0;
    await serve(() => {
      asked += 1;
      return new Promise(() => {});
    });
    const answers = await exchange(`GET / HTTP/1.1\r\n${HOST}\r\n`.repeat(1_000));
    expect([asked, answers]).toEqual([3, ""]);
  });

  it("answers who asks for another protocol as if he had not, and closes", async () => {
    await serve(echo);
    const offer =
      "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAA\r\n";
    const answer = await exchange(`GET /livez HTTP/1.1\r\n${HOST}${offer}\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    expect(answer).toContain("Connection: close");
    expect(answer).toMatch(/\/livez\n$/);
  });

  it.each<[string, string, number]>([
    ["no HTTP", "\u0016\u0003\u0001 hello\r\n\r\n", 400],
    [
      "headers that are too large",
      `GET / HTTP/1.1\r\n${HOST}X: ${"x".repeat(20_000)}\r\n\r\n`,
      431,
    ],
    ["a request that does not end", `GET / HTTP/1.1\r\n${HOST}`, 408],
    ["a body that does not come", `POST / HTTP/1.1\r\n${HOST}Content-Length: 9\r\n`, 408],
  ])("answers %s with a status of its own, and closes", async (_, text, status) => {
    await serve(echo, { silenceMsMax: 10_000 });
    expect(await exchange(text)).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  });

  it("does not mix the answer to nonsense with one that is on its way", async () => {
    await serve(() => new Promise(() => {}));
    expect(await exchange(`GET / HTTP/1.1\r\n${HOST}\r\n\u0000\r\n\r\n`)).toBe("");
  });

  it("breaks off a connection on which its answer is not read", async () => {
    const body = "x".repeat(20_000_000);
    await serve(async () => ({ status: 200, contentType: "text/plain", body }));
    const socket = open();
    socket.pause();
    socket.write(`GET / HTTP/1.1\r\n${HOST}\r\n`);
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        if (listener?.connections === 0) {
          clearInterval(timer);
          resolve();
        }
      }, 10);
    });
  });

  it("drops connections beyond its limit, and says so", async () => {
    let dropped = 0;
    const onDropped = () => {
      dropped += 1;
    };
    await serve(echo, { connectionsMax: 2, onDropped });
    const two = [open(), open()];
    await Promise.all(
      two.map((socket) => new Promise((resolve) => socket.once("connect", resolve))),
    );
    await closed(open().resume());
    expect([listener?.connections, dropped]).toEqual([2, 1]);
    two[0]?.destroy();
    await expect.poll(() => listener?.connections).toBe(1);
    expect(await exchange(`GET /a HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`)).toContain("/a\n");
  });
});
