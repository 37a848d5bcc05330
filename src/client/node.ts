import type { Logger } from "../env/env.ts";
import { nodeClock, nodeRandom, nodeTimers } from "../env/node-env.ts";
import { wsDialer } from "../env/ws-dialer.ts";
import { RollcallClient } from "./client.ts";
import { type ConnectOptions, checkConnectOptions } from "./options.ts";

/** Without a logger of the user's, what went wrong still leaves a line. */
const stderrLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: (fields, message) => say("warn", fields, message),
  error: (fields, message) => say("error", fields, message),
};

function say(level: string, fields: object, message: string): void {
  process.stderr.write(`${JSON.stringify({ level, name: "rollcall", ...fields, message })}\n`);
}

/**
 * A client of the registry. Resolves at once and connects behind the caller's back, for ever;
 * `ready` waits for the first connection. Rejects with INVALID where an option is wrong.
 */
export async function connect(options: ConnectOptions = {}): Promise<RollcallClient> {
  const checked = checkConnectOptions(options);
  return new RollcallClient(checked, {
    dialer: wsDialer,
    clock: nodeClock,
    timers: nodeTimers,
    random: nodeRandom,
    logger: checked.logger ?? stderrLogger,
  });
}
