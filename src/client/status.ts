import { STATUS_EVENTS_MAX } from "../limits.ts";
import { AsyncQueue } from "../util/async-queue.ts";
import type { SessionMessage } from "../wire/messages.ts";
import type { InstanceKey } from "./instance-content.ts";

export type SessionEndReason = Extract<SessionMessage, { state: "expired" }>["reason"] | "denied";

/** What happens to a client, one event a change of state. */
export type Status =
  | { readonly type: "connected"; readonly url: string; readonly node: string }
  | { readonly type: "disconnected"; readonly url: string; readonly reason: string }
  /** Looking for a node; said once, however many tries it takes. */
  | { readonly type: "reconnecting" }
  | { readonly type: "sessionOpened"; readonly session: string }
  | { readonly type: "sessionResumed"; readonly session: string; readonly owned: number }
  /**
   * The registry has not confirmed lately that the session lives. `isLeaseOver`: for a whole TTL,
   * so what the session owns may be gone.
   */
  | {
      readonly type: "sessionUnconfirmed";
      readonly session: string;
      readonly isLeaseOver: boolean;
    }
  /** `denied`: it may live, but it is another connection's. All is registered again in a new one. */
  | {
      readonly type: "sessionExpired";
      readonly session: string;
      readonly reason: SessionEndReason;
    }
  /** A newer session owns this identity; the SDK does not put it back. */
  | { readonly type: "superseded"; readonly key: InstanceKey }
  /**
   * No node that can be reached knows how old its copy is (none has heard a leader since its start):
   * watches take what there is. `ageKnown`: one does again.
   */
  | { readonly type: "ageUnknown" | "ageKnown"; readonly node: string }
  | { readonly type: "goaway"; readonly url: string; readonly reason: string }
  /** Revisions of before mean nothing now: the registry was restored or recovered. */
  | { readonly type: "lineageChanged"; readonly lineage: string }
  /**
   * The last one. `isSessionOver`: the registry has confirmed the end of the session, or there was
   * none. Otherwise what the session owns stays until the registry notices.
   */
  | { readonly type: "closed"; readonly isSessionOver: boolean };

export type ConnectionView =
  | { readonly tag: "connecting" }
  | { readonly tag: "connected"; readonly url: string; readonly node: string }
  | { readonly tag: "closed" };

export type SessionView =
  | { readonly tag: "none" }
  | { readonly tag: "opening"; readonly id: string }
  | {
      readonly tag: "open" | "unconfirmed";
      readonly id: string;
      /** Until the TTL of the last confirmed keepalive is over; 0 once it is. */
      readonly leaseMsLeft: number;
    }
  | { readonly tag: "closed" };

export interface ClientState {
  readonly connection: ConnectionView;
  readonly session: SessionView;
}

/** Hands each event to every reader. A reader that does not keep up loses the oldest ones. */
export class StatusFeed {
  readonly #readers = new Set<AsyncQueue<Status>>();
  #isClosed = false;

  emit(status: Status): void {
    for (const reader of this.#readers) {
      reader.push(status);
    }
  }

  subscribe(): AsyncIterableIterator<Status> {
    const reader: AsyncQueue<Status> = new AsyncQueue(STATUS_EVENTS_MAX, () =>
      this.#readers.delete(reader),
    );
    if (this.#isClosed) {
      reader.end();
    } else {
      this.#readers.add(reader);
    }
    return reader;
  }

  close(): void {
    this.#isClosed = true;
    for (const reader of [...this.#readers]) {
      reader.end();
    }
  }
}
