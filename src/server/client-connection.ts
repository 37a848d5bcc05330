import type { CloseReason, Frame, Socket, Timer } from "../env/env.ts";
import { HANDSHAKE_TIMEOUT_MS, PLAIN_FIRST_FRAME_MS_MAX } from "../limits.ts";
import type { ClientOutput, ConnectionId } from "../replica/inputs.ts";
import type { ClientCodec, Part } from "../wire/client-codec.ts";
import { DecodeError } from "../wire/decode-error.ts";
import type { ClientChannel, ClientHost, ClientProtocol } from "./client-protocol.ts";
import type { Driver, OutputSink } from "./driver.ts";
import { OutQueue } from "./out-queue.ts";
import { CLOSE } from "./peer-handshake.ts";
import { PlainProtocol } from "./plain-protocol.ts";
import type { SendPump } from "./send-pump.ts";
import { TypedProtocol } from "./typed-protocol.ts";

/** Counted over all clients of a node. */
export interface Traffic {
  framesIn: number;
  framesOut: number;
}

export interface ClientConnectionOptions {
  readonly socket: Socket;
  readonly codec: ClientCodec;
  /** The client named a subprotocol, so it speaks typed messages from its first frame. */
  readonly isTyped: boolean;
  readonly host: ClientHost;
  readonly driver: Driver;
  readonly pump: SendPump;
  readonly traffic: Traffic;
  readonly onClosed: (connection: ClientConnection) => void;
}

/** One client's socket: from the first frame, which says how it talks, to the close. */
export class ClientConnection implements OutputSink, ClientChannel {
  readonly #options: ClientConnectionOptions;
  readonly #queue: OutQueue;
  #protocol: ClientProtocol | null = null;
  #connection: ConnectionId | null = null;
  #firstFrameTimer: Timer | null;
  #isClosing = false;
  /** Something came since the sweep last looked. */
  isHeard = true;
  /** Sweeps in a row that found nothing. */
  silentSweeps = 0;

  constructor(options: ClientConnectionOptions) {
    this.#options = options;
    const { socket, codec, pump, driver, host, isTyped, traffic } = options;
    this.#queue = new OutQueue({
      socket,
      codec,
      pump,
      messagesPerFrameMax: () => this.#protocol?.messagesPerFrameMax ?? 1,
      onFrame: () => {
        traffic.framesOut += 1;
      },
      render: (output) => this.#protocol?.render(output) ?? null,
      onWritable: (isWritable) => {
        if (this.#connection !== null) {
          driver.step({ type: "writable", connection: this.#connection, isWritable });
        }
      },
    });
    const timeoutMs = isTyped ? HANDSHAKE_TIMEOUT_MS : PLAIN_FIRST_FRAME_MS_MAX;
    this.#firstFrameTimer = host.timers.after(timeoutMs, () => {
      this.close(CLOSE.policy, `PROTOCOL: no frame within ${timeoutMs} ms`);
    });
    socket.onFrame = (frame) => this.#received(frame);
    socket.onClose = (reason) => this.#closed(reason);
    socket.onPong = () => {
      this.isHeard = true;
      this.#protocol?.ponged();
    };
  }

  get remote(): string {
    return this.#options.socket.remote;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  accept(output: ClientOutput): void {
    if (this.#protocol?.accept(output) === true) {
      this.#queue.push(output);
    }
  }

  connect(floorRevision: number): ConnectionId {
    const connection = this.#options.driver.connect(this, floorRevision);
    this.#connection = connection;
    return connection;
  }

  send(part: Part): void {
    this.#queue.push({ type: "part", part });
  }

  ping(): void {
    this.#options.socket.ping();
  }

  /** What was pushed before is written first. */
  close(code: number, reason: string): void {
    if (this.#isClosing) {
      return;
    }
    this.#isClosing = true;
    for (let isMore = true; isMore; ) {
      isMore = this.#queue.length > 0 && this.#queue.sendFrame();
    }
    this.#queue.close();
    this.#options.socket.close(code, reason);
  }

  terminate(): void {
    this.#isClosing = true;
    this.#queue.close();
    this.#options.socket.terminate();
  }

  goAway(reason: string, addresses: readonly string[], spreadMs: number): void {
    this.#protocol?.goAway(reason, addresses, spreadMs);
  }

  #received(frame: Frame): void {
    this.isHeard = true;
    this.#options.traffic.framesIn += 1;
    if (this.#isClosing) {
      return;
    }
    this.#firstFrameTimer?.cancel();
    this.#firstFrameTimer = null;
    let value: unknown;
    try {
      value = this.#options.codec.decode(frame);
    } catch (error) {
      if (!(error instanceof DecodeError)) {
        throw error;
      }
      const code = error.code === "TOO_LARGE" ? CLOSE.tooBig : CLOSE.badData;
      this.close(code, `${error.code}: ${error.message}`);
      return;
    }
    const messages: readonly unknown[] = Array.isArray(value) ? value : [value];
    this.#protocol ??= this.#protocolOf(messages[0]);
    for (const message of messages) {
      if (this.#isClosing) {
        return;
      }
      this.#protocol.receive(message);
    }
  }

  #protocolOf(first: unknown): ClientProtocol {
    const { host, codec, isTyped } = this.#options;
    const isPlain =
      !isTyped && !(typeof first === "object" && first !== null && Object.hasOwn(first, "type"));
    return isPlain ? new PlainProtocol(host, this) : new TypedProtocol(host, this, codec);
  }

  #closed(reason: CloseReason): void {
    this.#isClosing = true;
    this.#firstFrameTimer?.cancel();
    this.#queue.close();
    this.#options.onClosed(this);
    const connection = this.#connection;
    if (connection !== null) {
      this.#protocol?.closed(reason, () => {
        this.#options.driver.disconnect(connection, reason.byPeer);
      });
    }
  }
}
