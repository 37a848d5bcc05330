import type { Socket, Timer, Timers } from "../env/env.ts";
import { afterPoll } from "./poll.ts";

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
    afterPoll(this.#timers, () => {
      if (this.#unanswered >= BEATS) {
        this.stop();
        this.#onSilent();
      }
    });
  }
}
