import type { Selector } from "../history.ts";
import type { Prng } from "../prng.ts";
import type { Recorder } from "../recorder.ts";
import type { Work } from "./work.ts";

/** What a client of a history has, provider or watcher. */
export interface ClientOptions {
  readonly name: string;
  /** Where it dials; any of them. */
  readonly urls: readonly string[];
  readonly recorder: Recorder;
  readonly clock: { readonly nowMs: number };
  readonly prng: Prng;
  readonly applications: readonly string[];
  /** Of a session. */
  readonly ttlMs: number;
  readonly graceMs: number;
  /** Between two operations of a provider, on average; a watcher reads a quarter as often. */
  readonly operationMs: number;
  /** What has happened, in a word or two, for the counts of the run. */
  readonly count: (what: string) => void;
  /** What no rule of the protocol allows a node to say. */
  readonly onStrange: (what: string) => void;
}

export interface ProviderOptions extends ClientOptions {
  readonly work: Work;
  /**
   * It does everything once, and resumes nothing: what is not answered is unknown to it, and behind
   * a broken connection it begins with another session.
   */
  readonly isOnce: boolean;
}

/** Of whoever has no node: until it tries another one. */
export const RECONNECT_MS_MAX = 200;

export function selectorOfApplication(application: string): Selector {
  return { namespace: "default", application, protocol: null, meta: [] };
}

/** Timers that end with what they belong to. */
export class Life {
  readonly #timers = new Set<NodeJS.Timeout>();
  #isOver = false;

  get isOver(): boolean {
    return this.#isOver;
  }

  later(delayMs: number, run: () => void): void {
    if (this.#isOver) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, delayMs);
    this.#timers.add(timer);
  }

  end(): void {
    this.#isOver = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
