import type { Clock, Logger, Timer, Timers } from "../env/env.ts";
import { SCRUB_PAUSE_MS, SCRUB_REST_MS } from "../limits.ts";
import type { DataDirectory } from "../storage/directory.ts";
import { DAMAGED_AT_REST_ADVICE } from "../storage/recovery-advice.ts";
import type { Scrubbed } from "../storage/scrub.ts";
import { deferred } from "../util/deferred.ts";
import type { Metrics } from "./metrics.ts";

export interface ScrubberOptions {
  readonly directory: Pick<DataDirectory, "scrub">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, "scrubbed">;
}

/**
 * Reads what is at rest on the disk of a node that serves, over and over, a file at a time. What has
 * rotted would else be found at the next start, or by a merge of LevelDB, perhaps when the same has
 * rotted elsewhere. It is told, and the next start heals it; nothing else is done about it, for what
 * the node has in memory is right.
 */
export class Scrubber {
  readonly #options: ScrubberOptions;
  /** Of the last pass and this one. */
  readonly #damages = new Map<string, string>();
  #timer: Timer | null = null;
  #wake: (() => void) | null = null;
  #isStopped = false;

  constructor(options: ScrubberOptions) {
    this.#options = options;
    void this.#run();
  }

  /** Files that are not as they were written. */
  get damagedFiles(): readonly string[] {
    return [...this.#damages.keys()].sort();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#wake?.();
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      try {
        await this.#pass();
      } catch (error) {
        // What cannot be read is for those to end the node over who need it.
        this.#options.logger.warn({ err: error }, "the data directory could not be scrubbed");
      }
      await this.#rest(SCRUB_REST_MS);
    }
  }

  async #pass(): Promise<void> {
    const { clock, directory, metrics } = this.#options;
    const seen = new Set<string>();
    for await (const scrubbed of directory.scrub(clock.wallMs(), () => this.#soon())) {
      if (this.#isStopped) return;
      seen.add(scrubbed.file);
      this.#note(scrubbed);
      metrics.scrubbed(scrubbed.bytes, this.#damages.size, false);
      await this.#rest(SCRUB_PAUSE_MS);
    }
    for (const file of this.#damages.keys()) {
      if (!seen.has(file)) this.#damages.delete(file);
    }
    metrics.scrubbed(0, this.#damages.size, true);
  }

  #note({ file, damage }: Scrubbed): void {
    const { logger } = this.#options;
    if (damage === null) {
      this.#damages.delete(file);
      return;
    }
    if (!this.#damages.has(file)) {
      const hint = DAMAGED_AT_REST_ADVICE;
      logger.error({ file, hint }, `${file} of the data directory has rotted: ${damage}`);
    }
    this.#damages.set(file, damage);
  }

  #soon(): Promise<void> {
    const { promise, resolve } = deferred<void>();
    this.#options.timers.soon(resolve);
    return promise;
  }

  #rest(ms: number): Promise<void> {
    const { promise, resolve } = deferred<void>();
    if (this.#isStopped) return Promise.resolve();
    this.#wake = resolve;
    this.#timer = this.#options.timers.after(ms, resolve);
    return promise;
  }
}
