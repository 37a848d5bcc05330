import { type IncomingMessage, ServerResponse, STATUS_CODES } from "node:http";
import type { Socket as NetSocket } from "node:net";
import type { Duplex } from "node:stream";
import type { HttpResponse, ListenOptions } from "./env.ts";

const TEXT_TYPE = "text/plain; charset=utf-8";

/** Of errors of the HTTP parser and its timers; for all others 400. */
const STATUS_OF: Readonly<Record<string, number>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_HEADER_OVERFLOW: 431,
};

/** HTTP/1 beside the WebSockets. */
export class HttpAnswers {
  readonly #options: ListenOptions;
  /** Requests without an answer, of each connection. */
  readonly #waiting = new WeakMap<Duplex, number>();

  constructor(options: ListenOptions) {
    this.#options = options;
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const waiting = this.#count(socket, 1);
    response.once("close", () => this.#count(socket, -1));
    response.on("error", () => response.destroy());
    request.resume();
    // The parser goes on through the bytes that it has, whatever became of the connection.
    if (waiting > this.#options.pipelinedMax) {
      socket.destroy();
    }
    if (!socket.destroyed) {
      void this.#respond(request, response);
    }
  }

  /**
   * A request to go on in another protocol than WebSocket, such as Java's client offers with every
   * request (`h2c`), is answered as if it had not been offered (RFC 9110, section 7.8).
   */
  answerInHttp(request: IncomingMessage, stream: NetSocket): void {
    stream.on("error", () => stream.destroy());
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(stream);
    response.once("finish", () => {
      response.detachSocket(stream);
      stream.end(() => stream.destroy());
    });
    this.answer(request, response);
  }

  /** What came is no request, or none in time. */
  answerError(error: NodeJS.ErrnoException, stream: Duplex): void {
    // An answer that is on its way must not be mixed with this one.
    if (this.#count(stream, 0) > 0) {
      stream.destroy();
      return;
    }
    const status = STATUS_OF[error.code ?? ""] ?? 400;
    refuse(stream, status, status === 400 ? "not an HTTP request" : (STATUS_CODES[status] ?? ""));
  }

  async #respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const over = new AbortController();
    response.once("close", () => over.abort());
    const answer = await this.#answerTo(request, over.signal);
    const headers: Record<string, string | number> = {
      "Content-Type": answer.contentType,
      "Cache-Control": "no-store",
      "X-Content-Type-Options": "nosniff",
      "Cross-Origin-Resource-Policy": "same-origin",
      Vary: "Origin",
    };
    if (answer.allowOrigin !== undefined) {
      headers["Access-Control-Allow-Origin"] = answer.allowOrigin;
    }
    if (answer.allow !== undefined) {
      headers["Allow"] = answer.allow;
    }
    if (answer.retryAfterSeconds !== undefined) {
      headers["Retry-After"] = answer.retryAfterSeconds;
    }
    if (answer.stream !== undefined) {
      response.writeHead(answer.status, headers);
      await send(answer.stream, response);
      return;
    }
    headers["Content-Length"] = Buffer.byteLength(answer.body);
    response.writeHead(answer.status, headers);
    response.end(request.method === "HEAD" ? "" : answer.body);
  }

  async #answerTo(request: IncomingMessage, over: AbortSignal): Promise<HttpResponse> {
    const target = readTarget(request);
    if (target === null) {
      return { status: 400, contentType: TEXT_TYPE, body: "not a request target\n" };
    }
    return this.#options.onRequest({
      method: request.method ?? "GET",
      host: request.headers.host ?? null,
      origin: request.headers.origin ?? null,
      path: target.pathname,
      query: target.searchParams,
      over,
    });
  }

  #count(stream: Duplex, change: number): number {
    const count = (this.#waiting.get(stream) ?? 0) + change;
    this.#waiting.set(stream, count);
    return count;
  }
}

/**
 * Not by `pipeline`, which does not let go of what it has not begun to read. Where `stream` throws,
 * the connection ends before the answer does.
 */
async function send(stream: AsyncIterable<Uint8Array>, response: ServerResponse): Promise<void> {
  const pieces = stream[Symbol.asyncIterator]();
  try {
    while (!response.destroyed) {
      const next = await pieces.next();
      if (next.done === true) {
        response.end();
        return;
      }
      if (!response.write(next.value)) {
        await drained(response);
      }
    }
  } catch {
    response.destroy();
  } finally {
    await pieces.return?.();
  }
}

/** Or closed. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      response.off("drain", go);
      response.off("close", go);
      resolve();
    };
    response.on("drain", go);
    response.on("close", go);
  });
}

/** The target of the request line is the client's to choose, and need not be one. */
export function readTarget(request: IncomingMessage): URL | null {
  const target = request.url ?? "/";
  return URL.canParse(target, "http://node") ? new URL(target, "http://node") : null;
}

/** An answer on a connection that is over with it. */
export function refuse(
  stream: Duplex,
  status: number,
  message: string,
  retryAfterSeconds?: number,
): void {
  stream.on("error", () => stream.destroy());
  if (!stream.writable) {
    stream.destroy();
    return;
  }
  const body = `${message}\n`;
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
    "Connection: close",
    `Content-Type: ${TEXT_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  if (retryAfterSeconds !== undefined) {
    lines.push(`Retry-After: ${retryAfterSeconds}`);
  }
  stream.once("finish", () => stream.destroy());
  stream.end(`${lines.join("\r\n")}\r\n\r\n${body}`);
}
