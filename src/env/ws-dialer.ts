import type { ClientRequest, IncomingMessage } from "node:http";
import type { Dialer, DialOptions, Socket } from "./env.ts";
import { ReasonedWebSocket, WS_TUNING } from "./reasoned-web-socket.ts";
import { WsSocket } from "./ws-socket.ts";

/** What is there answers, but takes no WebSocket, or not now. */
class DialRefused extends Error {
  override readonly name = "DialRefused";
  /** Where it named a time. */
  readonly retryAfterMs?: number;

  constructor({ statusCode, headers }: IncomingMessage) {
    super(`the handshake was answered with HTTP ${statusCode}`);
    const seconds = headers["retry-after"] ?? "";
    if (/^\d{1,6}$/.test(seconds)) {
      this.retryAfterMs = Number(seconds) * 1_000;
    }
  }
}

/** Outgoing WebSockets. `ws` sets TCP_NODELAY on every socket. */
export const wsDialer: Dialer = {
  dial(url: string, options: DialOptions): Promise<Socket> {
    return new Promise((resolve, reject) => {
      options.signal?.throwIfAborted();
      const { frameLimit, timeoutMs, answerTimeoutMs, signal } = options;
      // Timers of its own: that of `ws` starts anew with every byte that comes.
      let timer: NodeJS.Timeout | undefined;
      const within = (ms: number, why: string): void => {
        clearTimeout(timer);
        timer = setTimeout(() => giveUp(why), ms);
      };
      const ws = new ReasonedWebSocket(url, [...options.subprotocols], {
        ...WS_TUNING,
        followRedirects: false,
        maxPayload: frameLimit.bytes,
        finishRequest: (request) => {
          if (answerTimeoutMs !== undefined) {
            whenConnected(request, () => within(answerTimeoutMs, "timed out: no answer"));
          }
          request.end();
        },
      });
      ws.frameLimit = frameLimit;
      const socket = new WsSocket(ws, new URL(url).host);
      const aborted = (): void => giveUp("given up");
      const settle = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", aborted);
      };
      const fail = (error: Error): void => {
        settle();
        reject(error);
      };
      const giveUp = (why: string | Error): void => {
        fail(typeof why === "string" ? new Error(why) : why);
        ws.terminate();
      };
      ws.once("open", () => {
        settle();
        resolve(socket);
      });
      ws.once("unexpected-response", (_request, response) => giveUp(new DialRefused(response)));
      ws.once("error", fail);
      ws.once("close", () => fail(new Error(`${url} closed the handshake`)));
      signal?.addEventListener("abort", aborted);
      within(timeoutMs, "timed out");
    });
  },
};

function whenConnected(request: ClientRequest, run: () => void): void {
  request.once("socket", (stream) => {
    if (stream.connecting) {
      stream.once("connect", run);
    } else {
      run();
    }
  });
}
