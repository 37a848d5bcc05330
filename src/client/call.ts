import type { Clock, Timer, Timers } from "../env/env.ts";
import { CALL_TIMEOUT_MS_DEFAULT, CALL_TIMEOUT_MS_MAX } from "../limits.ts";
import { deferred, handled } from "../util/deferred.ts";

export interface CallOptions {
  /** Aborts the call: it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Default 5,000; `Infinity` waits for as long as it takes. */
  readonly timeoutMs?: number;
}

export interface CallWorld {
  readonly clock: Clock;
  readonly timers: Timers;
}

/** What is kept back of a call's time for a node's last word: its tick, and the way. */
const WORD_MS_MAX = 200;
const WORD_SHARE = 0.25;

/**
 * One call of the user: a promise with a deadline and an AbortSignal. It settles once, whichever
 * comes first, and then holds neither timer nor listener.
 */
export class Call<T> {
  readonly promise: Promise<T>;
  readonly #clock: Clock;
  readonly #deadlineMs: number;
  readonly #wordMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #resolve: (value: T) => void;
  readonly #reject: (reason: unknown) => void;
  readonly #onAbort = (): void => this.#giveUp(() => this.#signal?.reason);
  #timer: Timer | null = null;
  #isSettled = false;
  /** Called when the caller gives up: says what to reject a call with that ran out of time. */
  onGiveUp: () => unknown;

  constructor(world: CallWorld, options: CallOptions, onGiveUp: () => unknown) {
    const { promise, resolve, reject } = deferred<T>();
    this.promise = handled(promise);
    this.#resolve = resolve;
    this.#reject = reject;
    this.#clock = world.clock;
    this.#signal = options.signal;
    this.onGiveUp = onGiveUp;
    const timeoutMs = options.timeoutMs ?? CALL_TIMEOUT_MS_DEFAULT;
    this.#deadlineMs = world.clock.monotonicMs() + timeoutMs;
    this.#wordMs = Math.min(timeoutMs * WORD_SHARE, WORD_MS_MAX);
    if (this.#signal?.aborted === true) {
      this.#isSettled = true;
      reject(this.#signal.reason);
      return;
    }
    this.#signal?.addEventListener("abort", this.#onAbort);
    if (Number.isFinite(timeoutMs)) {
      this.#timer = world.timers.after(timeoutMs, () => this.#giveUp((error) => error));
    }
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /**
   * What to tell a node: the time that is left, within what the protocol takes, and a little less,
   * so that the node can still say why it failed.
   */
  get wireTimeoutMs(): number {
    const leftMs = Math.min(this.#leftMs, CALL_TIMEOUT_MS_MAX);
    return Math.max(1, Math.floor(leftMs - Math.min(leftMs * WORD_SHARE, WORD_MS_MAX)));
  }

  /** A node that refuses now has had all the time that it could be given: that is its last word. */
  get isLate(): boolean {
    return this.#leftMs <= this.#wordMs;
  }

  get #leftMs(): number {
    return this.#deadlineMs - this.#clock.monotonicMs();
  }

  resolve(value: T): void {
    if (this.#settle()) {
      this.#resolve(value);
    }
  }

  reject(reason: unknown): void {
    if (this.#settle()) {
      this.#reject(reason);
    }
  }

  #giveUp(choose: (error: unknown) => unknown): void {
    if (!this.#isSettled) {
      const error = this.onGiveUp();
      this.reject(choose(error));
    }
  }

  #settle(): boolean {
    if (this.#isSettled) {
      return false;
    }
    this.#isSettled = true;
    this.#timer?.cancel();
    this.#signal?.removeEventListener("abort", this.#onAbort);
    return true;
  }
}

/** A call whose arguments are wrong is refused as every other trouble is: by its promise. */
export function attempt<T>(begin: () => Promise<T>): Promise<T> {
  try {
    return begin();
  } catch (error) {
    return handled(Promise.reject(error));
  }
}
