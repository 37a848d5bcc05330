import type { Refusal } from "../errors.ts";
import {
  CALL_TIMEOUT_MS_DEFAULT,
  OVERLOADED_RETRY_AFTER_MS,
  REQUESTS_PER_CONNECTION_MAX,
} from "../limits.ts";
import type { Selector } from "../registry/instance.ts";
import type {
  ClientOutput,
  ConnectionId,
  ReadAnswer,
  ReadConsistency,
  RequestId,
} from "../replica/inputs.ts";
import type { Driver, OutputSink } from "./driver.ts";

export type LocalAnswer =
  | { readonly ok: true; readonly answer: ReadAnswer }
  | { readonly ok: false; readonly refusal: Refusal };

/** Reads of the node's own HTTP pages, through the replica like those of any client. */
export class LocalReads implements OutputSink {
  readonly #driver: Driver;
  readonly #connection: ConnectionId;
  readonly #waiting = new Map<RequestId, (answer: LocalAnswer) => void>();
  #lastRequest: RequestId = 0;

  constructor(driver: Driver) {
    this.#driver = driver;
    this.#connection = driver.connect(this, 0);
  }

  read(selector: Selector, consistency: ReadConsistency): Promise<LocalAnswer> {
    if (this.#waiting.size >= REQUESTS_PER_CONNECTION_MAX) {
      return Promise.resolve({
        ok: false,
        refusal: {
          code: "OVERLOADED",
          message: `${REQUESTS_PER_CONNECTION_MAX} reads over HTTP wait (REQUESTS_PER_CONNECTION_MAX)`,
          limit: REQUESTS_PER_CONNECTION_MAX,
          retryAfterMs: OVERLOADED_RETRY_AFTER_MS,
        },
      });
    }
    this.#lastRequest += 1;
    const request = this.#lastRequest;
    return new Promise((resolve) => {
      this.#waiting.set(request, resolve);
      this.#driver.step({
        type: "read",
        connection: this.#connection,
        request,
        selector,
        consistency,
        timeoutMs: CALL_TIMEOUT_MS_DEFAULT,
      });
    });
  }

  accept(output: ClientOutput): void {
    if (output.type === "readReply") {
      this.#settle(output.request, { ok: true, answer: output.answer });
    } else if (output.type === "refused") {
      this.#settle(output.request, { ok: false, refusal: output.refusal });
    }
  }

  /** The node stops: nothing answers any more. */
  stop(): void {
    const refusal: Refusal = { code: "DRAINING", message: "the node is leaving" };
    for (const request of [...this.#waiting.keys()]) {
      this.#settle(request, { ok: false, refusal });
    }
  }

  #settle(request: RequestId, answer: LocalAnswer): void {
    this.#waiting.get(request)?.(answer);
    this.#waiting.delete(request);
  }
}
