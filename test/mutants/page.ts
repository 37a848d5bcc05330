import type { Bounds, Verdict } from "./judge.ts";
import type { Mutant } from "./mutant.ts";

const HEAD = `# Bugs that are put in on purpose

Each mutant is a fault that is put into a copy of the sources, built there, and judged there: first by the simulator, seed after seed, then by the unit tests of its part where the simulator has seen nothing. No file of the product knows of them; they are declared in \`test/mutants/\`, and a unit test fails when one no longer applies. The same judges have acquitted the sources without a fault in the same run. How they are run: [testing.md](testing.md).

This page is written by \`npm run mutants\`.
`;

export interface Judged {
  readonly mutant: Mutant;
  readonly verdict: Verdict;
}

export function page(judged: readonly Judged[], { seeds, simSeconds }: Bounds): string {
  const count = (by: Verdict["by"]): number =>
    judged.filter(({ verdict }) => verdict.by === by).length;
  const left = judged.filter(({ verdict }) => verdict.by === "nobody");
  const harmless = left.filter(({ mutant }) => mutant.harmless !== undefined).length;
  const rows = judged.map(({ mutant, verdict }) => {
    const cells = [`\`${mutant.name}\``, mutant.imitates, killer(mutant, verdict)];
    return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  });
  return [
    HEAD,
    `Of ${judged.length}, the simulator has found ${count("simulator")} within ${seeds} seeds and ${simSeconds} s each, unit tests ${count("tests")}; ${harmless} are harmless, ${left.length - harmless} were found by nobody, and ${count("unfinished")} were not judged to the end. The seconds are those of a machine that did other work as well.\n`,
    "| mutant | imitates | found by |",
    "|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}

function killer({ harmless, notSimulated, tests }: Mutant, verdict: Verdict): string {
  switch (verdict.by) {
    case "simulator":
      return `simulator, seed ${verdict.seeds}, ${verdict.seconds.toFixed(1)} s`;
    case "tests": {
      const why = notSimulated === undefined ? "" : `; not simulated: ${notSimulated}`;
      return `unit test \`${fileOf(verdict.what) ?? `${tests}/`}\`${why}`;
    }
    case "unfinished":
      return `not judged to the end: ${verdict.what}`;
    case "nobody":
      return harmless === undefined ? "**nobody**" : `harmless: ${harmless}`;
  }
}

function fileOf(what: string): string | undefined {
  return /test\/[\w./-]+\.test\.ts/.exec(what)?.[0];
}

/** The names in the first column, in their order. */
export function namesIn(text: string): string[] {
  return [...text.matchAll(/^\| `([a-z0-9-]+)` \|/gm)].map(([, name = ""]) => name);
}
