import type { Fault } from "./fault.ts";
import { follow, type Plan, type RunResult } from "./run.ts";

export interface Shrunk {
  readonly plan: Plan;
  readonly result: RunResult;
  /** How many runs it took. */
  readonly runs: number;
}

const RUNS_MAX = 400;

/**
 * The same violation by less: first without the time after it and without the core's time, then
 * without ever smaller pieces of the list of faults, as long as something can be left out.
 * `plan` has its faults written out, and `result` is what it leads to.
 */
export function shrink(
  plan: Plan,
  result: RunResult,
  violates: (plan: Plan) => RunResult = (smaller) => follow(smaller).result,
): Shrunk {
  const kind = kindOf(result.violation);
  let best = { plan, result };
  let runs = 0;
  const accept = (smaller: Plan): boolean => {
    runs += 1;
    const outcome = violates(smaller);
    if (outcome.violation !== null && kindOf(outcome.violation) === kind) {
      best = { plan: smaller, result: outcome };
      return true;
    }
    return false;
  };
  const endsMs = Math.min(plan.options.safetyMs, Math.ceil(result.simulatedMs));
  accept(until(best.plan, endsMs));
  if (best.plan.core !== null) {
    accept({ ...best.plan, core: null });
  }
  let size = Math.ceil(count(best.plan) / 2);
  while (size >= 1 && runs < RUNS_MAX) {
    let hasShrunk = false;
    // From the end: late faults are the likelier to be of no use.
    for (let at = count(best.plan) - size; at > -size && runs < RUNS_MAX; at -= size) {
      hasShrunk = accept(without(best.plan, Math.max(0, at), size)) || hasShrunk;
    }
    size = hasShrunk ? Math.min(size, count(best.plan)) : Math.floor(size / 2);
  }
  const lastMs = best.plan.faults?.at(-1)?.atMs ?? 0;
  for (const slackMs of [0, 1_000, 4_000]) {
    if (
      lastMs + slackMs < best.plan.options.safetyMs &&
      accept(until(best.plan, lastMs + slackMs))
    ) {
      break;
    }
  }
  return { ...best, runs };
}

/** What was broken, without the names and numbers of this run. */
function kindOf(violation: string | null): string {
  return (violation ?? "").replace(/[a-z]?\d[\w.-]*|[[{].*/g, "#").slice(0, 40);
}

function count({ faults }: Plan): number {
  return faults?.length ?? 0;
}

function without(plan: Plan, at: number, size: number): Plan {
  const faults = plan.faults ?? [];
  return { ...plan, faults: [...faults.slice(0, at), ...faults.slice(at + size)] };
}

function until(plan: Plan, safetyMs: number): Plan {
  const isBefore = ({ atMs }: Fault): boolean => atMs <= safetyMs;
  const faults = plan.faults?.filter(isBefore) ?? null;
  return { ...plan, options: { ...plan.options, safetyMs }, faults };
}
