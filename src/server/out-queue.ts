import type { Socket } from "../env/env.ts";
import { CLIENT_BUFFERED_BYTES_HIGH } from "../limits.ts";
import type { ClientOutput } from "../replica/inputs.ts";
import type { ClientCodec, Part } from "../wire/client-codec.ts";
import type { Sender, SendPump } from "./send-pump.ts";

/** An output that is encoded when its turn comes, or a message of the server's own. */
export type OutItem = ClientOutput | { readonly type: "part"; readonly part: Part };

export interface OutQueueOptions {
  readonly socket: Socket;
  readonly codec: ClientCodec;
  readonly pump: SendPump;
  /** The bytes of an output; null where the client is told nothing of it. */
  readonly render: (output: ClientOutput) => Part | null;
  /** Messages in one frame: 1 where the client knows of no arrays. */
  readonly messagesPerFrameMax: () => number;
  /** A frame was written. */
  readonly onFrame: () => void;
  readonly onWritable: (isWritable: boolean) => void;
}

/**
 * What waits for one connection. It holds outputs, which share their instances with the state, and
 * makes bytes of them only when the socket takes some: 1,000 large reads of a client that does not
 * read its answers cost 1,000 references.
 */
export class OutQueue implements Sender {
  readonly #options: OutQueueOptions;
  #items: OutItem[] = [];
  #isWritable = true;
  #isClosed = false;

  constructor(options: OutQueueOptions) {
    this.#options = options;
  }

  get length(): number {
    return this.#items.length;
  }

  /** Sent behind what waits, within this turn or one of the next. */
  push(item: OutItem): void {
    if (!this.#isClosed) {
      this.#items.push(item);
      this.#options.pump.add(this);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#items = [];
    this.#options.pump.remove(this);
  }

  sendFrame(): boolean {
    const { socket, codec } = this.#options;
    if (socket.bufferedBytes > CLIENT_BUFFERED_BYTES_HIGH) {
      return false;
    }
    const parts = this.#take();
    if (parts.length > 0) {
      socket.send(codec.join(parts), () => this.#sent());
      this.#options.onFrame();
      this.#setWritable(socket.bufferedBytes <= CLIENT_BUFFERED_BYTES_HIGH);
    }
    return this.#items.length > 0;
  }

  #take(): Part[] {
    const parts: Part[] = [];
    const partsMax = this.#options.messagesPerFrameMax();
    let bytes = 0;
    let taken = 0;
    while (
      taken < this.#items.length &&
      parts.length < partsMax &&
      bytes < CLIENT_BUFFERED_BYTES_HIGH
    ) {
      const item = this.#items[taken];
      taken += 1;
      if (item === undefined) {
        break;
      }
      const part = item.type === "part" ? item.part : this.#options.render(item);
      if (part !== null) {
        parts.push(part);
        bytes += part.length;
      }
    }
    this.#items = taken === this.#items.length ? [] : this.#items.slice(taken);
    return parts;
  }

  #sent(): void {
    if (this.#isClosed || this.#options.socket.bufferedBytes > CLIENT_BUFFERED_BYTES_HIGH / 2) {
      return;
    }
    this.#setWritable(true);
    if (this.#items.length > 0) {
      this.#options.pump.add(this);
    }
  }

  #setWritable(isWritable: boolean): void {
    if (isWritable !== this.#isWritable) {
      this.#isWritable = isWritable;
      this.#options.onWritable(isWritable);
    }
  }
}
