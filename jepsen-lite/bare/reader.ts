import type { ReadCall, Selector } from "../history.ts";
import type { Prng } from "../prng.ts";
import type { Recorder } from "../recorder.ts";
import { drawReadMode } from "../workload.ts";
import type { Link } from "./link.ts";
import { type Endpoint, integerOf, type Message, readOf, selectorOf, viewOf } from "./messages.ts";
import type { Shown } from "./work.ts";

interface Asked {
  readonly selector: Selector;
  readonly mode: ReadCall["mode"];
  readonly op: number;
  readonly sentMs: number;
}

export interface ReaderOptions {
  readonly recorder: Recorder;
  readonly clock: { readonly nowMs: number };
  readonly prng: Prng;
  readonly client: string;
  readonly onShown?: (shown: Shown) => void;
}

const TIMEOUT_MS = 1_500;
const UNANSWERED_MAX = 16;
/** Above the numbers of writes and keepalives on the same connection. */
const IDS_FROM = 2_000_000;

/** Reads in all ways on the connection of a client, and writes down the answers. */
export class Reader {
  readonly #options: ReaderOptions;
  #id = IDS_FROM;
  readonly #asked = new Map<number, Asked>();
  #answered = 0;

  constructor(options: ReaderOptions) {
    this.#options = options;
  }

  get answered(): number {
    return this.#answered;
  }

  /** The connection is gone, and the answers with it. */
  forget(): void {
    this.#asked.clear();
  }

  read(link: Link, selector: Selector, floorRevision: number): void {
    if (!link.isOpen || this.#asked.size >= UNANSWERED_MAX) return;
    const { prng, recorder, clock, client } = this.#options;
    this.#id += 1;
    const mode = drawReadMode(prng, floorRevision);
    const op = recorder.invoke(client, { kind: "read", selector, mode });
    this.#asked.set(this.#id, { selector, mode, op, sentMs: clock.nowMs });
    link.send({
      ...{ type: "get", id: this.#id, selector: selectorOf(selector) },
      ...{ read: readOf(mode), timeoutMs: TIMEOUT_MS },
    });
  }

  /** Whether it was one of its own. */
  replied(reply: Message): boolean {
    const id = integerOf(reply["id"]) ?? 0;
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    if (asked === undefined) return id > IDS_FROM;
    if (reply["ok"] !== true) return true;
    this.#answered += 1;
    const { op, sentMs, selector, mode } = asked;
    const endpoints = reply["endpoints"] as readonly Endpoint[];
    this.#options.onShown?.({ selector, mode, endpoints });
    const ageMs = integerOf(reply["ageMs"]);
    this.#options.recorder.record({
      ...{
        type: "ok",
        op,
        revision: integerOf(reply["revision"]),
        view: viewOf(endpoints),
      },
      // A node knows the age to a millisecond.
      ...{ ageMs, asOfMs: ageMs === null ? null : sentMs - ageMs - 1 },
    });
    return true;
  }
}
