import type { ClientRequest, IncomingMessage } from "node:http";
import type { DialError, Dialer, DialOptions, Socket } from "./env.ts";
import { ReasonedWebSocket, WS_TUNING } from "./reasoned-web-socket.ts";
import { WsSocket } from "./ws-socket.ts";

/** Of the text that a handshake is refused with, for people. */
const REFUSAL_LENGTH_MAX = 1_000;

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
      ws.once("unexpected-response", (_request, response) => {
        void refusalIn(response).then(giveUp);
      });
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

/** With the first line of the body. Never rejects; the timers of the dial bound how long it takes. */
async function refusalIn(response: IncomingMessage): Promise<DialError> {
  let text = "";
  try {
    for await (const chunk of response.setEncoding("utf8")) {
      text += String(chunk);
      if (text.length >= REFUSAL_LENGTH_MAX || text.includes("\n")) {
        break;
      }
    }
  } catch {
    // Cut short: the status says enough.
  }
  const line = text.slice(0, REFUSAL_LENGTH_MAX).split("\n")[0]?.trim() || response.statusMessage;
  const error = new Error(`refused with ${response.statusCode ?? 0}: ${line ?? ""}`);
  const seconds = Number(response.headers["retry-after"]);
  return seconds > 0 && Number.isFinite(seconds)
    ? Object.assign(error, { retryAfterMs: Math.ceil(seconds * 1_000) })
    : error;
}
