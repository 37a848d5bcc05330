import type { Call, Event, Setup } from "../history.ts";
import type { SimOptions } from "./options.ts";
import type { Schedule } from "./schedule.ts";

type Unstamped<E> = E extends Event ? Omit<E, "atMs"> : never;

/** Of a client's close that its node learns of late, at the most; see `ClientLink.close`. */
export const CLOSE_NOTICE_MS_MAX = 3_000;
/** The lease clock's steps, its buckets, ticks and heartbeats. */
const EXPIRY_SLACK_MS = 500;
/** Messages and writes that an expiry waits for, one after the other. */
const EXPIRY_STEPS = 10;
/** One of them may be a message of the tail. */
const TAIL_FACTOR = 20;

/** Writes down what the clients of a world do and are told, and what its nodes tell. */
export class Recorder {
  readonly #schedule: Schedule;
  readonly #events: Event[];
  #operations = 0;
  #streams = 0;

  constructor(schedule: Schedule, { driftMax, network, disk }: SimOptions) {
    this.#schedule = schedule;
    const stepsMs = EXPIRY_STEPS * (network.delayMsMax + disk.delayMsMax);
    const tailMs = network.tailChance === 0 ? 0 : TAIL_FACTOR * network.delayMsMax;
    const setup: Setup = {
      type: "setup",
      atMs: schedule.nowMs,
      driftMax: driftMax / 1000,
      closeNoticeMs: CLOSE_NOTICE_MS_MAX,
      expirySlackMs: EXPIRY_SLACK_MS + stepsMs + tailMs,
      hasNodeEvents: true,
    };
    this.#events = [setup];
  }

  get history(): readonly Event[] {
    return this.#events;
  }

  record(event: Unstamped<Event>): void {
    this.#events.push(Object.assign(event, { atMs: this.#schedule.nowMs }) as Event);
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
