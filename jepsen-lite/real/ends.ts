import type { NodeProcess } from "./node-process.ts";
import { Violation } from "./violation.ts";
import { until } from "./wait.ts";

/** What a node ends with where its disk has failed. */
const EXIT_DISK = 74;
/** From a fault to the end of the node, with the write that meets it. */
const END_MS_MAX = 15_000;
const SYNCS = /\b(fdatasync|fsync)\b/;

/**
 * Its disk has failed: it has to end by itself, and to name in its last words what has failed.
 * `isBeingKilled` was set before.
 */
export async function endsByDisk(node: NodeProcess, what: RegExp | string): Promise<void> {
  const isOver = async (): Promise<true | null> => (node.isRunning ? null : true);
  await until(END_MS_MAX, `${node.name} to end`, isOver).catch((error) => {
    throw new Violation("silent", error.message);
  });
  await node.ended;
  if (node.exitCode !== EXIT_DISK) throw new Violation("silent", node.end);
  const isNamed = typeof what === "string" ? node.end.includes(what) : what.test(node.end);
  if (!isNamed) throw new Violation("silent", `${what} is not named: ${node.end}`);
}

/** `seen`: the calls on one file, of which one had to fail. */
export function checkNotRetried(seen: readonly string[], path: string): void {
  const failed = seen.findIndex((line) => line.includes("(INJECTED)"));
  if (failed === -1) throw new Error(`nothing has failed: ${seen.slice(-5).join("; ")}`);
  const again = seen.slice(failed + 1).find((line) => SYNCS.test(line));
  if (again !== undefined) throw new Violation("retried", `${path}: ${again}`);
}
