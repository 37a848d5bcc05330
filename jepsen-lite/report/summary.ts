import { CUT_OFF, outcomeOf } from "../chaos/outcome.ts";
import type { Outcome, RunFiles } from "../chaos/run-directory.ts";
import type { Finding } from "../checker/verdict.ts";
import { type Around, around } from "./around.ts";
import { type ClientRow, clientsOf } from "./clients.ts";
import { EventIndex } from "./event-index.ts";
import { type Election, electionsOf, type NodeRow, nodesOf } from "./nodes.ts";
import { type Operations, operationsOf } from "./operations.ts";
import { type Buckets, bucketsOf, endOf } from "./time.ts";

/** Something that was broken, with a number to be found by. */
export interface Violation {
  readonly number: number;
  readonly title: string;
  readonly what: string;
  /** Null: at no moment in particular. */
  readonly atMs: number | null;
  /** Null where no events of the history tell of it. */
  readonly around: Around | null;
}

/** What a page shows of a run: of a size that has nothing to do with its length. */
export interface Summary
  extends Pick<RunFiles, "result" | "verdict" | "orders" | "schedule" | "faults"> {
  /** Null where the run did not come to one. */
  readonly outcome: Outcome | null;
  readonly buckets: Buckets;
  /** From here on nothing was disturbed. */
  readonly calmMs: number | null;
  readonly operations: Operations;
  readonly clients: readonly ClientRow[];
  readonly nodes: readonly NodeRow[];
  readonly elections: readonly Election[];
  readonly violations: readonly Violation[];
  /** All of them, by title, in the order of the first of each. */
  readonly violationCounts: readonly (readonly [title: string, count: number])[];
}

const VIOLATIONS_MAX = 20;

export function summaryOf(files: RunFiles): Summary {
  const { history, result, verdict, orders, schedule, faults } = files;
  const buckets = bucketsOf(endOf(files));
  const operations = operationsOf(history, buckets);
  const nodes = nodesOf(files, buckets);
  const outcome = verdict === null ? null : outcomeOf(result ?? CUT_OFF, verdict);
  return {
    ...{ result, verdict, orders, schedule, faults, outcome, buckets, operations, nodes },
    calmMs: history.findLast(({ type }) => type === "calm")?.atMs ?? null,
    clients: clientsOf(history, operations, buckets),
    elections: electionsOf(nodes),
    violations: violationsOf(files),
    violationCounts: countsOf(files),
  };
}

const SEEN = "Seen by the harness";

function titleOf({ promise, checker }: Finding): string {
  return `${promise} (${checker})`;
}

function countsOf({ result, verdict }: RunFiles): Summary["violationCounts"] {
  const titles = [
    ...(result?.broken ?? []).map(() => SEEN),
    ...(verdict?.findings ?? []).map(titleOf),
  ];
  const counts = new Map<string, number>();
  for (const title of titles) counts.set(title, (counts.get(title) ?? 0) + 1);
  return [...counts];
}

/** The first of them, with what was around; of what the checkers found the first of each title first. */
function violationsOf({ history, result, verdict }: RunFiles): Violation[] {
  const broken = (result?.broken ?? []).map(({ what, atMs }) => ({
    ...{ title: SEEN, what, atMs, around: null },
  }));
  const findings = firstsFirst(verdict?.findings ?? []).slice(0, VIOLATIONS_MAX);
  const index = findings.length > 0 ? new EventIndex(history) : null;
  const found = findings.map((finding) => {
    const { what, events } = finding;
    const last = history[Math.max(...events)];
    return {
      ...{ title: titleOf(finding), what, atMs: last?.atMs ?? null },
      around: index === null || last === undefined ? null : around(index, finding),
    };
  });
  return [...broken, ...found]
    .slice(0, VIOLATIONS_MAX)
    .map((violation, i) => ({ number: i + 1, ...violation }));
}

function firstsFirst(findings: readonly Finding[]): Finding[] {
  const titles = new Set<string>();
  const [firsts, others]: [Finding[], Finding[]] = [[], []];
  for (const finding of findings) {
    (titles.has(titleOf(finding)) ? others : firsts).push(finding);
    titles.add(titleOf(finding));
  }
  return [...firsts, ...others];
}
