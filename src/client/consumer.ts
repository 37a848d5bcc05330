import type { Random, Timer } from "../env/env.ts";
import type { ErrorCode } from "../errors.ts";
import { ACK_DELAY_MS } from "../limits.ts";
import { handled } from "../util/deferred.ts";
import type {
  DeltaMessage,
  Endpoint,
  Mark,
  Meta,
  ReadBody,
  SnapshotMessage,
} from "../wire/messages.ts";
import { attempt, type CallOptions, type CallWorld } from "./call.ts";
import { closedError } from "./errors.ts";
import type { Link } from "./link.ts";
import { checkCall, checkRead, checkSelector } from "./options.ts";
import { type GetReply, Requests } from "./requests.ts";
import { Watch } from "./watch.ts";
import type { WatchEvent } from "./watch-fold.ts";

/** The name of an application, or more: an instance matches when all that is given agrees. */
export type Selector =
  | string
  | {
      readonly namespace?: string;
      /** The same as `application`; exactly one of the two is given. */
      readonly provider?: string;
      readonly application?: string;
      readonly protocol?: string;
      readonly meta?: Meta;
    };

export interface GetOptions extends CallOptions {
  /**
   * `linearizable` (default): all that was acknowledged before the call. `{atLeast}`: all up to
   * that revision. `{staleMs}`: this node's copy, no older than that; null sets no bound.
   */
  readonly read?: ReadBody;
}

export interface GetResult {
  readonly instances: readonly Endpoint[];
  readonly revision: number;
  /** How old the answer may be; null where the node cannot tell. */
  readonly ageMs: number | null;
  readonly source: "registry";
}

export interface WatchOptions {
  readonly signal?: AbortSignal;
}

/** Breaking off the iteration, aborting the signal or disposing of it ends the subscription. */
export type WatchStream = AsyncIterableIterator<WatchEvent> & AsyncDisposable;

/** The part of a client that looks instances up. */
export interface Consumer {
  get(selector: Selector, options?: GetOptions): Promise<GetResult>;
  /**
   * First a snapshot, then every change, in order. It outlives disconnects and moves to other
   * nodes; a reader that does not keep up gets its changes collapsed. For one reader.
   */
  watch(selector: Selector, options?: WatchOptions): WatchStream;
}

export interface ConsumerWorld extends CallWorld {
  readonly random: Random;
}

export interface ConsumerHandlers {
  floor(): number;
  /** A state of this revision was shown. */
  onSeen(revision: number): void;
  /** The node refused what another might not. False: all of them have, lately. */
  onElsewhere(code: ErrorCode): boolean;
  onBehind(): void;
  /** Something waits for a node that knows how old its copy is. */
  onWatching(): void;
}

export class WatchingConsumer implements Consumer {
  readonly #world: ConsumerWorld;
  readonly #namespace: string;
  readonly #handlers: ConsumerHandlers;
  readonly #requests: Requests;
  readonly #watches = new Set<Watch>();
  readonly #byNumber = new Map<number, Watch>();
  #link: Link | null = null;
  #isUnknownAgeAllowed = false;
  #ackTimer: Timer | null = null;
  #acked = 0;
  #isClosed = false;

  constructor(world: ConsumerWorld, namespace: string, handlers: ConsumerHandlers) {
    this.#world = world;
    this.#namespace = namespace;
    this.#handlers = handlers;
    this.#requests = new Requests(world, handlers);
  }

