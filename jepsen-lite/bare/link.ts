import { WebSocket } from "ws";
import type { Encoding } from "./encoding.ts";
import type { Message } from "./messages.ts";

const CONNECT_MS_MAX = 2_000;
const STRANGE_CHARACTERS_MAX = 300;

export interface LinkHandlers {
  /** The connection stands, and nothing was said yet. */
  onOpen(): void;
  onMessage(message: Message): void;
  /** Said what cannot be understood; the connection is broken off. */
  onStrange(what: string): void;
  /** The handshake was refused with an HTTP status; `onGone` follows. */
  onRefused?(status: number, retryAfterMs: number): void;
  /** Nothing comes any more. Once, and not after `close` or `abandon`. */
  onGone(): void;
}

/** One connection to one place. It says nothing by itself, repeats nothing, and judges nothing. */
export class Link {
  readonly url: string;
  readonly #socket: WebSocket;
  readonly #encoding: Encoding;
  #isOver = false;
  #isPaused = false;
  /** What waits for `resume`: that the connection stands. */
  #opened: (() => void) | null = null;
  #port = 0;

  constructor(
    url: string,
    encoding: Encoding,
    handlers: LinkHandlers,
    connectMsMax = CONNECT_MS_MAX,
  ) {
    this.url = url;
    this.#encoding = encoding;
    this.#socket = new WebSocket(url, encoding.protocol, {
      handshakeTimeout: connectMsMax,
      perMessageDeflate: false,
    });
    this.#socket.on("upgrade", ({ socket }) => {
      this.#port = socket.localPort ?? 0;
    });
    this.#socket.on("open", () => {
      this.#opened = handlers.onOpen;
      if (this.#isPaused) this.#socket.pause();
      else this.#begin();
    });
    this.#socket.on("unexpected-response", (_, { statusCode = 0, headers }) => {
      handlers.onRefused?.(statusCode, 1_000 * Number(headers["retry-after"] ?? 0));
      this.#socket.terminate();
    });
    this.#socket.on("message", (data: Buffer) => {
      try {
        // A frame may hold several.
        for (const message of [encoding.decode(data)].flat() as Message[]) {
          if (!this.#isOver) handlers.onMessage(message);
        }
      } catch (error) {
        handlers.onStrange(`${error} over ${String(data).slice(0, STRANGE_CHARACTERS_MAX)}`);
        this.#socket.terminate();
      }
    });
    // "close" follows.
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => {
      if (this.#isOver) return;
      this.#isOver = true;
      handlers.onGone();
    });
  }

  get isOpen(): boolean {
    return !this.#isOver && this.#socket.readyState === WebSocket.OPEN;
  }

  send(message: Message): void {
    if (this.isOpen) this.#socket.send(this.#encoding.encode(message));
  }

  /** Of this end. */
  get port(): number {
    return this.#port;
  }

  /** Nothing is read, nor answered, until `resume`. */
  pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#socket.resume();
    this.#begin();
  }

  #begin(): void {
    const opened = this.#opened;
    this.#opened = null;
    if (!this.#isOver) opened?.();
  }

  /** As a process that is killed leaves it: its kernel closes the socket. */
  close(): void {
    this.#isOver = true;
    this.#socket.terminate();
  }
}
