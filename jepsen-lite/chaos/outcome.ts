import type { Judgement } from "../checker/verdict.ts";
import type { Outcome, RunResult } from "./run-directory.ts";

/** Where no harness was there. */
export const NOTHING_SEEN = { broken: [], doubts: [] };

/** What the harness has to say of a run that has left no result. */
export const CUT_OFF = { broken: [], doubts: ["the run did not come to its end"] };

/** What a run comes to: by what the harness saw, and by what the checkers say of its history. */
export function outcomeOf(
  { broken, doubts }: Pick<RunResult, "broken" | "doubts">,
  judgement: Pick<Judgement, "findings" | "doubts">,
): Outcome {
  const found = [
    ...broken.map(({ what }) => what),
    ...judgement.findings.map(({ promise, checker, what }) => `${promise} (${checker}): ${what}`),
  ];
  if (found.length > 0) return { outcome: "invalid", why: found };
  const why = [...doubts, ...judgement.doubts];
  return { outcome: why.length > 0 ? "unknown" : "valid", why };
}
