import type { Timers } from "../env/env.ts";

/**
 * After a stall the timers of the loop run before its sockets are read, and what a timer is about
 * to conclude from silence may wait there, long since sent. Two turns later it has been read.
 */
export function afterPoll(timers: Timers, run: () => void): void {
  timers.soon(() => timers.soon(run));
}
