import type { Result } from "./campaign.ts";
import { VIOLATIONS, type ViolationKind } from "./violation.ts";

/** What a campaign shows of its results. */
export interface Columns {
  readonly counted: readonly (keyof Result["counted"])[];
  readonly broken: readonly ViolationKind[];
}

/** A row a scenario, and one of all. */
export function table(results: readonly Result[], { counted, broken }: Columns): string {
  const cells = (result: Result): number[] => [
    result.rounds,
    ...counted.map((name) => result.counted[name]),
    ...broken.map((kind) => result.broken[kind]),
    Math.round(result.seconds),
  ];
  const heads = [
    "scenario",
    "rounds",
    ...counted,
    ...broken.map((kind) => VIOLATIONS[kind]),
    "seconds",
  ];
  const rows = results.map(cells);
  const all = rows.reduce<number[]>((sums, row) => row.map((cell, i) => cell + (sums[i] ?? 0)), []);
  const lines = results.map(({ scenario }, i) => [scenario, ...(rows[i] ?? [])]);
  return [heads, heads.map(() => "---"), ...lines, ["**total**", ...all]]
    .map((line) => `| ${line.join(" | ")} |`)
    .join("\n");
}
