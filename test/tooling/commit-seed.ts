import { execFileSync } from "node:child_process";

/** New with every commit, the same for everybody who has it; 0 outside a checkout. */
export function commitSeed(): number {
  try {
    const head = execFileSync("git", ["rev-parse", "HEAD"], { encoding: "utf8" });
    return Number.parseInt(head.slice(0, 8), 16);
  } catch {
    return 0;
  }
}
