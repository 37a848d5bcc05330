import { WebSocket } from "ws";
import type { Message } from "./messages.ts";

const PROTOCOL = "rollcall.v1.json";
const CONNECT_MS_MAX = 2_000;

export interface LinkHandlers {
  /** The connection stands, and nothing was said yet. */
  onOpen(): void;
  onMessage(message: Message): void;
  /** Nothing comes any more. Once, and not after `close` or `abandon`. */
  onGone(): void;
}

/** One connection to one place. It says nothing by itself, repeats nothing, and judges nothing. */
export class Link {
  readonly url: string;
  readonly #socket: WebSocket;
  #isOver = false;

  constructor(url: string, handlers: LinkHandlers) {
    this.url = url;
    this.#socket = new WebSocket(url, PROTOCOL, {
      handshakeTimeout: CONNECT_MS_MAX,
      perMessageDeflate: false,
    });
    this.#socket.on("open", () => {
      if (!this.#isOver) handlers.onOpen();
    });
    this.#socket.on("message", (data) => {
      // A frame may hold several.
      for (const message of [JSON.parse(String(data))].flat() as Message[]) {
        if (!this.#isOver) handlers.onMessage(message);
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
    if (this.isOpen) this.#socket.send(JSON.stringify(message));
  }

  /** Nothing is read, nor answered, until `resume`. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** As a process that is killed leaves it: its kernel closes the socket. */
  close(): void {
    this.#isOver = true;
    this.#socket.terminate();
  }
}
