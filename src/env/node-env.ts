import { randomBytes, randomInt } from "node:crypto";
import { performance } from "node:perf_hooks";
import type { Clock, Random, Timer, Timers } from "./env.ts";

/** Longer delays fire at once in Node. */
const DELAY_MS_MAX = 2 ** 31 - 1;

function checkedDelay(delayMs: number): number {
  if (!Number.isInteger(delayMs) || delayMs < 0 || delayMs > DELAY_MS_MAX) {
    throw new RangeError(`a delay is an integer from 0 to ${DELAY_MS_MAX} ms, not ${delayMs}`);
  }
  return delayMs;
}

export const nodeClock: Clock = {
  monotonicMs: () => Math.floor(performance.now()),
  wallMs: () => Date.now(),
};

export const nodeTimers: Timers = {
  after(delayMs: number, run: () => void): Timer {
    const handle = setTimeout(run, checkedDelay(delayMs));
    return { cancel: () => clearTimeout(handle) };
  },
  every(periodMs: number, run: () => void): Timer {
    const handle = setInterval(run, checkedDelay(periodMs));
    return { cancel: () => clearInterval(handle) };
  },
  soon(run: () => void): void {
    setImmediate(run);
  },
};

/** `randomInt` draws below 2^48 only. */
const RANDOM_INT_BOUND_MAX = 2 ** 48 - 1;
const LOW_BOUND = 2 ** 26;
const HIGH_BOUND = 2 ** 27;

function below(bound: number): number {
  if (bound <= RANDOM_INT_BOUND_MAX) {
    return randomInt(bound);
  }
  for (;;) {
    const drawn = randomInt(HIGH_BOUND) * LOW_BOUND + randomInt(LOW_BOUND);
    if (drawn < bound) {
      return drawn;
    }
  }
}

export const nodeRandom: Random = {
  below,
  bytes: (count: number) => new Uint8Array(randomBytes(count)),
};
