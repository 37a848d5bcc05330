import { pino } from "pino";
import type { Logger } from "./env.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Lines that wait for a reader of stderr; beyond it they are dropped rather than block the loop. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;
const STDERR = 2;

export interface LogSink {
  readonly logger: Logger;
  /** Writes out what waits, before the process ends. */
  flush(): void;
}

/**
 * JSON lines on stderr. `state` is asked at every line for the fields that change (role, term).
 * Lines are written behind the loop's back: a pipe that nobody reads must not stop a leader.
 */
export function createLog(
  level: LogLevel,
  node: string,
  state: () => Readonly<Record<string, unknown>>,
): LogSink {
  const destination = pino.destination({ dest: STDERR, sync: false, maxLength: WAITING_BYTES_MAX });
  destination.on("error", () => {});
  const logger = pino(
    {
      level,
      base: { pid: process.pid, node },
      formatters: { level: (label) => ({ level: label }) },
      mixin: () => ({ ...state() }),
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    destination,
  );
  return {
    logger,
    flush() {
      try {
        destination.flushSync();
      } catch {
        // Before the first write the file is not open yet, and a broken pipe takes nothing.
      }
    },
  };
}
