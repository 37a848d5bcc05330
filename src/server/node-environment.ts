import { openFilesMax } from "../env/descriptors.ts";
import type { Clock, Dialer, Logger, Random, Timers } from "../env/env.ts";
import { createLog } from "../env/logger.ts";
import { nodeClock, nodeRandom, nodeTimers } from "../env/node-env.ts";
import { wsDialer } from "../env/ws-dialer.ts";
import type { NodeConfig } from "./config.ts";

/** How a node ended: exit code 0 after `stop`, else with the error. */
export interface NodeEnd {
  readonly exitCode: number;
  readonly error: unknown;
}

export interface NodeEnvironment {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly dialer: Dialer;
  readonly logger: Logger;
  /** Files and connections that the process may have open at once; null where nobody says. */
  readonly openFilesMax: number | null;
  /** Called once, at once, when the node must end; a program exits here. */
  readonly onFatal: (end: NodeEnd) => void;
}

/** That of the process, but for what is given. `logState`: fields that change, for every log line. */
export function environmentOf(
  config: NodeConfig,
  given: Partial<NodeEnvironment>,
  logState: () => Readonly<Record<string, unknown>>,
): NodeEnvironment {
  return {
    clock: given.clock ?? nodeClock,
    timers: given.timers ?? nodeTimers,
    random: given.random ?? nodeRandom,
    dialer: given.dialer ?? wsDialer,
    logger: given.logger ?? createLog(config.logLevel, config.id, logState).logger,
    openFilesMax: given.openFilesMax === undefined ? openFilesMax() : given.openFilesMax,
    onFatal: given.onFatal ?? (() => {}),
  };
}
