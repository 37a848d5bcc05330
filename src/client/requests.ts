import type { Random, Timer } from "../env/env.ts";
import type { ErrorCode } from "../errors.ts";
import { READ_ATTEMPT_MS_MAX, RECONNECT_MS_MAX } from "../limits.ts";
import type { ErrorBody, Get, ReadBody, ReplyMessage, SelectorBody } from "../wire/messages.ts";
import { Call, type CallOptions, type CallWorld } from "./call.ts";
import { closedError, type RollcallError, readDeadlineError, readRefusalError } from "./errors.ts";
import type { Link } from "./link.ts";
import { backoffMs } from "./reconnect.ts";

export interface RequestsWorld extends CallWorld {
  readonly random: Random;
}

export interface RequestsHandlers {
  /** The highest revision seen: no answer may be older. */
  floor(): number;
  /** The node refused what another might not. False: all of them have, lately. */
  onElsewhere(code: ErrorCode): boolean;
  /** The node answered with an older state than this client has seen. */
  onBehind(): void;
}

export type GetReply = Extract<ReplyMessage, { readonly ok: true }>;

interface Waiting {
  readonly selector: SelectorBody;
  readonly read: ReadBody;
  readonly call: Call<GetReply>;
  /** Where a copy is out; null where it waits for a link or for its turn. */
  request: number | null;
  retry: Timer | null;
  refusals: number;
  lastRefusal: RollcallError | null;
}

/** Most of what reads may have in flight on a connection; writes have the rest. */
const READ_SHARE = 0.2;

/** Reads on whichever link there is. They change nothing, so they are simply asked again. */
export class Requests {
  readonly #world: RequestsWorld;
  readonly #handlers: RequestsHandlers;
  readonly #waiting = new Set<Waiting>();
  #link: Link | null = null;
  #inFlight = 0;
  #inFlightMax = 1;
  #isClosed = false;

  constructor(world: RequestsWorld, handlers: RequestsHandlers) {
    this.#world = world;
    this.#handlers = handlers;
  }

  get(selector: SelectorBody, read: ReadBody, options: CallOptions): Promise<GetReply> {
    const call: Call<GetReply> = new Call(this.#world, options, () => {
      this.#drop(waiting);
      return readDeadlineError(waiting.request !== null, waiting.lastRefusal);
    });
    const waiting: Waiting = {
      ...{ selector, read, call },
      ...{ request: null, retry: null, refusals: 0, lastRefusal: null },
    };
    if (this.#isClosed) {
      call.reject(closedError());
    }
    if (!call.isSettled) {
      this.#waiting.add(waiting);
      this.#pump();
    }
    return call.promise;
  }

  up(link: Link, requestsInFlightMax: number): void {
    this.#link = link;
    this.#inFlight = 0;
    this.#inFlightMax = Math.max(1, Math.floor(requestsInFlightMax * READ_SHARE));
    this.#pump();
  }

  down(): void {
    this.#link = null;
    this.#inFlight = 0;
    for (const waiting of this.#waiting) {
      waiting.request = null;
      // The pause was for the node that refused.
      waiting.retry?.cancel();
      waiting.retry = null;
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const waiting of [...this.#waiting]) {
      this.#drop(waiting);
      waiting.call.reject(closedError());
    }
  }

  #pump(): void {
    for (const waiting of this.#waiting) {
      if (this.#link === null || this.#inFlight >= this.#inFlightMax) {
        return;
      }
      if (waiting.request === null && waiting.retry === null) {
        this.#send(waiting, this.#link);
      }
    }
  }

  #send(waiting: Waiting, link: Link): void {
    const id = link.nextId();
    const { selector, read, call } = waiting;
    const timeoutMs =
      read === "linearizable"
        ? Math.min(call.wireTimeoutMs, READ_ATTEMPT_MS_MAX)
        : call.wireTimeoutMs;
    const message: Get = { type: "get", id, timeoutMs, selector, read };
    const floor = this.#handlers.floor();
    waiting.request = id;
    this.#inFlight += 1;
    link.request(message, (reply) => {
      if (link !== this.#link || reply === null) {
        return;
      }
      this.#inFlight -= 1;
      // An abandoned read leaves its place only when its answer comes: the node still works on it.
      if (waiting.request === id) {
        waiting.request = null;
        this.#onReply(waiting, reply, floor);
      }
      this.#pump();
    });
  }

  #onReply(waiting: Waiting, reply: ReplyMessage, floor: number): void {
    if (waiting.call.isSettled) {
      return;
    }
    if (!reply.ok) {
      this.#refused(waiting, reply.error);
      return;
    }
    // The hello named the floor, so this is a node that breaks its promise. What a client has seen
    // stays seen: it asks elsewhere.
    if (reply.revision < floor) {
      this.#again(waiting, 0);
      this.#handlers.onBehind();
      return;
    }
    this.#waiting.delete(waiting);
    waiting.call.resolve(reply);
  }

  #refused(waiting: Waiting, body: ErrorBody): void {
    const error = readRefusalError(body);
    // At its deadline the node says why, a moment before the caller's. Asked again, the answer of
    // the caller would be that there was no answer.
    const isElsewhere =
      !waiting.call.isLate && error.retry === "elsewhere" && this.#handlers.onElsewhere(error.code);
    if (waiting.call.isLate || (!isElsewhere && !isTriedAgain(error.code))) {
      this.#waiting.delete(waiting);
      waiting.call.reject(error);
      return;
    }
    waiting.lastRefusal = error;
    this.#again(waiting, error.retryAfterMs ?? 0);
  }

  #again(waiting: Waiting, atLeastMs: number): void {
    waiting.refusals += 1;
    const jitterMs = backoffMs(waiting.refusals, RECONNECT_MS_MAX, (bound) =>
      this.#world.random.below(bound),
    );
    waiting.retry = this.#world.timers.after(Math.max(jitterMs, atLeastMs), () => {
      waiting.retry = null;
      this.#pump();
    });
  }

  #drop(waiting: Waiting): void {
    waiting.retry?.cancel();
    this.#waiting.delete(waiting);
  }
}

function isTriedAgain(code: ErrorCode): boolean {
  switch (code) {
    case "NO_LEADER":
    case "LEADER_LOST":
    case "OVERLOADED":
    case "DRAINING":
    case "TIMEOUT":
    case "CONNECTION_LOST":
    case "INTERNAL":
      return true;
    default:
      return false;
  }
}
