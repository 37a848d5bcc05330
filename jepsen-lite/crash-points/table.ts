import type { ViolationKind } from "../real/violation.ts";
import type { Result } from "./campaign.ts";

/** What a crash can break; here, what nobody has written is silent damage. */
const BROKEN = {
  lost: "lost",
  strange: "silent",
  twoVotes: "votes taken back",
  refused: "called damaged",
  stuck: "takes no write",
  ended: "ended by itself",
  diverged: "diverged",
  twoLeaders: "two leaders",
} as const satisfies Partial<Record<ViolationKind, string>>;

const COUNTED = ["known", "steps", "syscalls", "missed"] as const;

/** A row an operation, and one of all. */
export function table(results: readonly Result[]): string {
  const heads = ["operation", "points", "at steps", "at calls", "not reached"];
  heads.push(...Object.values(BROKEN), "seconds");
  const rows = results.map(cells);
  const all = rows.reduce<number[]>((sums, row) => row.map((cell, i) => cell + (sums[i] ?? 0)), []);
  const lines = results.map(({ name }, i) => [name, ...(rows[i] ?? [])]);
  return [heads, heads.map(() => "---"), ...lines, ["**total**", ...all]]
    .map((line) => `| ${line.join(" | ")} |`)
    .join("\n");
}

function cells(result: Result): number[] {
  const counted = COUNTED.map((name) => result[name]);
  const kinds = Object.keys(BROKEN) as (keyof typeof BROKEN)[];
  return [...counted, ...kinds.map((kind) => result.broken[kind]), Math.round(result.seconds)];
}
