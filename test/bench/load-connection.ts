import { randomBytes } from "node:crypto";
import { Packr } from "msgpackr";
import WebSocket from "ws";
import type { ClientMessage, NodeMessage, ReplyMessage } from "../../src/wire/messages.ts";

const CONNECT_MS_MAX = 5_000;
const TTL_MS = 10_000;
/** Requests of the load are numbered from 1 and never come near this. */
const CONTROL_ID_FIRST = 1_000_000_000;

const packr = new Packr({ useRecords: false, int64AsType: "number" });

export interface Load {
  /** Makes request `id`; for a write `id` is its `seq` too, and `low` the lowest one unanswered. */
  readonly request: (id: number, low: number) => ClientMessage;
  /** Times are milliseconds of `performance.now()`. */
  readonly onReply: (sentAtMs: number, nowMs: number) => void;
}

interface Waiting {
  readonly resolve: (reply: ReplyMessage & { readonly ok: true }) => void;
  readonly reject: (error: Error) => void;
}

/**
 * One client of `rollcall.v1.msgpack`, as bare as can be: one frame a request, no deadlines, no
 * retries. It never reconnects either: any failure ends the slice, and the slice is not counted.
 */
export class LoadConnection {
  readonly #socket: WebSocket;
  readonly #onFailure: (error: Error) => void;
  readonly #control = new Map<number, Waiting>();
  readonly #sentAtMs = new Map<number, number>();
  readonly #answeredAboveLow = new Set<number>();
  #nextControlId = CONTROL_ID_FIRST;
  #nextId = 1;
  #low = 1;
  #load: Load | null = null;
  #isStopping = false;
  #onDrained: (() => void) | null = null;
  #keepalive: NodeJS.Timeout | null = null;
  #welcomed: (() => void) | null = null;

  private constructor(socket: WebSocket, onFailure: (error: Error) => void) {
    this.#socket = socket;
    this.#onFailure = onFailure;
    socket.on("message", (data) => this.#frame(data as Buffer));
    socket.on("close", (code, reason) => this.#fail(new Error(`closed: ${code} ${reason}`)));
    socket.on("error", (error) => this.#fail(error));
  }

  /** Resolves when the node has said welcome. `onFailure` is called for whatever breaks later. */
  static connect(url: string, onFailure: (error: Error) => void): Promise<LoadConnection> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url, "rollcall.v1.msgpack", {
        perMessageDeflate: false,
        handshakeTimeout: CONNECT_MS_MAX,
      });
      let isOpen = false;
      const connection = new LoadConnection(socket, (error) => {
        clearTimeout(deadline);
        if (isOpen) onFailure(error);
        else reject(error);
      });
      const deadline = setTimeout(
        () => connection.#fail(new Error(`no welcome from ${url}`)),
        CONNECT_MS_MAX,
      );
      connection.#welcomed = () => {
        clearTimeout(deadline);
        isOpen = true;
        resolve(connection);
      };
      socket.on("open", () =>
        connection.#send({
          type: "hello",
          versions: [1],
          client: { name: "bench", version: "1", language: "node" },
        }),
      );
    });
  }

  /** Opens a session of its own and keeps it until `bye`. */
  async openSession(): Promise<void> {
    const session = {
      id: randomBytes(16).toString("hex"),
      secret: randomBytes(16).toString("hex"),
      attach: 1,
    };
    await this.call((id) => ({ type: "open", id, session, ttlMs: TTL_MS }));
    this.#keepalive = setInterval(
      () => this.#send({ type: "ping", id: this.#nextControlId++ }),
      TTL_MS / 3,
    );
  }

  /** A single request outside the load. */
  call(request: (id: number) => ClientMessage): Promise<ReplyMessage & { readonly ok: true }> {
    return new Promise((resolve, reject) => {
      const id = this.#nextControlId++;
      this.#control.set(id, { resolve, reject });
      this.#send(request(id));
    });
  }

  /** A single write outside the load, and before or after it. */
  write(
    request: (id: number, seq: number) => ClientMessage,
  ): Promise<ReplyMessage & { readonly ok: true }> {
    const seq = this.#nextId++;
    this.#low = this.#nextId;
    return this.call((id) => request(id, seq));
  }

  /** Keeps `inFlight` requests on their way until `stop`. */
  start(load: Load, inFlight: number): void {
    this.#load = load;
    for (let i = 0; i < inFlight; i++) this.#next(load, performance.now());
  }

  /** Sends no more; resolves when all is answered. */
  stop(): Promise<void> {
    this.#isStopping = true;
    if (this.#sentAtMs.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onDrained = resolve;
    });
  }

  /** Requests of the load sent so far. */
  get sent(): number {
    return this.#nextId - 1;
  }

  close(): void {
    this.#socket.removeAllListeners("close");
    if (this.#keepalive !== null) clearInterval(this.#keepalive);
    this.#socket.close();
  }

  #next(load: Load, nowMs: number): void {
    const id = this.#nextId++;
    this.#sentAtMs.set(id, nowMs);
    this.#send(load.request(id, this.#low));
  }

  #send(message: ClientMessage): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(packr.pack(message));
  }

  #frame(data: Buffer): void {
    const frame = packr.unpack(data) as NodeMessage | readonly NodeMessage[];
    if (!Array.isArray(frame)) this.#message(frame as NodeMessage);
    else for (const message of frame) this.#message(message);
  }

  #message(message: NodeMessage): void {
    if (message.type === "reply") this.#reply(message);
    else if (message.type === "welcome") this.#welcomed?.();
    else if (message.type === "goaway") this.#fail(new Error(`goaway: ${message.reason}`));
  }

  #reply(reply: ReplyMessage): void {
    const waiting = this.#control.get(reply.id);
    if (waiting !== undefined) {
      this.#control.delete(reply.id);
      if (reply.ok) waiting.resolve(reply);
      else waiting.reject(new Error(`${reply.error.code}: ${reply.error.message}`));
      return;
    }
    const sentAtMs = this.#sentAtMs.get(reply.id);
    if (sentAtMs === undefined || this.#load === null) return;
    if (!reply.ok) {
      this.#fail(new Error(`${reply.error.code}: ${reply.error.message}`));
      return;
    }
    const nowMs = performance.now();
    this.#sentAtMs.delete(reply.id);
    this.#raiseLow(reply.id);
    this.#load.onReply(sentAtMs, nowMs);
    if (!this.#isStopping) this.#next(this.#load, nowMs);
    else if (this.#sentAtMs.size === 0) this.#onDrained?.();
  }

  #raiseLow(answered: number): void {
    if (answered !== this.#low) {
      this.#answeredAboveLow.add(answered);
      return;
    }
    this.#low++;
    while (this.#answeredAboveLow.delete(this.#low)) this.#low++;
  }

  #fail(error: Error): void {
    this.close();
    for (const waiting of this.#control.values()) waiting.reject(error);
    this.#control.clear();
    this.#onFailure(error);
  }
}
