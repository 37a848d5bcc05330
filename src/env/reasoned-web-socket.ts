import { WebSocket } from "ws";
import type { FrameLimit } from "./env.ts";

/** How long a closing handshake may take before the connection is destroyed. */
const CLOSE_TIMEOUT_MS = 2_000;

/** Of both ends of every connection. */
export const WS_TUNING = {
  perMessageDeflate: false,
  autoPong: true,
  closeTimeout: CLOSE_TIMEOUT_MS,
} as const;

/**
 * A WebSocket that says why. `ws` itself closes with a bare code where what came is no WebSocket
 * frame, or is over the limit; it looks at a frame's length before it reads the rest.
 */
export class ReasonedWebSocket extends WebSocket {
  /** Set before the first frame can be read. */
  frameLimit: FrameLimit | null = null;

  override close(code?: number, reason?: string | Buffer): void {
    super.close(code, reason ?? this.#reasonOf(code));
  }

  #reasonOf(code: number | undefined): string | undefined {
    switch (code) {
      case 1002:
        return "PROTOCOL: not a frame of WebSocket (RFC 6455)";
      case 1007:
        return "PROTOCOL: text that is not UTF-8";
      case 1008:
        return "TOO_LARGE: a message in too many pieces";
      case 1009:
        return this.frameLimit === null
          ? "TOO_LARGE: a frame over the limit"
          : `TOO_LARGE: a frame of more than ${this.frameLimit.bytes} bytes (${this.frameLimit.name})`;
      default:
        return undefined;
    }
  }
}
