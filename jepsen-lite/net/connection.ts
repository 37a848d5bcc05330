import type { Socket } from "node:net";
import type { Prng } from "../prng.ts";
import { Pipe } from "./pipe.ts";
import type { Toll } from "./toll.ts";
import type { Weather } from "./weather.ts";

/** From who dials to who is dialled, or back. */
export type Way = "there" | "back";

export type Weathers = Readonly<Record<Way, Weather>>;

export interface ConnectionOptions {
  readonly prng: Prng;
  readonly tolls: Readonly<Record<Way, Toll>>;
  /** One of the ends is about to hear that it is broken: that of the dialler is at this port. */
  readonly onReset: (port: number) => void;
  /** Nothing is left of it. */
  readonly onGone: () => void;
}

/** One connection over an edge: a socket at each of its ends, and a pipe each way. */
export class Connection {
  readonly #dialler: Socket;
  readonly #dialled: Socket;
  readonly #pipes: Readonly<Record<Way, Pipe>>;
  readonly #options: ConnectionOptions;
  readonly #port: number;
  #weathers: Weathers;
  #isApart = false;
  #isGone = false;

  constructor(dialler: Socket, dialled: Socket, weathers: Weathers, options: ConnectionOptions) {
    this.#dialler = dialler;
    this.#dialled = dialled;
    this.#options = options;
    this.#port = dialler.remotePort ?? 0;
    const { prng, tolls } = options;
    const onBroken = (): void => this.reset();
    this.#pipes = {
      there: new Pipe({ source: dialler, sink: dialled, prng, toll: tolls.there, onBroken }),
      back: new Pipe({ source: dialled, sink: dialler, prng, toll: tolls.back, onBroken }),
    };
    let open = 2;
    for (const socket of [dialler, dialled]) {
      // What is behind it is the end of the connection, which the pipe tells in its turn.
      socket.on("error", () => {});
      socket.on("close", () => {
        open -= 1;
        if (open === 0) this.reset();
      });
    }
    this.#weathers = weathers;
    this.#apply(weathers);
  }

  /** Of its edge; it comes to nothing while the connection is kept apart. */
  set weathers(weathers: Weathers) {
    this.#weathers = weathers;
    if (!this.#isApart) this.#apply(weathers);
  }

  /** Pieces that wait, from the dialler. */
  get waiting(): number {
    return this.#pipes.there.waiting;
  }

  /** One end is gone, and the other one has not heard of it. */
  get isHalfOpen(): boolean {
    return this.#dialler.destroyed !== this.#dialled.destroyed;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** It has these, whatever its edge has. */
  keepApart(weathers: Weathers): void {
    this.#isApart = true;
    this.#apply(weathers);
  }

  /** One end hears that it is broken; the other one does not, until `reset`. */
  breakOff(end: "dialler" | "dialled"): void {
    this.#options.onReset(this.#port);
    this.#pipes[end === "dialler" ? "there" : "back"].takeNoMore();
    (end === "dialler" ? this.#dialler : this.#dialled).resetAndDestroy();
  }

  /** What waits, from the dialler, goes on in the weather of the edge. */
  release(): void {
    this.#pipes.there.weather = this.#weathers.there;
  }

  /** Both ends hear that it is broken. */
  reset(): void {
    if (!this.#isGone) {
      this.#isGone = true;
      this.#options.onReset(this.#port);
      this.#options.onGone();
    }
    for (const pipe of Object.values(this.#pipes)) pipe.stop();
    for (const socket of [this.#dialler, this.#dialled]) socket.resetAndDestroy();
  }

  #apply(weathers: Weathers): void {
    for (const way of ["there", "back"] satisfies Way[]) {
      if (!this.#isGone) this.#pipes[way].weather = weathers[way];
    }
  }
}
