import type { EndReason } from "../../src/registry/command.ts";
import { demand } from "./violation.ts";
import type { World } from "./world.ts";

/**
 * Never early: from the client's side. A session whose keepalive was confirmed lives for a whole
 * TTL from the moment that keepalive was sent; a grace begins with a closed connection, and only
 * where no later connection of the session was confirmed.
 */
export class LeaseWitness {
  readonly #world: World;
  readonly #name: string;
  #session = "";
  #confirmedSentMs: number | null = null;
  #confirmedAttach = 0;
  #closed: { readonly attach: number; readonly atMs: number }[] = [];

  constructor(world: World, name: string) {
    this.#world = world;
    this.#name = name;
  }

  opened(session: string): void {
    this.#session = session;
    this.#confirmedSentMs = null;
    this.#confirmedAttach = 0;
    this.#closed = [];
  }

  confirmed(sentMs: number, attach: number): void {
    this.#confirmedSentMs = Math.max(this.#confirmedSentMs ?? sentMs, sentMs);
    this.#confirmedAttach = Math.max(this.#confirmedAttach, attach);
  }

  closed(attach: number): void {
    this.#closed.push({ attach, atMs: this.#world.schedule.nowMs });
  }

  ended(session: string, reason: EndReason): void {
    if (session !== this.#session || this.#confirmedSentMs === null) {
      return;
    }
    const { schedule, options } = this.#world;
    const { nowMs } = schedule;
    // A leader measures by its own clock, which may run fast.
    const span = (ms: number): number => Math.floor(ms / (1 + options.driftMax / 1000)) - 1;
    if (reason === "ttl") {
      demand(
        nowMs >= this.#confirmedSentMs + span(options.ttlMs),
        () =>
          `session of ${this.#name} expired at ${nowMs}, ${nowMs - (this.#confirmedSentMs ?? 0)} ms` +
          ` after a confirmed keepalive was sent; its TTL is ${options.ttlMs} ms`,
      );
    } else if (reason === "grace") {
      const first = this.#closed.find(({ attach }) => attach >= this.#confirmedAttach);
      demand(
        first !== undefined,
        () =>
          `session of ${this.#name} ended by the grace of a connection that a later one replaced`,
      );
      demand(
        nowMs >= first.atMs + span(options.graceMs),
        () => `session of ${this.#name} ended ${nowMs - first.atMs} ms after it was closed`,
      );
    }
  }
}
