import type { Timer, Timers } from "../env/env.ts";
import { ERRORS, type ErrorCode } from "../errors.ts";
import { CALL_TIMEOUT_MS_DEFAULT, UNANSWERED_PER_SESSION_MAX } from "../limits.ts";
import type {
  Bye,
  ClientMessage,
  DeregisterMessage,
  ErrorBody,
  RegisterMessage,
  ReplyMessage,
  UpdateMessage,
} from "../wire/messages.ts";
import { type RollcallError, refusalError } from "./errors.ts";
import type { Link } from "./link.ts";
import { backoffMs } from "./reconnect.ts";

type Numbered = RegisterMessage | UpdateMessage | DeregisterMessage | Bye;
type WithoutNumbers<M> = M extends Numbered ? Omit<M, "id" | "seq" | "low" | "timeoutMs"> : never;
/** A write as its maker knows it; numbers are given when it is sent. */
export type WriteBody = WithoutNumbers<Numbered>;

export type WriteOutcome =
  | { readonly type: "ok"; readonly revision: number }
  | { readonly type: "refused"; readonly error: RollcallError }
  /** The session ended first, and with it whoever could have told. */
  | { readonly type: "sessionLost"; readonly mayHaveHappened: boolean };

export type OnOutcome = (outcome: WriteOutcome) => void;

/** Who waits for a write, and for how long a node may then work on it. */
export interface Waiter {
  readonly wireTimeoutMs: number;
}

/** What the maker of a write holds of it. */
export interface Write {
  /** It may have happened: a copy is out, or was lost on its way. */
  readonly mayHaveHappened: boolean;
  /** What the last attempt was refused with, if it will be tried again. */
  readonly lastRefusal: RollcallError | null;
  /** The maker hears no more of it. True: it has not happened and will not. */
  abandon(): boolean;
}

class Entry implements Write {
  readonly body: WriteBody;
  readonly waiter: Waiter | null;
  readonly #onAbandon: (entry: Entry) => void;
  onOutcome: OnOutcome | null;
  /** 0 until it is sent for the first time. */
  seq = 0;
  /** Its request on the present link; null when no copy is out there. */
  request: number | null = null;
  attempts = 0;
  /** An attempt ended without a definite answer. */
  isIndefinite = false;
  lastRefusal: RollcallError | null = null;

  constructor(
    body: WriteBody,
    onOutcome: OnOutcome,
    waiter: Waiter | null,
    onAbandon: (entry: Entry) => void,
  ) {
    this.body = body;
    this.waiter = waiter;
    this.onOutcome = onOutcome;
    this.#onAbandon = onAbandon;
  }

  get isAbandoned(): boolean {
    return this.onOutcome === null;
  }

  get mayHaveHappened(): boolean {
    return this.isIndefinite || this.request !== null;
  }

  abandon(): boolean {
    if (this.onOutcome !== null) {
      this.onOutcome = null;
      this.#onAbandon(this);
    }
    return !this.mayHaveHappened;
  }

  settle(outcome: WriteOutcome): void {
    const { onOutcome } = this;
    this.onOutcome = null;
    onOutcome?.(outcome);
  }
}

export interface WritesOptions {
  readonly timers: Timers;
  readonly randomBelow: (bound: number) => number;
  /** The node refused what another might not. */
  readonly onElsewhere: (code: ErrorCode) => void;
  /** The session is over, says a node. */
  readonly onSessionLost: () => void;
}

const RETRY_MS_MAX = 2_000;
/** Most of what a connection may have in flight; the rest is left to reads, watches and pings. */
const WINDOW_SHARE = 0.75;

/**
 * The numbered writes of one session, each applied exactly once and in order (design section 5).
 *
 * A number is given when a write is sent for the first time and never given again. `low` is the
 * lowest number whose answer is still wanted. A node applies a write only when its number is
 * max(last applied + 1, low), so raising `low` past a number is what ends it: whatever copy of it
 * still wanders about is refused without effect. That is how an abandoned write is disposed of.
 *
 * After a reconnect every unanswered write is sent again, in order, under its old number, as soon
 * as the new node has answered the hello with `unconfirmed` or `resumed`: it then speaks for the
 * session, and the number makes a copy harmless if an earlier attempt went through.
 */
