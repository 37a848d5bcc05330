import type { Machine, PowerCluster } from "../real/power-cluster.ts";
import { Violation } from "../real/violation.ts";

/** What a node ends with where its disk has failed. */
const EXIT_DISK = 74;
const SYNCS = /\b(fdatasync|fsync)\b/;

/** It has to end, and to name in its last words what has failed. */
export async function endsNaming(
  cluster: PowerCluster,
  machine: Machine,
  what: RegExp | string,
): Promise<void> {
  const end = await cluster.endOf(machine, EXIT_DISK);
  const isNamed = typeof what === "string" ? end.includes(what) : what.test(end);
  if (!isNamed) throw new Violation("silent", `${what} is not named: ${end}`);
}

/** `seen`: the calls on one file, of which one had to fail. */
export function checkNotRetried(seen: readonly string[], path: string): void {
  const failed = seen.findIndex((line) => line.includes("(INJECTED)"));
  if (failed === -1) throw new Error(`nothing has failed: ${seen.slice(-5).join("; ")}`);
  const again = seen.slice(failed + 1).find((line) => SYNCS.test(line));
  if (again !== undefined) throw new Violation("retried", `${path}: ${again}`);
}
