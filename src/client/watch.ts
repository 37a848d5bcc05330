import type { Timers } from "../env/env.ts";
import type { ErrorCode } from "../errors.ts";
import { RECONNECT_MS_MAX } from "../limits.ts";
import { type Deferred, deferred } from "../util/deferred.ts";
import type {
  DeltaMessage,
  ReplyMessage,
  SelectorBody,
  SnapshotMessage,
  Subscribe,
} from "../wire/messages.ts";
import { type RollcallError, refusalError } from "./errors.ts";
import type { Link } from "./link.ts";
import { backoffMs } from "./reconnect.ts";
import { type WatchEvent, WatchFold } from "./watch-fold.ts";

export interface WatchWorld {
  readonly timers: Timers;
  readonly randomBelow: (bound: number) => number;
  /** No node that knows how old its copy is can be reached: one that does not will do. */
  readonly isUnknownAgeAllowed: () => boolean;
}

export interface WatchHandlers {
  /** The node has given it a number on this link. */
  onNumbered(watch: Watch, number: number): void;
  /** Its number means nothing any more; it will get another one. */
  onUnnumbered(watch: Watch): void;
  onEnded(watch: Watch): void;
  /** The reader has taken an event. */
  onDelivered(): void;
  /** The node refused what another might not. */
  onElsewhere(code: ErrorCode): void;
}

type State =
  /** No link. */
  | { readonly tag: "detached" }
  | {
      readonly tag: "subscribing";
      readonly link: Link;
      readonly request: number;
      readonly isUnknownAgeAllowed: boolean;
    }
  /** `marks`: progress marks heard since the node took it. */
  | {
      readonly tag: "live";
      readonly link: Link;
      readonly number: number;
      readonly isUnknownAgeAllowed: boolean;
      readonly marks: number;
    }
  /** Refused for now. */
  | { readonly tag: "waiting"; readonly link: Link }
  | { readonly tag: "ended"; readonly error: RollcallError | null };

/**
 * One subscription over many links. It ends when its reader leaves, its signal aborts, the client
 * closes, or the registry refuses the selector itself; never because a connection broke.
 */
export class Watch implements AsyncIterableIterator<WatchEvent>, AsyncDisposable {
  readonly #selector: SelectorBody;
  readonly #world: WatchWorld;
  readonly #handlers: WatchHandlers;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = (): void => this.end();
  readonly #fold = new WatchFold();
  readonly #readers: Deferred<IteratorResult<WatchEvent>>[] = [];
  #state: State = { tag: "detached" };
  #refusals = 0;

