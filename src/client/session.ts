import type { Clock, Logger, Random, Timer, Timers } from "../env/env.ts";
import type { ErrorCode } from "../errors.ts";
import { RECONNECT_MS_MAX, SESSION_ID_BYTES, SESSION_SECRET_BYTES_MIN } from "../limits.ts";
import { must, unreachable } from "../util/assert.ts";
import { deferred } from "../util/deferred.ts";
import type { Pong, ReplyMessage, SessionBody, SessionMessage } from "../wire/messages.ts";
import { type RollcallError, refusalError } from "./errors.ts";
import type { Link } from "./link.ts";
import { backoffMs } from "./reconnect.ts";
import type { SessionEndReason, SessionView, Status } from "./status.ts";
import { type OnOutcome, type Waiter, type Write, type WriteBody, Writes } from "./writes.ts";

export interface SessionWorld {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
}

export interface SessionOptions {
  readonly ttlMs: number;
  readonly graceMs: number;
}

/** What the registry says the session owns: the count, and the revision of the last change to it. */
export interface Owned {
  readonly owned: number;
  readonly ownedRevision: number;
}

export interface SessionHandlers {
  /** Resumed on another link. `isExact`: no write is unanswered, so the numbers can be compared. */
  onResumed(owned: Owned, isExact: boolean): void;
  /** Of a confirmed keepalive, while no write is unanswered. */
  onOwned(owned: Owned): void;
  /** All that it owned is gone. Its unanswered writes have been told already. */
  onLost(): void;
  onConfirmed(atMs: number): void;
  /** The node refused what another might not. */
  onElsewhere(code: ErrorCode): void;
  onStatus(status: Status): void;
}

interface Identity {
  readonly id: string;
  readonly secret: string;
}

type State =
  /** Nothing has been written yet: a client that only reads opens no session. */
  | { readonly tag: "none" }
  /** Not known to have been opened; `open` goes out on every link until it is answered. */
  | { readonly tag: "opening"; readonly identity: Identity }
  /** Opened before, and not confirmed by the node of this link. */
  | { readonly tag: "unconfirmed"; readonly identity: Identity }
  /** Opened or resumed on this link. */
  | { readonly tag: "open"; readonly identity: Identity }
  | { readonly tag: "closed" };

interface Up {
  readonly link: Link;
  readonly requestsInFlightMax: number;
  readonly helloAtMs: number;
}

/**
 * The one session of a client: what it registers lives as long as it does (design section 5). The
 * client chooses id and secret, so opening is idempotent; each connection counts `attach` up, so
 * that what is late of an old one harms nobody.
 */
export class Session {
  readonly #world: SessionWorld;
  readonly #options: SessionOptions;
  readonly #handlers: SessionHandlers;
  readonly #writes: Writes;
  #state: State = { tag: "none" };
  #up: Up | null = null;
  #attach = 0;
  /** When the last confirmed keepalive was *sent*: the TTL runs from there. */
  #confirmedAtMs = 0;
  /** The first `open` of this session that may have reached the log. */
  #firstOpen: { readonly attach: number; readonly sentAtMs: number } | null = null;
  #leaseTimer: Timer | null = null;
  #openTimer: Timer | null = null;
  #openRefusals = 0;
  #isUnconfirmedSaid = false;

