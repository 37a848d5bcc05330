import type { Socket, Timer, Timers } from "../env/env.ts";
import { CLIENT_PROBE_MS, CLIENT_SILENCE_MS_MAX } from "../limits.ts";
import { clientCodecs, jsonCodec } from "../wire/client-codec.ts";
import { ClientConnection, type Traffic } from "./client-connection.ts";
import type { ClientHost } from "./client-protocol.ts";
import type { Driver } from "./driver.ts";
import { CLOSE } from "./peer-handshake.ts";
import { afterPoll } from "./poll.ts";
import type { SendPump } from "./send-pump.ts";

const SILENT_SWEEPS_MAX = Math.ceil(CLIENT_SILENCE_MS_MAX / CLIENT_PROBE_MS);

export interface ClientsOptions {
  readonly host: ClientHost;
  readonly driver: Driver;
  readonly pump: SendPump;
  readonly timers: Timers;
}

/** The first of the client's offers that this node speaks. */
export function chooseSubprotocol(offered: readonly string[]): string | null {
  return offered.find((name) => clientCodecs.some((codec) => codec.subprotocol === name)) ?? null;
}

/** All client connections of a node. */
export class Clients {
  readonly #options: ClientsOptions;
  readonly #connections = new Set<ClientConnection>();
  readonly #sweeper: Timer;
  readonly traffic: Traffic = { framesIn: 0, framesOut: 0 };
  #onEmpty: (() => void) | null = null;

  constructor(options: ClientsOptions) {
    this.#options = options;
    const { timers } = options;
    this.#sweeper = timers.every(CLIENT_PROBE_MS, () => afterPoll(timers, () => this.#sweep()));
  }

  get count(): number {
    return this.#connections.size;
  }

  accept(socket: Socket): void {
    const codec = clientCodecs.find(({ subprotocol }) => subprotocol === socket.subprotocol);
    const connection = new ClientConnection({
      ...this.#options,
      socket,
      codec: codec ?? jsonCodec,
      isTyped: codec !== undefined,
      traffic: this.traffic,
      onClosed: (closed) => {
        this.#connections.delete(closed);
        if (this.#connections.size === 0) {
          this.#onEmpty?.();
        }
      },
    });
    this.#connections.add(connection);
  }

  /** Asks all to leave for `addresses`, at random moments within `spreadMs`. */
  goAway(reason: string, addresses: readonly string[], spreadMs: number): void {
    for (const connection of this.#connections) {
      connection.goAway(reason, addresses, spreadMs);
    }
  }

  closeAll(reason: string): void {
    for (const connection of this.#connections) {
      connection.close(CLOSE.goingAway, reason);
    }
  }

  /** Resolves when the last is gone, at the latest after `timeoutMs`. */
  empty(timeoutMs: number): Promise<void> {
    if (this.#connections.size === 0) {
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const timer = this.#options.timers.after(timeoutMs, resolve);
      this.#onEmpty = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  stop(): void {
    this.#sweeper.cancel();
    for (const connection of this.#connections) {
      connection.terminate();
    }
  }

  /** A link whose other end is gone without a word would be held for the kernel's quarter of an hour. */
  #sweep(): void {
    for (const connection of this.#connections) {
      if (connection.isHeard) {
        connection.isHeard = false;
        connection.silentSweeps = 0;
        continue;
      }
      connection.silentSweeps += 1;
      if (connection.silentSweeps >= SILENT_SWEEPS_MAX) {
        connection.terminate();
      } else {
        connection.ping();
      }
    }
  }
}
