import type { ReadCall } from "../history.ts";
import { drawReadMode } from "../workload.ts";
import { type ClientOptions, Life, selectorOfApplication } from "./client.ts";
import { integerOf, viewOf } from "./messages.ts";

const ANSWER_MS_MAX = 2_000;

/**
 * Reads over HTTP, as curl does: each by itself, of any node, without a word of what was seen before.
 * So each is a process of its own.
 */
export class Pages {
  readonly name: string;
  readonly #options: ClientOptions;
  readonly #life = new Life();
  #asked = 0;
  #reads = 0;

  constructor(options: ClientOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** Answered ones. */
  get reads(): number {
    return this.#reads;
  }

  start(): void {
    const { prng, operationMs } = this.#options;
    this.#life.later(prng.between(1, operationMs * 8), () => {
      void this.#ask();
      this.start();
    });
  }

  kill(): void {
    this.#life.end();
  }

  async #ask(): Promise<void> {
    const { prng, recorder, clock, urls, applications, onStrange } = this.#options;
    const selector = selectorOfApplication(prng.pick(applications));
    const isLinearizable = drawReadMode(prng, 0).type === "linearizable";
    const mode: ReadCall["mode"] = isLinearizable
      ? { type: "linearizable" }
      : { type: "stale", maxAgeMs: null };
    const query = new URLSearchParams({ application: selector.application, read: mode.type });
    this.#asked += 1;
    const process = `${this.name}/${this.#asked}`;
    const op = recorder.invoke(process, { kind: "read", selector, mode });
    const sentMs = clock.nowMs;
    const page = await pageOf(`${prng.pick(urls).replace("ws:", "http:")}/v1/instances?${query}`);
    if (page === null || this.#life.isOver) return;
    this.#reads += 1;
    if (!Array.isArray(page["items"])) {
      onStrange(`${this.name}: a page of instances without any list`);
      return;
    }
    const ageMs = integerOf(page["ageMs"]);
    recorder.record({
      ...{ type: "ok", op, revision: integerOf(page["revision"]), view: viewOf(page["items"]) },
      // A node knows the age to a millisecond.
      ...{ ageMs, asOfMs: ageMs === null ? null : sentMs - ageMs - 1 },
    });
  }
}

/** Null where there is no answer, or a refusal. */
async function pageOf(url: string): Promise<Readonly<Record<string, unknown>> | null> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    return response.ok ? ((await response.json()) as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
