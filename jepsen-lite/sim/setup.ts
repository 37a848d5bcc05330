import type { Setup } from "../history.ts";
import type { SimOptions } from "./options.ts";

/** Of a client's close that its node learns of late, at the most; see `ClientLink.close`. */
export const CLOSE_NOTICE_MS_MAX = 3_000;
/** The lease clock's steps, its buckets, ticks and heartbeats. */
const EXPIRY_SLACK_MS = 500;
/** Messages and writes that an expiry waits for, one after the other. */
const EXPIRY_STEPS = 10;
/** One of them may be a message of the tail. */
const TAIL_FACTOR = 20;

/** What a simulated world promises of itself. */
export function setupOf({ driftMax, network, disk }: SimOptions): Omit<Setup, "type" | "atMs"> {
  const stepsMs = EXPIRY_STEPS * (network.delayMsMax + disk.delayMsMax);
  const tailMs = network.tailChance === 0 ? 0 : TAIL_FACTOR * network.delayMsMax;
  return {
    driftMax: driftMax / 1000,
    closeNoticeMs: CLOSE_NOTICE_MS_MAX,
    expirySlackMs: EXPIRY_SLACK_MS + stepsMs + tailMs,
    hasNodeEvents: true,
  };
}
