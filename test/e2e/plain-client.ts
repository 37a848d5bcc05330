import { WebSocket } from "ws";
import { Inbox, within } from "./wait.ts";

interface Answer {
  readonly ok?: boolean;
  readonly version?: string;
  readonly watch?: number;
  readonly endpoints?: readonly { readonly addr: string; readonly meta: object }[];
  readonly error?: { readonly code: string; readonly message: string };
  readonly type?: string;
}

/** A WebSocket and JSON, nothing else: what a script in any language would do. */
export class PlainClient {
  readonly #socket: WebSocket;
  readonly inbox = new Inbox<Answer>();
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data) => this.inbox.push(JSON.parse(String(data)) as Answer));
    socket.on("error", () => {});
    this.closed = new Promise((resolve) => {
      socket.on("close", (code, reason) => resolve({ code, reason: String(reason) }));
    });
  }

  static async open(url: string): Promise<PlainClient> {
    const socket = new WebSocket(url);
    const client = new PlainClient(socket);
    const opened = new Promise<void>((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    });
    await within(5_000, `a connection to ${url}`, opened);
    return client;
  }

  send(message: object): void {
    this.#socket.send(JSON.stringify(message));
  }

  sendRaw(frame: string | Uint8Array): void {
    this.#socket.send(frame);
  }

  /** The answer to a request: they come in the order of the requests. */
  answer(): Promise<Answer> {
    return this.inbox.next(5_000, "an answer", (message) => "ok" in message);
  }

  push(what: string, accepts: (push: Answer) => boolean): Promise<Answer> {
    return this.inbox.next(10_000, what, (message) => "endpoints" in message && accepts(message));
  }

  /** The application closes it. */
  async close(): Promise<void> {
    this.#socket.close();
    await within(5_000, "the close", this.closed);
  }

  /** The kernel closes it, as after `kill -9`. */
  reset(): void {
    this.#socket.terminate();
  }
}
