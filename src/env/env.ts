/** The world as arguments. Real ones in `node-env.ts` and the `ws-*.ts`; the simulator has its own. */

export interface Clock {
  /** Milliseconds, never goes back, comparable only within this process. */
  monotonicMs(): number;
  /** Milliseconds since the epoch, for people. */
  wallMs(): number;
}

export interface Timer {
  cancel(): void;
}

export interface Timers {
  after(delayMs: number, run: () => void): Timer;
  every(periodMs: number, run: () => void): Timer;
  /** After the I/O that is ready has been looked at. */
  soon(run: () => void): void;
}

export interface Random {
  /** An integer in [0, bound). */
  below(bound: number): number;
  bytes(count: number): Uint8Array;
}

/** One frame: text for JSON, bytes for MessagePack. */
export type Frame = string | Uint8Array;

export interface CloseReason {
  /** WebSocket close code; 1006 when the link broke. */
  readonly code: number;
  readonly reason: string;
  /** The other end closed or reset; false when this end did. */
  readonly byPeer: boolean;
}

/** A message socket. Handlers are set before the first turn of the loop ends. */
export interface Socket {
  readonly subprotocol: string;
  /** `host:port` of the other end, for logs. */
  readonly remote: string;
  readonly bufferedBytes: number;
  /**
   * Nothing writes to its bytes afterwards, but they are a part of what was read at once: whoever
   * keeps some of them for long copies those.
   */
  onFrame: (frame: Frame) => void;
  onClose: (reason: CloseReason) => void;
  /** A WebSocket pong came. */
  onPong: () => void;
  /** `onDone` runs when the bytes were handed to the kernel. */
  send(frame: Frame, onDone?: () => void): void;
  ping(): void;
  close(code: number, reason: string): void;
  /** At once, without a closing handshake. */
  terminate(): void;
}

/** The most that the other end may put into one message. */
export interface FrameLimit {
  /** As in `limits.ts`, for whoever breaks it. */
  readonly name: string;
  readonly bytes: number;
}

export interface DialOptions {
  readonly subprotocols: readonly string[];
  /** For the connection and the answer to the handshake. */
  readonly timeoutMs: number;
  /** Where given, that answer alone may take this long, once the connection stands. */
  readonly answerTimeoutMs?: number;
  readonly frameLimit: FrameLimit;
  /** Gives the dial up: it rejects, and leaves no connection. */
  readonly signal?: AbortSignal;
}

export interface DialError extends Error {
  /** Of a handshake that was refused: when to come again, by the word of who refused it. */
  readonly retryAfterMs?: number;
}

export interface Dialer {
  /** Rejects with a `DialError` when refused, unreachable or late. */
  dial(url: string, options: DialOptions): Promise<Socket>;
}

/** A WebSocket handshake before it is answered. */
export interface Upgrade {
  readonly path: string;
  /** In the order of the client's preference. */
  readonly subprotocols: readonly string[];
  readonly origin: string | null;
  readonly remote: string;
}

export type UpgradeDecision =
  | {
      readonly accept: true;
      /** Null names none. */
      readonly subprotocol: string | null;
      readonly frameLimit: FrameLimit;
      /** Called with the open socket; sets its handlers before it returns. */
      readonly onSocket: (socket: Socket) => void;
    }
  | {
      readonly accept: false;
      /** HTTP status. */
      readonly status: number;
      readonly message: string;
      readonly retryAfterSeconds?: number;
    };

export interface HttpRequest {
  readonly method: string;
  /** The headers of these names. */
  readonly host: string | null;
  readonly origin: string | null;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Aborted once the answer was sent, or its connection is gone. */
  readonly over: AbortSignal;
}

export interface HttpResponse {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  /**
   * Sent in place of `body`, a piece when the one before was taken. It is let go of where the
   * client goes, takes nothing for `silenceMsMax`, or where it throws: the connection is broken off.
   */
  readonly stream?: AsyncIterable<Uint8Array>;
  readonly retryAfterSeconds?: number;
  /** The methods that there are, where the request's is none of them. */
  readonly allow?: string;
  /** Whose pages may read it, beside this server's own. */
  readonly allowOrigin?: string;
}

/** Where a node listens; HTTP and WebSocket share the port. */
export interface Listener {
  readonly host: string;
  readonly port: number;
  /** Of any kind, whether they have said anything or not. */
  readonly connections: number;
  /** Takes no more connections. */
  stop(): void;
  /** Breaks what is left. */
  close(): Promise<void>;
}

export interface ListenOptions {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  /** For the request line and headers of one connection. */
  readonly handshakeTimeoutMs: number;
  /** Without a byte in either direction; not of WebSockets. */
  readonly silenceMsMax: number;
  /** More are dropped without a word. */
  readonly connectionsMax: number;
  readonly onDropped: () => void;
  /** Requests of a connection that wait for their answers; one more breaks it off. */
  readonly pipelinedMax: number;
  readonly onUpgrade: (upgrade: Upgrade) => UpgradeDecision;
  readonly onRequest: (request: HttpRequest) => Promise<HttpResponse>;
}

/** Shaped as pino, console and winston take it. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
