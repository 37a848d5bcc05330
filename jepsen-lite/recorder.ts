import type { Call, Event, Setup } from "./history.ts";

type Unstamped<E> = E extends Event ? Omit<E, "atMs"> : never;

/** Writes down what the clients of a world do and are told, and what its nodes tell. */
export class Recorder {
  readonly #clock: { readonly nowMs: number };
  readonly #events: Event[];
  #operations = 0;
  #streams = 0;

  constructor(clock: { readonly nowMs: number }, setup: Omit<Setup, "type" | "atMs">) {
    this.#clock = clock;
    this.#events = [{ type: "setup", atMs: clock.nowMs, ...setup }];
  }

  get history(): readonly Event[] {
    return this.#events;
  }

  /** That were invoked. */
  get operations(): number {
    return this.#operations;
  }

  record(event: Unstamped<Event>): void {
    this.#events.push(Object.assign(event, { atMs: this.#clock.nowMs }) as Event);
  }

  /** The number of the operation. */
  invoke(process: string, call: Call): number {
    this.#operations += 1;
    this.record({ type: "invoke", op: this.#operations, process, call });
    return this.#operations;
  }

  stream(): number {
    this.#streams += 1;
    return this.#streams;
  }
}
