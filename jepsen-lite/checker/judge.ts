import type { History } from "../history.ts";
import { check } from "./check.ts";
import { recorded } from "./recorded.ts";
import { referee } from "./referee.ts";
import type { Judgement } from "./verdict.ts";

/**
 * Judges a history by all checkers, and by the referee. For runs of real nodes; a simulated one is
 * judged by `check` alone, whose time decides how many seeds there can be.
 */
export function judge(history: History): Judgement {
  const verdict = check(history);
  const { findings, ...counts } = referee(recorded(history));
  const idle = Object.entries(verdict.looked).flatMap(([name, count]) =>
    count === 0 ? [name] : [],
  );
  const doubts = [
    ...idle.map((name) => `${name} had nothing to look at`),
    ...(counts.acts === 0 ? ["the referee had nothing to look at"] : []),
    ...counts.unknown.map(
      ({ key, steps }) => `the referee: unknown for ${key} after ${steps} steps`,
    ),
  ];
  const all = [...verdict.findings, ...findings];
  const outcome = all.length > 0 ? "broken" : doubts.length > 0 ? "unknown" : "kept";
  return { ...verdict, outcome, findings: all, referee: counts, doubts };
}
