import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { mutants } from "./all.ts";
import { acquits, type Bounds, judge } from "./judge.ts";
import type { Mutant } from "./mutant.ts";
import { type Judged, page } from "./page.ts";

const PAGE = join("docs", "bugs.md");

/**
 * `npm run mutants -- [--only NAME] [--jobs 2] [--seeds 40] [--seconds 20]`, from the top of the
 * repository. Writes docs/bugs.md after a run of all, and ends with 1 where a mutant that is not
 * declared harmless was found by nobody, or could not be judged.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      jobs: { type: "string", default: "1" },
      seeds: { type: "string", default: "40" },
      seconds: { type: "string", default: "20" },
    },
  });
  const { only } = values;
  const bounds: Bounds = {
    seeds: Number(values.seeds),
    simSeconds: Number(values.seconds),
    testSeconds: 120,
  };
  const chosen = mutants.filter(({ name }) => only === undefined || name === only);
  if (chosen.length === 0) throw new Error(`no mutant is called ${only}`);
  const top = process.cwd();
  await acquits(top, [...new Set(chosen.map(({ tests }) => tests))], bounds);
  say("the sources without a fault are acquitted");
  const judged = await judgeAll(top, chosen, bounds, Number(values.jobs));
  const left = judged.filter(
    ({ mutant, verdict }) => verdict.by === "nobody" && mutant.harmless === undefined,
  );
  say(`${judged.length} of ${chosen.length} judged, ${left.length} found by nobody`);
  if (only === undefined && judged.length === chosen.length) {
    const text = page(judged, bounds);
    if (text !== (await readFile(PAGE, "utf8").catch(() => ""))) await writeFile(PAGE, text);
  }
  process.exitCode = left.length === 0 && judged.length === chosen.length ? 0 : 1;
}

/** In the order of `chosen`, without those that could not be judged. */
async function judgeAll(
  top: string,
  chosen: readonly Mutant[],
  bounds: Bounds,
  jobs: number,
): Promise<Judged[]> {
  const judged: (Judged | undefined)[] = [];
  let next = 0;
  let done = 0;
  const work = async (): Promise<void> => {
    for (let at = next++; ; at = next++) {
      const mutant = chosen[at];
      if (mutant === undefined) return;
      try {
        const verdict = await judge(top, mutant, bounds);
        judged[at] = { mutant, verdict };
        say(`${++done}/${chosen.length} ${mutant.name}: ${JSON.stringify(verdict)}`);
      } catch (error) {
        say(`${++done}/${chosen.length} ${mutant.name}: NOT JUDGED, ${String(error)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return judged.filter((item) => item !== undefined);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

await main();