  constructor(
    selector: SelectorBody,
    world: WatchWorld,
    signal: AbortSignal | undefined,
    handlers: WatchHandlers,
  ) {
    this.#selector = selector;
    this.#world = world;
    this.#handlers = handlers;
    this.#signal = signal;
    signal?.addEventListener("abort", this.#onAbort);
  }

  get deliveredRevision(): number {
    return this.#fold.deliveredRevision;
  }

  up(link: Link): void {
    if (this.#state.tag === "ended") {
      return;
    }
    const id = link.nextId();
    const from = this.#fold.resumeFrom;
    const isUnknownAgeAllowed = this.#world.isUnknownAgeAllowed();
    const message: Subscribe = {
      ...{ type: "subscribe", id, subscribes: [this.#selector] },
      ...(from !== null && { from }),
      allowUnknownAge: isUnknownAgeAllowed,
    };
    this.#state = { tag: "subscribing", link, request: id, isUnknownAgeAllowed };
    link.request(message, (reply) => {
      const state = this.#state;
      const isOurs = state.tag === "subscribing" && state.link === link && state.request === id;
      if (isOurs && reply !== null) {
        this.#onReply(link, state.isUnknownAgeAllowed, reply);
      } else if (!isOurs && reply?.ok === true) {
        unsubscribe(link, reply.watches);
      }
    });
  }

  /** Asks again, this time for what a node has that cannot tell how old it is. */
  allowUnknownAge(): void {
    const state = this.#state;
    if ((state.tag !== "subscribing" && state.tag !== "live") || state.isUnknownAgeAllowed) {
      return;
    }
    if (state.tag === "live") {
      this.#handlers.onUnnumbered(this);
      unsubscribe(state.link, [state.number]);
    }
    this.#fold.interrupted();
    this.up(state.link);
  }

  down(): void {
    this.#fold.interrupted();
    if (this.#state.tag !== "ended") {
      this.#state = { tag: "detached" };
    }
  }

  lineageChanged(): void {
    this.#fold.forgetRevisions();
  }

  onSnapshot(message: SnapshotMessage): void {
    this.#fold.snapshot(message);
    this.#deliver();
  }

  onDelta(message: DeltaMessage): void {
    if (this.#fold.delta(message) === "gap") {
      throw new RangeError("a delta came before the snapshot");
    }
    this.#deliver();
  }

  /**
   * The first mark after the node has taken the watch may have been queued before it was taken, and
   * say nothing of the changes that the watch is still owed. Resuming from it would lose them.
   */
  onMark(revision: number): void {
    const state = this.#state;
    if (state.tag !== "live") {
      return;
    }
    if (state.marks > 0) {
      this.#fold.mark(revision);
    }
    this.#state = { ...state, marks: state.marks + 1 };
  }

  next(): Promise<IteratorResult<WatchEvent>> {
    const event = this.#take();
    if (event !== null) {
      return Promise.resolve({ done: false, value: event });
    }
    const state = this.#state;
    if (state.tag !== "ended") {
      const reader = deferred<IteratorResult<WatchEvent>>();
      this.#readers.push(reader);
      return reader.promise;
    }
    if (state.error !== null) {
      this.#state = { tag: "ended", error: null };
      return Promise.reject(state.error);
    }
    return Promise.resolve({ done: true, value: undefined });
  }

  return(): Promise<IteratorResult<WatchEvent>> {
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.end();
    return Promise.resolve();
  }

  /** `error`: why the registry will not serve it, which its reader is told. */
  end(error: RollcallError | null = null): void {
    const state = this.#state;
    if (state.tag === "ended") {
      return;
    }
    this.#signal?.removeEventListener("abort", this.#onAbort);
    if (state.tag === "live") {
      unsubscribe(state.link, [state.number]);
    }
    const readers = this.#readers.splice(0);
    this.#state = { tag: "ended", error: readers.length === 0 ? error : null };
    for (const [position, reader] of readers.entries()) {
      if (error !== null && position === 0) {
        reader.reject(error);
      } else {
        reader.resolve({ done: true, value: undefined });
      }
    }
    this.#handlers.onEnded(this);
  }

  #onReply(link: Link, isUnknownAgeAllowed: boolean, reply: ReplyMessage): void {
    if (reply.ok) {
      const number = reply.watches?.[0];
      if (number === undefined) {
        throw new RangeError("the node gave the watch no number");
      }
      this.#refusals = 0;
      this.#state = { tag: "live", link, number, isUnknownAgeAllowed, marks: 0 };
      this.#handlers.onNumbered(this, number);
      return;
    }
    const error = refusalError(reply.error, false);
    if (error.retry === "no") {
      this.end(error);
      return;
    }
    if (error.retry === "elsewhere") {
      this.#handlers.onElsewhere(error.code);
    }
    this.#refusals += 1;
    const waiting: State = { tag: "waiting", link };
    this.#state = waiting;
    const jitterMs = backoffMs(this.#refusals, RECONNECT_MS_MAX, this.#world.randomBelow);
    this.#world.timers.after(Math.max(jitterMs, error.retryAfterMs ?? 0), () => {
      if (this.#state === waiting) {
        this.up(link);
      }
    });
  }

  #take(): WatchEvent | null {
    if (this.#state.tag === "ended") {
      return null;
    }
    const event = this.#fold.take();
    if (event !== null) {
      this.#handlers.onDelivered();
    }
    return event;
  }

  #deliver(): void {
    while (this.#readers.length > 0) {
      const event = this.#take();
      if (event === null) {
        return;
      }
      this.#readers.shift()?.resolve({ done: false, value: event });
    }
  }
}

function unsubscribe(link: Link, watches: readonly number[] | undefined): void {
  for (const watch of watches ?? []) {
    const id = link.nextId();
    link.request({ type: "unsubscribe", id, watch }, () => {});
  }
}
