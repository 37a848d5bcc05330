import { type RealVerdict, RUNS } from "./black-box.ts";
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

const REAL = "\n## In real processes\n";
const REAL_WORDS = `
The same faults, in a build of the copy whose real nodes are accused by [\`rollcall chaos run --bin\`](testing.md#real-nodes-disturbed), which sees nothing of the inside: ${RUNS.map(({ nodes, seconds }) => `${nodes} nodes for ${seconds} s`).join(", then ")}, with everything that the machine allows, until a run is invalid. Written by \`npm run mutants -- --real\`, which also acquits the sources without a fault; a row stays until its mutant is judged again.
`;

/** The page in its two parts; the second begins with its heading, or is empty. */
export function parts(text: string): readonly [simulated: string, real: string] {
  const at = text.indexOf(REAL);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at)];
}

/** The second part, with these rows in the place of those that it had of the same mutants. */
export function realPart(
  before: string,
  mutants: readonly Mutant[],
  judged: ReadonlyMap<Mutant, RealVerdict>,
): string {
  const kept = new Map(rowsIn(before));
  const rows = mutants.flatMap((mutant) => {
    const verdict = judged.get(mutant);
    const row = verdict === undefined ? kept.get(mutant.name) : realRow(mutant, verdict);
    return row === undefined ? [] : [row];
  });
  const found = rows.filter((row) => !row.endsWith("| nobody |")).length;
  const counts = `Of ${rows.length} that were judged, ${found} were found (${Math.round((100 * found) / rows.length)} %).\n`;
  return [
    REAL + REAL_WORDS,
    counts,
    "| mutant | run | found by |",
    "|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}

function realRow({ name }: Mutant, verdict: RealVerdict): string {
  if (verdict === null) return `| \`${name}\` | ${RUNS.length} | nobody |`;
  const what = verdict.what.replaceAll("|", "\\|").slice(0, WHAT_CHARACTERS_MAX);
  return `| \`${name}\` | ${verdict.run} | ${what} |`;
}

const WHAT_CHARACTERS_MAX = 160;

function rowsIn(text: string): [name: string, row: string][] {
  return [...text.matchAll(/^\| `([a-z0-9-]+)` \|.*$/gm)].map(([row, name = ""]) => [name, row]);
}

/** The names in the first column of a part, in their order. */
export function namesIn(part: string): string[] {
  return rowsIn(part).map(([name]) => name);
}