export class Writes {
  readonly #options: WritesOptions;
  /** In the order of their numbers. */
  readonly #unanswered = new Map<number, Entry>();
  #queue: Entry[] = [];
  #nextSeq = 1;
  #link: Link | null = null;
  #window = UNANSWERED_PER_SESSION_MAX;
  #pause: Timer | null = null;
  #refusals = 0;

  constructor(options: WritesOptions) {
    this.#options = options;
  }

  /** Nothing is unanswered: what the node says of the session is what the SDK knows of it. */
  get isSettled(): boolean {
    return this.#unanswered.size === 0;
  }

  get isEmpty(): boolean {
    return this.#unanswered.size === 0 && this.#queue.length === 0;
  }

  /** How long a node may take to open the session: all that wait for it want to hear in time. */
  get openTimeoutMs(): number {
    return this.#queue.reduce(
      (least, { waiter }) => Math.min(least, waiter?.wireTimeoutMs ?? least),
      CALL_TIMEOUT_MS_DEFAULT,
    );
  }

  /** `waiter`: null where nobody waits, and it is tried for ever. */
  submit(body: WriteBody, onOutcome: OnOutcome, waiter: Waiter | null): Write {
    const entry = new Entry(body, onOutcome, waiter, (abandoned) => this.#abandoned(abandoned));
    this.#queue.push(entry);
    this.#pump();
    return entry;
  }

  /** The node speaks for the session now. */
  attach(link: Link, requestsInFlightMax: number): void {
    this.#link = link;
    const share = Math.floor(requestsInFlightMax * WINDOW_SHARE);
    this.#window = Math.max(1, Math.min(UNANSWERED_PER_SESSION_MAX, share));
    this.#resume();
  }

  /** The link is gone; its requests were answered with null before or are as good as that. */
  detach(): void {
    this.#link = null;
    this.#pause?.cancel();
    this.#pause = null;
    for (const entry of [...this.#unanswered.values()]) {
      this.#lost(entry);
    }
  }

  /** The session has ended. A new one begins with number 1. */
  endSession(): void {
    this.detach();
    const sent = [...this.#unanswered.values()];
    const queued = this.#queue;
    this.#unanswered.clear();
    this.#queue = [];
    this.#nextSeq = 1;
    this.#refusals = 0;
    for (const entry of sent) {
      entry.settle({ type: "sessionLost", mayHaveHappened: entry.isIndefinite });
    }
    for (const entry of queued) {
      entry.settle({ type: "sessionLost", mayHaveHappened: false });
    }
  }

  /** There is no session yet, for that reason; none of what waits for it has been sent. */
  openingRefused(error: RollcallError): void {
    for (const entry of this.#queue) {
      entry.lastRefusal = error;
    }
  }

  /** No session can be had: what has not been sent will not be. */
  refuseQueued(error: RollcallError): void {
    for (const entry of this.#queue.splice(0)) {
      entry.settle({ type: "refused", error });
    }
  }

  #low(): number {
    for (const [seq, entry] of this.#unanswered) {
      if (!entry.isAbandoned) {
        return seq;
      }
    }
    return this.#nextSeq;
  }

  /** Sends again, in order, what is not in flight; then goes on. */
  #resume(): void {
    this.#pause?.cancel();
    this.#pause = null;
    for (const entry of [...this.#unanswered.values()]) {
      if (this.#link === null || entry.request !== null) {
        continue;
      }
      if (entry.isAbandoned && entry.seq < this.#low()) {
        this.#unanswered.delete(entry.seq);
      } else {
        this.#send(entry, this.#link);
      }
    }
    this.#pump();
  }

  #pump(): void {
    while (this.#link !== null && this.#pause === null && this.#hasRoom()) {
      const entry = this.#queue.shift();
      if (entry === undefined) {
        return;
      }
      entry.seq = this.#nextSeq;
      this.#nextSeq += 1;
      this.#unanswered.set(entry.seq, entry);
      this.#send(entry, this.#link);
    }
  }

  #hasRoom(): boolean {
    return this.#nextSeq - this.#low() < this.#window;
  }

  #send(entry: Entry, link: Link): void {
    const low = this.#low();
    const id = link.nextId();
    entry.request = id;
    entry.attempts += 1;
    const message = { ...entry.body, id, seq: entry.seq, low } as ClientMessage & { id: number };
    link.request(message, (reply) => {
      if (entry.request === id) {
        this.#onReply(entry, reply);
      }
    });
    for (const [seq, earlier] of this.#unanswered) {
      if (seq >= low) {
        break;
      }
      if (earlier.request !== null) {
        link.forget(earlier.request);
      }
      this.#unanswered.delete(seq);
    }
  }

  #onReply(entry: Entry, reply: ReplyMessage | null): void {
    if (reply === null) {
      this.#lost(entry);
      return;
    }
    entry.request = null;
    if (reply.ok) {
      this.#refusals = 0;
      this.#answered(entry, { type: "ok", revision: reply.revision });
      return;
    }
    const { error } = reply;
    if (isSessionOver(error.code)) {
      entry.isIndefinite ||= entry.attempts > 1;
      this.#options.onSessionLost();
      return;
    }
    if (isTriedAgain(error.code)) {
      this.#tryAgain(entry, error);
      return;
    }
    this.#answered(entry, { type: "refused", error: refusalError(error, entry.isIndefinite) });
    if (isFromTheEdge(error.code)) {
      this.#freeSuccessor(entry.seq);
    }
  }

  /**
   * Some refusals come from the edge of a node, which never handed the write on: its number was
   * not applied, and a later write that is in flight with a `low` at or below it is a gap. Sent
   * again with the `low` of now, the next one closes it, and those behind follow. What the node
   * makes of the copy that was out, nobody hears: its TIMEOUT may be on the way already, and a later
   * refusal says nothing of it.
   */
  #freeSuccessor(seq: number): void {
    for (const [later, entry] of this.#unanswered) {
      if (later > seq) {
        if (entry.request !== null && this.#link !== null) {
          this.#link.forget(entry.request);
          this.#lost(entry);
          // The end of a pause sends whatever is not out.
          if (this.#pause === null) {
            this.#send(entry, this.#link);
          }
        }
        return;
      }
    }
  }

  /** The number stays, and so does its place: all that is not in flight goes again after a while. */
  #tryAgain(entry: Entry, error: ErrorBody): void {
    entry.isIndefinite ||= !(ERRORS[error.code]?.definite ?? false);
    entry.lastRefusal = refusalError(error, entry.isIndefinite);
    this.#refusals += 1;
    if (entry.lastRefusal.retry === "elsewhere") {
      this.#options.onElsewhere(entry.lastRefusal.code);
    }
    if (this.#pause === null && this.#link !== null) {
      const { timers, randomBelow } = this.#options;
      const jitterMs = backoffMs(this.#refusals, RETRY_MS_MAX, randomBelow);
      this.#pause = timers.after(Math.max(jitterMs, error.retryAfterMs ?? 0), () => this.#resume());
    }
  }

  #answered(entry: Entry, outcome: WriteOutcome): void {
    this.#unanswered.delete(entry.seq);
    entry.settle(outcome);
    this.#pump();
  }

  #lost(entry: Entry): void {
    if (entry.request !== null) {
      entry.request = null;
      entry.isIndefinite = true;
    }
  }

  #abandoned(entry: Entry): void {
    if (entry.seq === 0) {
      this.#queue = this.#queue.filter((queued) => queued !== entry);
    } else if (!entry.mayHaveHappened) {
      // Refused for sure at every attempt, and it will not be sent again. A higher `low` says so.
      this.#unanswered.delete(entry.seq);
      this.#freeSuccessor(entry.seq);
    }
  }
}

function isSessionOver(code: ErrorCode): boolean {
  return code === "SESSION_EXPIRED" || code === "SESSION_UNKNOWN";
}

/** Refusals that are about the moment and not about the write. */
function isTriedAgain(code: ErrorCode): boolean {
  switch (code) {
    case "NO_LEADER":
    case "LEADER_LOST":
    case "OVERLOADED":
    case "DRAINING":
    case "SEQUENCE_GAP":
    case "TIMEOUT":
    case "CONNECTION_LOST":
    case "INTERNAL":
      return true;
    default:
      return !Object.hasOwn(ERRORS, code);
  }
}

/** What `apply` never says of a numbered write. */
function isFromTheEdge(code: ErrorCode): boolean {
  switch (code) {
    case "CONFLICT":
    case "NOT_FOUND":
    case "TAKEN_OVER":
      return false;
    default:
      return true;
  }
}
