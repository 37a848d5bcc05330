import type { Result } from "./campaign.ts";
import type { Round } from "./cluster.ts";
import { FILE_KINDS, KINDS } from "./corruption.ts";
import { VERDICTS } from "./judge.ts";

/** A row a kind of corruption, and one of all; then the single ones by what they were done to. */
export function tables(results: readonly Result[]): string {
  const byKind = KINDS.map((kind) => [kind, results.filter((one) => one.kind === kind)] as const);
  const singles = results.filter(({ faults }) => faults.length === 1);
  const byFile = FILE_KINDS.map((of) => {
    return [of, singles.filter(({ faults }) => faults[0]?.of === of)] as const;
  });
  return `${table("corruption", byKind)}\n\n${table("of", byFile)}\n\n${untold(results)}`;
}

/** The same of real nodes. */
export function roundTable(rounds: readonly Round[]): string {
  return table(
    "of a node under load",
    KINDS.map((kind) => [kind, rounds.filter((round) => round.kind === kind)] as const),
  );
}

/** What nothing in the directory can tell, with what came of it. */
function untold(results: readonly Result[]): string {
  const counts = new Map<string, number>();
  for (const { verdict, faults, why } of results) {
    if (verdict !== "untold") continue;
    const what = [...new Set(faults.map((fault) => fault.name))].join(" and ");
    const row = `${what} | ${why.slice(0, why.indexOf(":"))}`;
    counts.set(row, (counts.get(row) ?? 0) + 1);
  }
  const rows = [...counts].sort(([one], [other]) => (one < other ? -1 : 1));
  return [
    "| untold | differs in | times |",
    "| --- | --- | --- |",
    ...rows.map(([row, times]) => `| ${row} | ${times} |`),
  ].join("\n");
}

type Row = readonly [name: string, results: readonly Pick<Result, "verdict">[]];

function table(head: string, rows: readonly Row[]): string {
  const all = rows.flatMap(([, results]) => results);
  const lines = [...rows, ["**total**", all] as const]
    .filter(([, results]) => results.length > 0)
    .map(([name, results]) => [
      name,
      results.length,
      ...VERDICTS.map((verdict) => results.filter((one) => one.verdict === verdict).length),
    ]);
  const heads = [head, "times", ...VERDICTS];
  return [heads, heads.map(() => "---"), ...lines]
    .map((line) => `| ${line.join(" | ")} |`)
    .join("\n");
}