  constructor(world: SessionWorld, options: SessionOptions, handlers: SessionHandlers) {
    this.#world = world;
    this.#options = options;
    this.#handlers = handlers;
    this.#writes = new Writes({
      timers: world.timers,
      randomBelow: (bound) => world.random.below(bound),
      onElsewhere: (code) => handlers.onElsewhere(code),
      onSessionLost: () => this.#lost("unknown"),
    });
  }

  get id(): string | null {
    const state = this.#state;
    return state.tag === "none" || state.tag === "closed" ? null : state.identity.id;
  }

  get view(): SessionView {
    const state = this.#state;
    switch (state.tag) {
      case "none":
      case "closed":
        return { tag: state.tag };
      case "opening":
        return { tag: "opening", id: state.identity.id };
      case "open":
      case "unconfirmed": {
        const tag = this.#isUnconfirmedSaid ? "unconfirmed" : state.tag;
        return { tag, id: state.identity.id, leaseMsLeft: this.#leaseMsLeft() };
      }
      default:
        return unreachable(state);
    }
  }

  /** Of the hello. A session whose `open` was not answered is opened again instead. */
  forHello(): SessionBody | null {
    const state = this.#state;
    if (state.tag !== "open" && state.tag !== "unconfirmed") {
      return null;
    }
    return this.#body(state.identity);
  }

  /** The first write opens the session. */
  submit(body: WriteBody, onOutcome: OnOutcome, waiter: Waiter | null): Write {
    const write = this.#writes.submit(body, onOutcome, waiter);
    if (this.#state.tag === "none") {
      this.#begin();
    }
    return write;
  }

  up(link: Link, requestsInFlightMax: number, helloAtMs: number): void {
    this.#up = { link, requestsInFlightMax, helloAtMs };
    if (this.#state.tag === "opening") {
      this.#open();
    }
  }

  down(): void {
    this.#up = null;
    this.#openTimer?.cancel();
    this.#openTimer = null;
    this.#writes.detach();
    if (this.#state.tag === "open") {
      this.#setState({ tag: "unconfirmed", identity: this.#state.identity });
    }
  }

  /** Revisions of before mean nothing now: whatever is unanswered was a write to another history. */
  lineageChanged(): void {
    if (this.#state.tag === "open" || this.#state.tag === "unconfirmed") {
      this.#lost("unknown");
    }
  }

  onMessage(message: SessionMessage): void {
    const state = this.#state;
    const isOurs = state.tag === "unconfirmed" || state.tag === "open";
    if (!isOurs || message.id !== state.identity.id || this.#up === null) {
      return;
    }
    switch (message.state) {
      case "unconfirmed":
        this.#writes.attach(this.#up.link, this.#up.requestsInFlightMax);
        this.#sayUnconfirmed(false);
        return;
      case "resumed":
        this.#resumed(state.identity, message, this.#up);
        return;
      case "expired":
        this.#lost(message.reason);
        return;
      case "denied":
        this.#lost("denied");
        return;
      default:
        unreachable(message);
    }
  }

  /** True: the pong confirms the session. */
  onPong(pong: Pong, sentAtMs: number): boolean {
    if (this.#state.tag === "none") {
      // Without a session there is nothing to confirm, but a node that has not heard of a leader
      // for so long, or not since its start, would serve an old list for ever.
      const { leaderAgeMs } = pong;
      return leaderAgeMs !== undefined && leaderAgeMs <= (2 * this.#options.ttlMs) / 3;
    }
    if (this.#state.tag !== "open" || !pong.confirmed) {
      return false;
    }
    this.#confirmed(sentAtMs);
    const { owned, ownedRevision } = pong;
    if (owned !== undefined && ownedRevision !== undefined && this.#writes.isEmpty) {
      this.#handlers.onOwned({ owned, ownedRevision });
    }
    return true;
  }

  /**
   * Says bye, which removes all that the session owns, and takes no more. Resolves with whether the
   * session is over for sure.
   */
  bye(): Promise<boolean> {
    const over = deferred<boolean>();
    if (this.#state.tag === "open" && this.#up !== null) {
      this.#writes.submit({ type: "bye" }, ({ type }) => over.resolve(type !== "refused"), null);
    } else {
      over.resolve(this.id === null);
    }
    return over.promise;
  }

  close(): void {
    this.#up = null;
    this.#openTimer?.cancel();
    this.#leaseTimer?.cancel();
    this.#setState({ tag: "closed" });
    this.#writes.endSession();
  }

  #setState(next: State): void {
    this.#state = next;
  }

  #begin(): void {
    const { random } = this.#world;
    const identity = {
      id: hex(random.bytes(SESSION_ID_BYTES)),
      secret: hex(random.bytes(SESSION_SECRET_BYTES_MIN)),
    };
    this.#attach = 0;
    this.#firstOpen = null;
    this.#openRefusals = 0;
    this.#setState({ tag: "opening", identity });
    this.#open();
  }

  #body(identity: Identity): SessionBody {
    this.#attach += 1;
    return { id: identity.id, secret: identity.secret, attach: this.#attach };
  }

  #open(): void {
    const { tag } = this.#state;
    if (tag !== "opening" || this.#up === null) {
      return;
    }
    const { identity } = this.#state;
    const up = this.#up;
    const { ttlMs, graceMs } = this.#options;
    const id = up.link.nextId();
    const session = this.#body(identity);
    const { attach } = session;
    this.#firstOpen ??= { attach, sentAtMs: this.#world.clock.monotonicMs() };
    const timeoutMs = this.#writes.openTimeoutMs;
    up.link.request({ type: "open", id, timeoutMs, session, ttlMs, graceMs }, (reply) => {
      const state = this.#state;
      if (reply !== null && state.tag === "opening" && state.identity === identity) {
        this.#opened(identity, reply, up, attach);
      }
    });
  }

  /**
   * The first `open` went through n2, and its answer was lost. The second goes through n3, which
   * lags: it is answered by the first one's entry, when n3 applies that, and may itself be lost on
   * its way to the leader. So the leader's TTL may run from the first.
   */
  #opened(identity: Identity, reply: ReplyMessage, up: Up, attach: number): void {
    if (reply.ok) {
      this.#setState({ tag: "open", identity });
      this.#world.logger.info({ session: identity.id }, "session opened");
      this.#handlers.onStatus({ type: "sessionOpened", session: identity.id });
      this.#confirmed(must(this.#firstOpen, "an open was sent").sentAtMs);
      this.#writes.attach(up.link, up.requestsInFlightMax);
      return;
    }
    const error = refusalError(reply.error, false);
    if (error.code === "SESSION_EXPIRED" || error.code === "SESSION_UNKNOWN") {
      // An open that was answered to nobody (its link broke) has been outlived by its grace.
      this.#begin();
      return;
    }
    if (error.retry === "no") {
      this.#world.logger.error({ error: error.message }, "the session cannot be opened");
      this.#setState({ tag: "none" });
      this.#writes.refuseQueued(error);
      return;
    }
    if (error.retry === "elsewhere") {
      this.#handlers.onElsewhere(error.code);
    }
    // That the opening may have happened says nothing of the writes behind it.
    if (error.definite) {
      this.#writes.openingRefused(error);
      this.#firstOpen = this.#firstOpen?.attach === attach ? null : this.#firstOpen;
    }
    // That may take hours. What is to be put back comes again by itself, in longer and longer waits.
    if (error.code === "DISK_LOW") {
      this.#writes.refuseQueued(error);
    }
    this.#openLater(error);
  }

  #openLater(error: RollcallError): void {
    this.#openRefusals += 1;
    const { random, timers } = this.#world;
    const jitterMs = backoffMs(this.#openRefusals, RECONNECT_MS_MAX, (bound) =>
      random.below(bound),
    );
    const delayMs = Math.max(jitterMs, error.retryAfterMs ?? 0);
    this.#openTimer?.cancel();
    this.#openTimer = timers.after(delayMs, () => this.#open());
  }

  #resumed(identity: Identity, owned: Owned & { readonly lastSeq: number }, up: Up): void {
    const isExact = this.#writes.isSettled;
    this.#setState({ tag: "open", identity });
    this.#world.logger.info({ session: identity.id, owned: owned.owned }, "session resumed");
    this.#handlers.onStatus({ type: "sessionResumed", session: identity.id, owned: owned.owned });
    this.#confirmed(up.helloAtMs);
    this.#writes.attach(up.link, up.requestsInFlightMax);
    this.#handlers.onResumed(owned, isExact);
  }

  #lost(reason: SessionEndReason): void {
    const state = this.#state;
    if (state.tag !== "open" && state.tag !== "unconfirmed") {
      return;
    }
    this.#leaseTimer?.cancel();
    this.#leaseTimer = null;
    this.#isUnconfirmedSaid = false;
    this.#world.logger.warn({ session: state.identity.id, reason }, "session expired");
    this.#setState({ tag: "none" });
    this.#handlers.onStatus({ type: "sessionExpired", session: state.identity.id, reason });
    this.#writes.endSession();
    this.#handlers.onLost();
  }

  #confirmed(atMs: number): void {
    this.#confirmedAtMs = Math.max(this.#confirmedAtMs, atMs);
    this.#isUnconfirmedSaid = false;
    this.#handlers.onConfirmed(atMs);
    this.#leaseTimer?.cancel();
    this.#leaseTimer = this.#world.timers.after(this.#leaseMsLeft(), () =>
      this.#sayUnconfirmed(true),
    );
  }

  /** The keepalive found the node unable to confirm. */
  unconfirmed(): void {
    this.#sayUnconfirmed(false);
  }

  #sayUnconfirmed(isLeaseOver: boolean): void {
    const session = this.id;
    if (session === null || (this.#isUnconfirmedSaid && !isLeaseOver)) {
      return;
    }
    this.#isUnconfirmedSaid = true;
    if (isLeaseOver) {
      this.#world.logger.warn({ session }, "no confirmation for a whole TTL");
    }
    this.#handlers.onStatus({ type: "sessionUnconfirmed", session, isLeaseOver });
  }

  #leaseMsLeft(): number {
    const endsAtMs = this.#confirmedAtMs + this.#options.ttlMs;
    return Math.max(0, endsAtMs - this.#world.clock.monotonicMs());
  }
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
