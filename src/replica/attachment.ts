import type { Moment } from "./breaks.ts";
import type { BoundSession, Connection } from "./connections.ts";
import type { RequestId } from "./inputs.ts";

interface WaitingPing extends Moment {
  readonly request: RequestId;
}

/** A session and a connection of this node that speaks for it. */
export class Attachment {
  readonly connection: Connection;
  readonly bound: BoundSession;
  /** The signs of life that no confirmed report has carried; null when there are none. */
  touched: { readonly first: Moment; readonly last: Moment } | null = null;
  /** Resuming until it was answered with `resumed` or `expired`. */
  isResuming: boolean;
  /** In the order of their arrival. */
  readonly #pings: WaitingPing[] = [];

  constructor(connection: Connection, bound: BoundSession, isResuming: boolean) {
    this.connection = connection;
    this.bound = bound;
    this.isResuming = isResuming;
  }

  touch(last: Moment): void {
    this.touched = { first: this.touched?.first ?? last, last };
  }

  /** Report `counter` was taken and confirmed. */
  confirmed(counter: number): void {
    const last = this.touched?.last;
    this.touched = last === undefined || last.afterReport < counter ? null : { first: last, last };
  }

  /** A ping that waits for its touch to be confirmed. */
  wait(ping: WaitingPing): void {
    this.#pings.push(ping);
  }

  /** Takes out the earliest pings, as long as `isDue` holds. */
  takePings(isDue: (ping: Moment) => boolean): readonly RequestId[] {
    const end = this.#pings.findIndex((ping) => !isDue(ping));
    const taken = this.#pings.splice(0, end === -1 ? this.#pings.length : end);
    return taken.map(({ request }) => request);
  }
}
