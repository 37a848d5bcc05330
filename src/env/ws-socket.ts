import type { RawData, WebSocket } from "ws";
import type { CloseReason, Frame, Socket } from "./env.ts";

/** Errors of this machine's network stack giving up, which say nothing of what the other end did. */
const SILENCE_CODES: ReadonlySet<string> = new Set([
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENETDOWN",
]);

const CLOSE_REASON_BYTES_MAX = 123;

/**
 * A `Socket` over one `ws` WebSocket. Frames and the close that come before their handler is set
 * wait for it: `ws` reads the bytes behind a handshake before a promise of the dial can resolve.
 */
export class WsSocket implements Socket {
  readonly remote: string;
  readonly #ws: WebSocket;
  readonly #early: Frame[] = [];
  #onFrame: ((frame: Frame) => void) | null = null;
  #onClose: ((reason: CloseReason) => void) | null = null;
  #closed: CloseReason | null = null;
  #isEndedHere = false;
  onPong: () => void = () => {};

  constructor(ws: WebSocket, remote: string) {
    this.#ws = ws;
    this.remote = remote;
    ws.on("message", (data, isBinary) => this.#message(data, isBinary));
    ws.on("pong", () => this.onPong());
    ws.on("error", (error: NodeJS.ErrnoException) => {
      // `WS_ERR_*`: what came is not WebSocket or over the limit, and `ws` closes the connection.
      if (error.code?.startsWith("WS_ERR_")) {
        this.#isEndedHere = true;
      }
    });
    ws.on("close", (code, reason) => {
      this.#closed = { code, reason: reason.toString("utf8"), byPeer: !this.#isEndedHere };
      this.#onClose?.(this.#closed);
    });
  }

  get subprotocol(): string {
    return this.#ws.protocol;
  }

  get bufferedBytes(): number {
    return this.#ws.bufferedAmount;
  }

  get onFrame(): (frame: Frame) => void {
    return this.#onFrame ?? (() => {});
  }

  set onFrame(handler: (frame: Frame) => void) {
    this.#onFrame = handler;
    for (const frame of this.#early.splice(0)) {
      handler(frame);
    }
  }

  get onClose(): (reason: CloseReason) => void {
    return this.#onClose ?? (() => {});
  }

  set onClose(handler: (reason: CloseReason) => void) {
    this.#onClose = handler;
    if (this.#closed !== null) {
      handler(this.#closed);
    }
  }

  send(frame: Frame, onDone?: () => void): void {
    if (this.#ws.readyState !== this.#ws.OPEN) {
      return;
    }
    // A failed send is followed by the close of the connection, which is what tells of it.
    this.#ws.send(frame, { compress: false }, () => onDone?.());
  }

  ping(): void {
    if (this.#ws.readyState === this.#ws.OPEN) {
      this.#ws.ping();
    }
  }

  close(code: number, reason: string): void {
    if (this.#closed !== null) {
      return;
    }
    // A close frame of the other end that came first is its close, not ours.
    if (this.#ws.readyState === this.#ws.OPEN) {
      this.#isEndedHere = true;
    }
    this.#ws.close(code, clipped(reason));
  }

  terminate(): void {
    if (this.#closed !== null) {
      return;
    }
    if (this.#ws.readyState === this.#ws.OPEN) {
      this.#isEndedHere = true;
    }
    this.#ws.terminate();
  }

  /** Of the stream below, which `ws` keeps to itself. */
  streamFailed(error: NodeJS.ErrnoException): void {
    if (SILENCE_CODES.has(error.code ?? "")) {
      this.#isEndedHere = true;
    }
  }

  #message(data: RawData, isBinary: boolean): void {
    const frame = isBinary ? bytes(data) : text(data);
    if (this.#onFrame === null) {
      this.#early.push(frame);
    } else {
      this.#onFrame(frame);
    }
  }
}

function bytes(data: RawData): Uint8Array {
  if (Array.isArray(data)) {
    return Buffer.concat(data);
  }
  return Buffer.isBuffer(data) ? data : new Uint8Array(data);
}

function text(data: RawData): string {
  if (Array.isArray(data)) {
    return Buffer.concat(data).toString("utf8");
  }
  return Buffer.isBuffer(data) ? data.toString("utf8") : Buffer.from(data).toString("utf8");
}

/** A close reason is at most 123 bytes of UTF-8; a character is never cut. */
function clipped(reason: string): string {
  const bytes = Buffer.from(reason, "utf8");
  if (bytes.length <= CLOSE_REASON_BYTES_MAX) {
    return reason;
  }
  let end = CLOSE_REASON_BYTES_MAX;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) {
    end -= 1;
  }
  return bytes.toString("utf8", 0, end);
}
