import { readFileSync } from "node:fs";

/** As the kernel has it, `T` for one that is stopped; null where there is none, or only its remains. */
export function stateOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name before it may hold anything.
    const state = stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3);
    return state === "Z" || state === "X" ? null : state;
  } catch {
    return null;
  }
}

export function isStopped(pid: number): boolean {
  return stateOf(pid) === "T";
}

export function isGone(pid: number): boolean {
  return stateOf(pid) === null;
}