  get(selector: Selector, options: GetOptions = {}): Promise<GetResult> {
    return attempt(() => {
      checkCall(options, ["read"]);
      const read = checkRead(options.read);
      const checked = checkSelector(selector, this.#namespace);
      const reply = this.#requests.get(checked, read, options);
      return handled(reply.then((answer) => this.#result(answer)));
    });
  }

  watch(selector: Selector, options: WatchOptions = {}): WatchStream {
    checkCall(options);
    const checked = checkSelector(selector, this.#namespace);
    if (this.#isClosed) {
      throw closedError();
    }
    const { random, timers } = this.#world;
    const world = {
      timers,
      randomBelow: (bound: number) => random.below(bound),
      isUnknownAgeAllowed: () => this.#isUnknownAgeAllowed,
    };
    const watch = new Watch(checked, world, options.signal, {
      onNumbered: (numbered, number) => this.#byNumber.set(number, numbered),
      onUnnumbered: (unnumbered) => this.#forgetNumber(unnumbered),
      onEnded: (ended) => this.#ended(ended),
      onDelivered: () => this.#ackSoon(),
      onElsewhere: (code) => this.#handlers.onElsewhere(code),
    });
    this.#watches.add(watch);
    if (options.signal?.aborted === true) {
      watch.end();
    } else if (this.#link !== null) {
      watch.up(this.#link);
      this.#handlers.onWatching();
    }
    return watch;
  }

  up(link: Link, requestsInFlightMax: number): void {
    this.#link = link;
    this.#acked = 0;
    for (const watch of [...this.#watches]) {
      watch.up(link);
    }
    this.#requests.up(link, requestsInFlightMax);
    if (this.#watches.size > 0) {
      this.#handlers.onWatching();
    }
  }

  /** Whether some node that can be reached knows how old its copy is. */
  onAge(isKnown: boolean): void {
    this.#isUnknownAgeAllowed = !isKnown;
    if (!isKnown) {
      for (const watch of [...this.#watches]) {
        watch.allowUnknownAge();
      }
    }
  }

  down(): void {
    this.#link = null;
    this.#byNumber.clear();
    this.#requests.down();
    for (const watch of this.#watches) {
      watch.down();
    }
  }

  lineageChanged(): void {
    for (const watch of this.#watches) {
      watch.lineageChanged();
    }
  }

  onMessage(message: SnapshotMessage | DeltaMessage | Mark): void {
    if (message.type === "mark") {
      for (const watch of this.#watches) {
        watch.onMark(message.revision);
      }
      this.#handlers.onSeen(message.revision);
      this.#ackSoon();
      return;
    }
    const watch = this.#byNumber.get(message.watch);
    if (watch === undefined) {
      // It was ended here, and the node has not heard of it yet.
      return;
    }
    if (message.type === "snapshot") {
      this.#handlers.onSeen(message.revision);
      watch.onSnapshot(message);
    } else {
      if (message.collapsed?.last !== false) {
        this.#handlers.onSeen(message.revision);
      }
      watch.onDelta(message);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#ackTimer?.cancel();
    this.#requests.close();
    for (const watch of [...this.#watches]) {
      watch.end();
    }
  }

  #result(reply: GetReply): GetResult {
    this.#handlers.onSeen(reply.revision);
    return {
      instances: reply.endpoints ?? [],
      revision: reply.revision,
      ageMs: reply.ageMs ?? null,
      source: "registry",
    };
  }

  #ended(watch: Watch): void {
    this.#watches.delete(watch);
    this.#forgetNumber(watch);
  }

  #forgetNumber(watch: Watch): void {
    for (const [number, numbered] of this.#byNumber) {
      if (numbered === watch) {
        this.#byNumber.delete(number);
      }
    }
  }

  /** All watches of the connection are acknowledged by one number: what every reader has had. */
  #ackSoon(): void {
    if (this.#ackTimer !== null) {
      return;
    }
    this.#ackTimer = this.#world.timers.after(ACK_DELAY_MS, () => {
      this.#ackTimer = null;
      let revision = Number.POSITIVE_INFINITY;
      for (const watch of this.#watches) {
        revision = Math.min(revision, watch.deliveredRevision);
      }
      if (this.#link !== null && Number.isFinite(revision) && revision > this.#acked) {
        this.#acked = revision;
        this.#link.send({ type: "ack", revision });
      }
    });
  }
}
