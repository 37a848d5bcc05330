import type { Clock, Timer, Timers } from "../env/env.ts";
import {
  KEEPALIVE_MS_MAX,
  PONG_MARGIN_MS,
  PONG_WAIT_MS,
  SILENCE_PROBE_MS,
  UNCONFIRMED_PATIENCE_MS_MAX,
} from "../limits.ts";
import type { Pong } from "../wire/messages.ts";
import type { Link } from "./link.ts";

export interface KeepaliveHandlers {
  /** `sentAtMs`: when the ping that it answers was sent. True: the registry confirmed this client. */
  onPong(pong: Pong, sentAtMs: number): boolean;
  /** No answer in time: a half-open connection, which TCP does not notice for minutes. */
  onDead(): void;
  /** The node answers, but cannot confirm. */
  onUnconfirmed(): void;
  /** This process did not run for so long. */
  onStall(stalledMs: number): void;
}

export interface KeepaliveOptions {
  readonly ttlMs: number;
  /** Nodes left one after the other because they could not confirm. */
  readonly hops: number;
  /** Nodes there are. */
  readonly servers: number;
}

/**
 * The first node gets two thirds of the TTL since its last confirmation: the next ping was due
 * after one third, and it had one third for its answer. The next nodes get one third each, so that
 * a node with a leader is found while the lease lives. When all have been asked, no node has a
 * leader, and hurrying from one to the next would only add to the storm: patience doubles.
 */
export function patienceMs({ ttlMs, hops, servers }: KeepaliveOptions): number {
  const third = Math.floor(ttlMs / 3);
  if (hops === 0) {
    return 2 * third;
  }
  const rounds = Math.max(0, hops - Math.max(1, servers - 1));
  return Math.min(third * 2 ** Math.min(rounds, 16), Math.max(third, UNCONFIRMED_PATIENCE_MS_MAX));
}

const PINGS_UNANSWERED_MAX = 16;

/** What pings go out on. */
export type PingLink = Pick<Link, "heardAtMs" | "isWaiting" | "nextId" | "onRequest" | "send">;

/** Pings on one link, and what their absence means. */
export class Keepalive {
  readonly #link: PingLink;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #handlers: KeepaliveHandlers;
  readonly #options: KeepaliveOptions;
  #patienceMs: number;
  readonly #periodMs: number;
  readonly #pongWaitMs: number;
  readonly #sent = new Map<number, number>();
  #confirmedAtMs: number;
  #tickTimer: Timer | null = null;
  #tickDueMs = 0;
  #isAsked = false;
  #deathTimer: Timer | null = null;
  #silenceTimer: Timer | null = null;

  /** `attachedAtMs`: when the hello was sent. */
  constructor(
    link: PingLink,
    world: { readonly clock: Clock; readonly timers: Timers },
    options: KeepaliveOptions,
    attachedAtMs: number,
    handlers: KeepaliveHandlers,
  ) {
    this.#link = link;
    this.#clock = world.clock;
    this.#timers = world.timers;
    this.#handlers = handlers;
    this.#options = options;
    this.#patienceMs = patienceMs(options);
    this.#periodMs = Math.min(Math.floor(options.ttlMs / 3), KEEPALIVE_MS_MAX);
    this.#pongWaitMs = Math.max(PONG_WAIT_MS + PONG_MARGIN_MS, Math.floor(this.#periodMs / 2));
    this.#confirmedAtMs = attachedAtMs;
  }

  start(): void {
    this.#schedule();
    this.#link.onRequest = () => this.#awaitAnswer(SILENCE_PROBE_MS);
    if (this.#link.isWaiting) {
      this.#awaitAnswer(SILENCE_PROBE_MS);
    }
  }

  /** A ping now, unless there was one before: the pong tells what this node knows. */
  ask(): void {
    if (!this.#isAsked) {
      this.#ping();
    }
  }

  stop(): void {
    this.#tickTimer?.cancel();
    this.#deathTimer?.cancel();
    this.#silenceTimer?.cancel();
    this.#link.onRequest = () => {};
    this.#silenceTimer = null;
    this.#tickTimer = null;
    this.#deathTimer = null;
    this.#sent.clear();
  }

  /**
   * By a ping sent at `atMs`, or by a resume or open that was. A node that has confirmed once is no
   * place to hurry away from: without the patience of a first node, a client that had to move once
   * would leave each node before its first ping there.
   */
  confirmed(atMs: number): void {
    this.#confirmedAtMs = Math.max(this.#confirmedAtMs, atMs);
    this.#patienceMs = patienceMs({ ...this.#options, hops: 0 });
  }

  onPong(pong: Pong): void {
    const sentAtMs = this.#sent.get(pong.id);
    if (sentAtMs === undefined) {
      return;
    }
    // Pongs of one link may overtake each other (one waits for its confirmation), but any of them
    // shows that the link is alive.
    this.#sent.delete(pong.id);
    this.#deathTimer?.cancel();
    this.#deathTimer = null;
    if (this.#handlers.onPong(pong, sentAtMs)) {
      this.confirmed(sentAtMs);
    }
  }

  #schedule(): void {
    this.#tickDueMs = this.#clock.monotonicMs() + this.#periodMs;
    this.#tickTimer = this.#timers.after(this.#periodMs, () => this.#tick());
  }

  #tick(): void {
    const nowMs = this.#clock.monotonicMs();
    const lateMs = nowMs - this.#tickDueMs;
    if (lateMs >= this.#periodMs) {
      this.#handlers.onStall(lateMs);
    } else if (nowMs - this.#confirmedAtMs >= this.#patienceMs) {
      this.#schedule();
      this.#handlers.onUnconfirmed();
      return;
    }
    this.#schedule();
    this.#ping();
  }

  #ping(): void {
    this.#isAsked = true;
    const id = this.#link.nextId();
    this.#sent.set(id, this.#clock.monotonicMs());
    const [oldest] = this.#sent.keys();
    if (oldest !== undefined && this.#sent.size > PINGS_UNANSWERED_MAX) {
      this.#sent.delete(oldest);
    }
    this.#link.send({ type: "ping", id });
    if (this.#deathTimer === null) {
      this.#awaitPong();
    }
  }

  /**
   * A node that stands still closes no connection. A request that it owes an answer shows it sooner
   * than the next ping would; one that merely has no leader answers the ping.
   */
  #awaitAnswer(forMs: number): void {
    this.#silenceTimer ??= this.#timers.after(forMs, () => {
      this.#silenceTimer = null;
      if (!this.#link.isWaiting) {
        return;
      }
      const leftMs = this.#link.heardAtMs + SILENCE_PROBE_MS - this.#clock.monotonicMs();
      if (leftMs <= 0 && this.#deathTimer === null) {
        this.#ping();
      }
      this.#awaitAnswer(leftMs > 0 ? leftMs : SILENCE_PROBE_MS);
    });
  }

  #awaitPong(): void {
    const dueMs = this.#clock.monotonicMs() + this.#pongWaitMs;
    this.#deathTimer = this.#timers.after(this.#pongWaitMs, () => {
      this.#deathTimer = null;
      const nowMs = this.#clock.monotonicMs();
      // A process that was stopped for a minute finds this timer due before it has read the pong
      // that lies in its socket. What was heard meanwhile counts, and a stall asks again.
      const isStalled = nowMs - dueMs >= this.#pongWaitMs;
      if (isStalled || nowMs - this.#link.heardAtMs < this.#pongWaitMs) {
        this.#ping();
        return;
      }
      this.#handlers.onDead();
    });
  }
}
