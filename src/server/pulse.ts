import type { Socket, Timer, Timers } from "../env/env.ts";

const BEATS = 3;

/**
 * Asks the other end of a link for a sign of life three times within `silenceMsMax`, and tells
 * when none came. Any frame counts as one (`seen`).
 */
export class Pulse {
  readonly #socket: Socket;
  readonly #timers: Timers;
  readonly #onSilent: () => void;
  readonly #timer: Timer;
  #unanswered = 0;

  constructor(socket: Socket, timers: Timers, silenceMsMax: number, onSilent: () => void) {
    this.#socket = socket;
    this.#timers = timers;
    this.#onSilent = onSilent;
    this.#timer = timers.every(Math.floor(silenceMsMax / BEATS), () => this.#beat());
    socket.onPong = () => this.seen();
  }

  seen(): void {
    this.#unanswered = 0;
  }

  stop(): void {
    this.#timer.cancel();
  }

  #beat(): void {
    if (this.#unanswered < BEATS) {
      this.#unanswered += 1;
      this.#socket.ping();
      return;
    }
    // This process may have stood still: timers run before the sockets are looked at, and the
    // pongs of those seconds wait in the kernel. Two turns let them in before the verdict.
    this.#timers.soon(() =>
      this.#timers.soon(() => {
        if (this.#unanswered >= BEATS) {
          this.stop();
          this.#onSilent();
        }
      }),
    );
  }
}
