import type { ViolationKind } from "../real/violation.ts";
import type { Result } from "./campaign.ts";

const BROKEN: Readonly<Record<ViolationKind, string>> = {
  lost: "lost",
  strange: "refused, but there",
  twoLeaders: "terms with two leaders",
  twoVotes: "votes taken back",
  refused: "refused starts",
  ended: "ended by itself",
  diverged: "diverged",
  stuck: "stuck",
};

const COUNTED = ["rounds", "cuts", "elections", "acknowledged", "unknown", "refused"] as const;

/** A row a scenario, and one of all. */
export function table(results: readonly Result[]): string {
  const heads = ["scenario", ...COUNTED, ...Object.values(BROKEN), "seconds"];
  const rows = results.map(cells);
  const all = rows.reduce<number[]>((sums, row) => row.map((cell, i) => cell + (sums[i] ?? 0)), []);
  const lines = results.map(({ scenario }, i) => [scenario, ...(rows[i] ?? [])]);
  return [heads, heads.map(() => "---"), ...lines, ["**total**", ...all]]
    .map((line) => `| ${line.join(" | ")} |`)
    .join("\n");
}

function cells(result: Result): number[] {
  const counted = COUNTED.map((name) => result[name]);
  const kinds = Object.keys(BROKEN) as ViolationKind[];
  return [...counted, ...kinds.map((kind) => result.broken[kind]), Math.round(result.seconds)];
}
