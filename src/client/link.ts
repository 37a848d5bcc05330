import type { CloseReason, Frame, Socket } from "../env/env.ts";
import { CLIENT_FRAME_BYTES_MAX, MESSAGES_PER_FRAME_MAX } from "../limits.ts";
import { type ClientCodec, clientCodecs, type Part } from "../wire/client-codec.ts";
import type { ClientMessage, NodeMessage, ReplyMessage } from "../wire/messages.ts";

export interface LinkHandlers {
  onMessage(message: Exclude<NodeMessage, ReplyMessage>): void;
  /** The link is over, and not by `end`. */
  onClosed(reason: CloseReason): void;
  /** What came cannot be read, or what was made of it threw. */
  onFault(error: unknown): void;
}

/** null: the link ended before the answer came. */
type OnReply = (reply: ReplyMessage | null) => void;

/**
 * One socket to one node: messages instead of frames, and answers that find their requests. All
 * that is sent in one turn goes out in one frame.
 */
export class Link {
  readonly url: string;
  readonly #socket: Socket;
  readonly #codec: ClientCodec;
  readonly #handlers: LinkHandlers;
  readonly #waiting = new Map<number, OnReply>();
  #parts: Part[] = [];
  #isFlushDue = false;
  #isOpen = true;
  #lastId = 0;
  #heardAtMs: number;
  /** A request goes out. */
  onRequest: () => void = () => {};
  readonly #nowMs: () => number;

  constructor(url: string, socket: Socket, handlers: LinkHandlers, nowMs: () => number) {
    this.url = url;
    this.#socket = socket;
    this.#handlers = handlers;
    this.#nowMs = nowMs;
    this.#heardAtMs = nowMs();
    const codec = clientCodecs.find(({ subprotocol }) => subprotocol === socket.subprotocol);
    if (codec === undefined) {
      socket.terminate();
      throw new RangeError("the node chose no subprotocol that was offered");
    }
    this.#codec = codec;
    socket.onFrame = (frame) => {
      try {
        this.#onFrame(frame);
      } catch (error) {
        handlers.onFault(error);
      }
    };
    socket.onClose = (reason) => this.#onClosed(reason);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** When the last frame came. */
  get heardAtMs(): number {
    return this.#heardAtMs;
  }

  /** Some request has no answer yet. */
  get isWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  send(message: ClientMessage): void {
    if (!this.#isOpen) {
      return;
    }
    this.#parts.push(this.#codec.encode(message));
    if (!this.#isFlushDue) {
      this.#isFlushDue = true;
      queueMicrotask(() => this.#flush());
    }
  }

  /** `message` carries `id`, of `nextId`. */
  request(message: ClientMessage & { readonly id: number }, onReply: OnReply): void {
    if (!this.#isOpen) {
      onReply(null);
      return;
    }
    this.#waiting.set(message.id, onReply);
    this.send(message);
    this.onRequest();
  }

  /** The answer is not wanted any more. */
  forget(id: number): void {
    this.#waiting.delete(id);
  }

  /** Ends the link from this side: with a closing handshake, or at once where the node is dead. */
  end(how: "close" | "terminate", reason: string): void {
    if (!this.#isOpen) {
      return;
    }
    this.#flush();
    this.#over();
    if (how === "close") {
      this.#socket.close(1000, reason);
    } else {
      this.#socket.terminate();
    }
    this.#lose();
  }

  #onClosed(reason: CloseReason): void {
    if (!this.#isOpen) {
      return;
    }
    this.#over();
    this.#lose();
    this.#handlers.onClosed(reason);
  }

  #over(): void {
    this.#isOpen = false;
    this.#parts = [];
    this.#socket.onFrame = () => {};
    this.#socket.onClose = () => {};
  }

  #lose(): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const onReply of waiting) {
      onReply(null);
    }
  }

  #flush(): void {
    this.#isFlushDue = false;
    let batch: Part[] = [];
    let bytes = 0;
    for (const part of this.#parts.splice(0)) {
      // A code unit is at most three bytes of UTF-8.
      const size = typeof part === "string" ? part.length * 3 : part.length;
      const isFull =
        batch.length >= MESSAGES_PER_FRAME_MAX || bytes + size > CLIENT_FRAME_BYTES_MAX / 2;
      if (isFull && batch.length > 0) {
        this.#socket.send(this.#codec.join(batch));
        batch = [];
        bytes = 0;
      }
      batch.push(part);
      bytes += size;
    }
    if (batch.length > 0) {
      this.#socket.send(this.#codec.join(batch));
    }
  }

  #onFrame(frame: Frame): void {
    this.#heardAtMs = this.#nowMs();
    const decoded = this.#codec.decode(frame, Number.MAX_SAFE_INTEGER);
    const messages = (Array.isArray(decoded) ? decoded : [decoded]) as NodeMessage[];
    for (const message of messages) {
      // What one message makes of the link decides whether the next is still heard.
      if (!this.#isOpen) {
        return;
      }
      if (message.type === "reply") {
        const onReply = this.#waiting.get(message.id);
        this.#waiting.delete(message.id);
        onReply?.(message);
      } else {
        this.#handlers.onMessage(message);
      }
    }
  }
}
