import type { Logger, Timer, Timers } from "../env/env.ts";
import { CALL_TIMEOUT_MS_DEFAULT, PROMOTION_ASK_MS } from "../limits.ts";
import { postOperation } from "./operation-request.ts";
import type { NodeStatus } from "./status.ts";

export interface PromotionOptions {
  readonly status: () => NodeStatus;
  readonly timers: Timers;
  readonly logger: Logger;
}

/**
 * A learner that asks the leader for its vote until it has it. Whether it is near enough, and
 * whether enough of the others are there, the leader decides anew each time it is asked.
 */
export class Promotion {
  readonly #options: PromotionOptions;
  readonly #timer: Timer;
  readonly #said = new Set<string>();
  #isAsking = false;

  constructor(options: PromotionOptions) {
    this.#options = options;
    this.#timer = options.timers.every(PROMOTION_ASK_MS, () => this.#look());
  }

  stop(): void {
    this.#timer.cancel();
  }

  #look(): void {
    const { members, isCaughtUp } = this.#options.status();
    const self = members.find(({ isSelf }) => isSelf);
    if (self?.membership === "voter") {
      this.stop();
      this.#options.logger.info({}, "this node votes");
      return;
    }
    const leader = members.find(({ isLeader }) => isLeader)?.address ?? null;
    if (self !== undefined && isCaughtUp && leader !== null && !this.#isAsking) {
      this.#isAsking = true;
      void this.#ask(self.id, leader).finally(() => {
        this.#isAsking = false;
      });
    }
  }

  async #ask(id: string, leader: string): Promise<void> {
    const query = new URLSearchParams({ operation: "promote", member: id });
    try {
      const { error } = await postOperation(`http://${leader}`, query, CALL_TIMEOUT_MS_DEFAULT);
      if (error !== null) {
        this.#waits(error.reason ?? error.code, error.message);
      }
    } catch (error) {
      this.#waits("unreachable", error instanceof Error ? error.message : String(error));
    }
  }

  #waits(reason: string, message: string): void {
    if (!this.#said.has(reason)) {
      this.#said.add(reason);
      this.#options.logger.info({ reason }, `not a voter yet: ${message}`);
    }
  }
}
