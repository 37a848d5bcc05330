import { createLog } from "../env/logger.ts";
import { EXIT } from "../errors.ts";
import type { NodeConfig } from "./config.ts";
import { type NodeHandle, startNode } from "./node.ts";
import type { NodeEnd } from "./node-environment.ts";
import { exitCodeOf } from "./node-error.ts";

/**
 * A node as a process of its own: SIGTERM and SIGINT drain it, a second one ends it at once, an
 * error that nobody caught ends it with exit code 70. A process with an IPC channel (a child of
 * `rollcall dev`) drains when its parent is gone. Never returns: the process exits.
 *
 * `onListening` is called with the handle when it listens.
 */
export async function runNode(
  config: NodeConfig,
  onListening: (node: NodeHandle) => void = () => {},
): Promise<never> {
  let node: NodeHandle | null = null;
  const log = createLog(config.logLevel, config.id, () => node?.logState() ?? {});
  const exit = ({ exitCode }: NodeEnd): never => {
    log.flush();
    process.exit(exitCode);
  };
  const broken = (error: unknown): void => {
    log.logger.error({ err: error, exitCode: EXIT.invariant }, "the node ends: nobody caught this");
    exit({ exitCode: EXIT.invariant, error });
  };
  process.on("uncaughtException", broken);
  process.on("unhandledRejection", broken);
  try {
    node = await startNode(config, { logger: log.logger, onFatal: exit });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const hint = error instanceof Error && "hint" in error ? { hint: error.hint } : {};
    const exitCode = exitCodeOf(error);
    log.logger.error({ ...hint, exitCode }, `the node cannot start: ${text}`);
    return exit({ exitCode, error });
  }
  drainOnSignals(node, exit);
  onListening(node);
  return exit(await node.ended);
}

function drainOnSignals(node: NodeHandle, exit: (end: NodeEnd) => never): void {
  let isDraining = false;
  const drain = (): void => {
    if (isDraining) {
      exit({ exitCode: EXIT.failure, error: null });
    }
    isDraining = true;
    void node.drain();
  };
  process.on("SIGTERM", drain);
  process.on("SIGINT", drain);
  if (process.connected) {
    // Not a second signal: at Ctrl-C the terminal tells parent and children alike.
    process.on("disconnect", () => {
      if (!isDraining) {
        drain();
      }
    });
  }
}
