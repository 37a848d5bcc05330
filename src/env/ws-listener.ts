import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import type { HttpResponse, Listener, ListenOptions, Upgrade } from "./env.ts";
import { ReasonedWebSocket, WS_TUNING } from "./reasoned-web-socket.ts";
import { WsSocket } from "./ws-socket.ts";

/** A plain HTTP client between two requests on one connection. */
const KEEP_ALIVE_MS = 5_000;

/** Resolves once the port is bound; rejects with the system's error (`EADDRINUSE`, `EACCES`, …). */
export async function listen(options: ListenOptions): Promise<Listener> {
  const server = createServer({
    headersTimeout: options.handshakeTimeoutMs,
    requestTimeout: options.handshakeTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: 1_000,
  });
  const upgrades = new Upgrades(options);
  server.on("request", (request, response) => void respond(options, request, response));
  server.on("upgrade", (request, stream, head) => upgrades.handle(request, stream, head));
  server.on("clientError", (_error, stream) => refuse(stream, 400, "not an HTTP request"));
  await bound(server, options);
  const address = server.address() as AddressInfo;
  return {
    host: address.address,
    port: address.port,
    stop: () => void server.close(),
    async close() {
      const closed = new Promise<void>((resolve) => {
        if (server.listening) {
          server.close(() => resolve());
        } else {
          resolve();
        }
      });
      server.closeAllConnections();
      upgrades.terminate();
      await closed;
    },
  };
}

function bound(server: Server, options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: options.host, port: options.port, exclusive: true }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

type ReasonedServer = InstanceType<typeof WebSocketServer<typeof ReasonedWebSocket>>;

class Upgrades {
  readonly #options: ListenOptions;
  /** `ws` fixes the frame limit per server, so there is one for each limit. */
  readonly #servers = new Map<number, ReasonedServer>();
  readonly #subprotocols = new WeakMap<IncomingMessage, string>();
  readonly #open = new Set<ReasonedWebSocket>();

  constructor(options: ListenOptions) {
    this.#options = options;
  }

  handle(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const upgrade = readUpgrade(request);
    if (upgrade === null) {
      refuse(stream, 400, "not a request target");
      return;
    }
    const decision = this.#options.onUpgrade(upgrade);
    if (!decision.accept) {
      refuse(stream, decision.status, decision.message, decision.retryAfterSeconds);
      return;
    }
    if (decision.subprotocol !== null) {
      this.#subprotocols.set(request, decision.subprotocol);
    }
    const { frameLimit } = decision;
    this.#server(frameLimit.bytes).handleUpgrade(request, stream, head, (ws) => {
      ws.frameLimit = frameLimit;
      this.#open.add(ws);
      ws.once("close", () => this.#open.delete(ws));
      const socket = new WsSocket(ws, upgrade.remote);
      stream.prependListener("error", (error) => socket.streamFailed(error));
      decision.onSocket(socket);
    });
  }

  terminate(): void {
    for (const ws of this.#open) {
      ws.terminate();
    }
  }

  #server(frameBytesMax: number): ReasonedServer {
    const known = this.#servers.get(frameBytesMax);
    if (known !== undefined) {
      return known;
    }
    const server: ReasonedServer = new WebSocketServer({
      ...WS_TUNING,
      WebSocket: ReasonedWebSocket,
      noServer: true,
      clientTracking: false,
      maxPayload: frameBytesMax,
      handleProtocols: (_offered, request) => this.#subprotocols.get(request) ?? false,
    });
    this.#servers.set(frameBytesMax, server);
    return server;
  }
}

function remoteOf(request: IncomingMessage): string {
  return `${request.socket.remoteAddress ?? "?"}:${request.socket.remotePort ?? 0}`;
}

/** The target of the request line is the client's to choose, and need not be one. */
function readTarget(request: IncomingMessage): URL | null {
  const target = request.url ?? "/";
  return URL.canParse(target, "http://node") ? new URL(target, "http://node") : null;
}

function readUpgrade(request: IncomingMessage): Upgrade | null {
  const target = readTarget(request);
  if (target === null) {
    return null;
  }
  const offered = request.headers["sec-websocket-protocol"] ?? "";
  return {
    path: target.pathname,
    subprotocols: offered
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== ""),
    origin: request.headers.origin ?? null,
    remote: remoteOf(request),
  };
}

function refuse(stream: Duplex, status: number, message: string, retryAfterSeconds?: number): void {
  stream.on("error", () => stream.destroy());
  if (!stream.writable) {
    stream.destroy();
    return;
  }
  const body = `${message}\n`;
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
    "Connection: close",
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  if (retryAfterSeconds !== undefined) {
    lines.push(`Retry-After: ${retryAfterSeconds}`);
  }
  stream.once("finish", () => stream.destroy());
  stream.end(`${lines.join("\r\n")}\r\n\r\n${body}`);
}

async function respond(
  options: ListenOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  request.resume();
  response.on("error", () => response.destroy());
  const answer = await answerTo(options, request);
  const headers: Record<string, string | number> = {
    "Content-Type": answer.contentType,
    "Content-Length": Buffer.byteLength(answer.body),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    Vary: "Origin",
  };
  if (answer.allowOrigin !== undefined) {
    headers["Access-Control-Allow-Origin"] = answer.allowOrigin;
  }
  if (answer.retryAfterSeconds !== undefined) {
    headers["Retry-After"] = answer.retryAfterSeconds;
  }
  response.writeHead(answer.status, headers);
  response.end(request.method === "HEAD" ? "" : answer.body);
}

async function answerTo(options: ListenOptions, request: IncomingMessage): Promise<HttpResponse> {
  const target = readTarget(request);
  if (target === null) {
    return {
      status: 400,
      contentType: "text/plain; charset=utf-8",
      body: "not a request target\n",
    };
  }
  return options.onRequest({
    method: request.method ?? "GET",
    host: request.headers.host ?? null,
    origin: request.headers.origin ?? null,
    path: target.pathname,
    query: target.searchParams,
  });
}
