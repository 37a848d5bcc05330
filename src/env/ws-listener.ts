import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo, Socket as NetSocket } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import type { Listener, ListenOptions, Upgrade } from "./env.ts";
import { HttpAnswers, readTarget, refuse } from "./http-answers.ts";
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
  server.timeout = options.silenceMsMax;
  server.maxConnections = options.connectionsMax;
  server.on("drop", options.onDropped);
  const connections = countOf(server);
  const upgrades = new Upgrades(options);
  const answers = new HttpAnswers(options);
  server.on("request", (request, response) => answers.answer(request, response));
  server.on("upgrade", (request, stream: NetSocket, head) => {
    // `ws` takes this timer off again when the handshake is over.
    stream.setTimeout(options.silenceMsMax, () => stream.destroy());
    if (request.headers.upgrade?.toLowerCase() === "websocket") {
      upgrades.handle(request, stream, head);
    } else {
      answers.answerInHttp(request, stream);
    }
  });
  server.on("clientError", (error, stream) => answers.answerError(error, stream));
  await bound(server, options);
  const address = server.address() as AddressInfo;
  return {
    host: address.address,
    port: address.port,
    get connections() {
      return connections.size;
    },
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

function countOf(server: Server): ReadonlySet<NetSocket> {
  const connections = new Set<NetSocket>();
  server.on("connection", (socket: NetSocket) => {
    connections.add(socket);
    socket.once("close", () => connections.delete(socket));
  });
  return connections;
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
