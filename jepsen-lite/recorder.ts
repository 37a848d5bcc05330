import type { Call, Event, Setup } from "./history.ts";

type Unstamped<E> = E extends Event ? Omit<E, "atMs"> : never;

/** Writes down what the clients of a world do and are told, and what its nodes tell. */
export class Recorder {
  readonly #clock: { readonly nowMs: number };
  readonly #events: Event[] = [];
  readonly #keep: (event: Event) => void;
  #operations = 0;
  #streams = 0;

  /** `keep` is given each event as it comes; without it they are the `history`. */
  constructor(
    clock: { readonly nowMs: number },
    setup: Omit<Setup, "type" | "atMs">,
    keep: ((event: Event) => void) | null = null,
  ) {
    this.#clock = clock;
    this.#keep = keep ?? ((event) => this.#events.push(event));
    this.#keep({ type: "setup", atMs: clock.nowMs, ...setup });
  }

  /** Nothing where somebody else keeps it. */
  get history(): readonly Event[] {
    return this.#events;
  }

  /** That were invoked. */
  get operations(): number {
    return this.#operations;
  }

  record(event: Unstamped<Event>): void {
    this.#keep(Object.assign(event, { atMs: this.#clock.nowMs }) as Event);
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
