import type { Plan, RunResult } from "./run.ts";

/** A plan as a file: one line for each fault, so that people can read it and differences show. */
export function transcriptOf(plan: Plan, { violation }: Pick<RunResult, "violation">): string {
  const faults = (plan.faults ?? []).map((fault) => `    ${JSON.stringify(fault)}`);
  const lines = [
    `  "violation": ${JSON.stringify(violation)}`,
    `  "seed": ${plan.seed}`,
    `  "options": ${JSON.stringify(plan.options, null, 2).replaceAll("\n", "\n  ")}`,
    `  "core": ${JSON.stringify(plan.core)}`,
    `  "faults": [\n${faults.join(",\n")}\n  ]`,
  ];
  return `{\n${lines.join(",\n")}\n}\n`;
}

/** The plan of a file that `transcriptOf` has written. */
export function parseTranscript(text: string): Plan {
  const { seed, options, core, faults } = JSON.parse(text) as Plan;
  return { seed, options, core, faults };
}
