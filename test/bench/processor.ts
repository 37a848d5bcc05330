import { readFileSync } from "node:fs";
import type { ProcessorUs } from "./slice.ts";

/** Linux counts in hundredths of a second (USER_HZ), on every architecture that Node runs on. */
const US_PER_TICK = 10_000;
/** `utime` and `stime` of proc(5), counted from behind the name, which may hold anything. */
const UTIME = 11;
const STIME = 12;

/** Microseconds of processor time. */
export interface ProcessorTimes {
  readonly client: number;
  /** Of the nodes' processes, in the order asked for. */
  readonly nodes: readonly number[];
}

/** Used so far by this process, the client, and by others; null where only Linux would tell. */
export function processorTimes(pids: readonly number[]): ProcessorTimes | null {
  if (process.platform !== "linux") return null;
  const { user, system } = process.cpuUsage();
  return { client: user + system, nodes: pids.map(processorUsOf) };
}

function processorUsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[UTIME]) + Number(fields[STIME])) * US_PER_TICK;
}

export function between(before: ProcessorTimes, after: ProcessorTimes): ProcessorTimes {
  return {
    client: after.client - before.client,
    nodes: after.nodes.map((us, i) => us - (before.nodes[i] ?? 0)),
  };
}

export function perOperation({ client, nodes }: ProcessorTimes, ops: number): ProcessorUs | null {
  const [target, ...others] = nodes;
  if (target === undefined || others.length === 0) return null;
  return { client: client / ops, target: target / ops, others: others.map((us) => us / ops) };
}
