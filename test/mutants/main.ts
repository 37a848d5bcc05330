import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { must } from "../../src/util/assert.ts";
import { mutants } from "./all.ts";
import { judgeInReal } from "./black-box.ts";
import { Copy } from "./copy.ts";
import { acquits, type Bounds, judge, type Verdict } from "./judge.ts";
import type { Mutant } from "./mutant.ts";
import { type Judged, page, parts, realPart } from "./page.ts";

const PAGE = join("docs", "bugs.md");
const REGRESSIONS = join("test", "sim", "regressions");

/**
 * `npm run mutants -- [--only NAME,NAME] [--jobs 2] [--seeds 40] [--seconds 20]`, from the top of the
 * repository. Writes its part of docs/bugs.md after a run of all, and ends with 1 where a mutant that
 * is not declared harmless was found by nobody, or could not be judged. With `--real` they are judged
 * in real processes, one after the other, and each verdict is written as it comes. With `--shrink` it
 * judges nobody, and keeps the shortest schedule in which the simulator finds the mutant as a
 * regression.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      jobs: { type: "string", default: "1" },
      seeds: { type: "string", default: "40" },
      seconds: { type: "string", default: "20" },
      shrink: { type: "boolean", default: false },
      real: { type: "boolean", default: false },
    },
  });
  const { only, shrink, real } = values;
  const bounds: Bounds = {
    seeds: Number(values.seeds),
    simSeconds: Number(values.seconds),
    testSeconds: 120,
  };
  const names = only?.split(",") ?? mutants.map(({ name }) => name);
  for (const name of names) {
    if (!mutants.some((mutant) => mutant.name === name)) throw new Error(`no mutant is ${name}`);
  }
  const chosen = mutants.filter(({ name }) => names.includes(name));
  const top = process.cwd();
  if (shrink) {
    for (const mutant of chosen) await keep(top, mutant, bounds);
    return;
  }
  if (real) {
    await judgeAllInReal(top, chosen);
    return;
  }
  await acquits(top, [...new Set(chosen.map(({ tests }) => tests))], bounds);
  say("the sources without a fault are acquitted");
  const judged = await judgeAll(top, chosen, bounds, Number(values.jobs));
  const left = judged.filter(({ verdict: { by } }) => by === "nobody" || by === "unfinished");
  const harmful = left.filter(({ mutant }) => mutant.harmless === undefined);
  say(`${judged.length} judged, ${harmful.length} found by nobody or not judged to the end`);
  if (only === undefined) {
    const [, inReal] = parts(await readFile(PAGE, "utf8"));
    await writeFile(PAGE, page(judged, bounds) + inReal);
  }
  process.exitCode = harmful.length === 0 ? 0 : 1;
}

async function keep(top: string, mutant: Mutant, { seeds, simSeconds }: Bounds): Promise<void> {
  const copy = await Copy.make(top, mutant);
  try {
    await copy.build();
    const transcript = await copy.shrink(seeds, simSeconds);
    if (transcript === null) throw new Error(`${mutant.name}: not shrunk in ${simSeconds} s`);
    const path = join(REGRESSIONS, `${mutant.name}.json`);
    await writeFile(path, transcript);
    say(`${path} is written`);
  } finally {
    await copy.remove();
  }
}

/** In the order of `chosen`. */
async function judgeAll(
  top: string,
  chosen: readonly Mutant[],
  bounds: Bounds,
  jobs: number,
): Promise<Judged[]> {
  const judged = new Map<Mutant, Judged>();
  const waiting = chosen.values();
  // They share one iterator, so that each mutant is taken once.
  const work = async (): Promise<void> => {
    for (const mutant of waiting) {
      const verdict = await judge(top, mutant, bounds).catch(unfinished);
      judged.set(mutant, { mutant, verdict });
      say(`${judged.size}/${chosen.length} ${mutant.name}: ${JSON.stringify(verdict)}`);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return chosen.map((mutant) => must(judged.get(mutant)));
}

async function judgeAllInReal(top: string, chosen: readonly Mutant[]): Promise<void> {
  const found = await judgeInReal(top, null);
  if (found !== null) throw new Error(`real nodes are accused without a fault: ${found.what}`);
  say("real nodes without a fault are acquitted");
  for (const [at, mutant] of chosen.entries()) {
    const verdict = await judgeInReal(top, mutant);
    say(`${at + 1}/${chosen.length} ${mutant.name}: ${JSON.stringify(verdict)}`);
    const [simulated, before] = parts(await readFile(PAGE, "utf8"));
    await writeFile(PAGE, simulated + realPart(before, mutants, new Map([[mutant, verdict]])));
  }
}

function unfinished(error: unknown): Verdict {
  const [what = ""] = String(error).split("\n");
  return { by: "unfinished", what };
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

await main();
