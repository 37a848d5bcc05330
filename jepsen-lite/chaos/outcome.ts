import type { Verdict } from "../checker/verdict.ts";
import type { Outcome, RunResult } from "./run-directory.ts";

/** What a run comes to: by what the harness saw, and by what the checkers say of its history. */
export function outcomeOf(
  { broken, doubts }: Pick<RunResult, "broken" | "doubts">,
  verdict: Verdict,
): Outcome {
  const found = [
    ...broken.map(({ what }) => what),
    ...verdict.findings.map(({ promise, checker, what }) => `${promise} (${checker}): ${what}`),
  ];
  if (found.length > 0) return { outcome: "invalid", why: found };
  const why = [
    ...doubts,
    ...(verdict.outcome === "unknown" ? ["a checker had nothing to look at"] : []),
  ];
  return { outcome: why.length > 0 ? "unknown" : "valid", why };
}
