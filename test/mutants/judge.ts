import { Copy, type Ran } from "./copy.ts";
import type { Mutant } from "./mutant.ts";

/** Takes longer than all others together, so it is asked last. */
const LAST = "test/raft/random-cluster.test.ts";

export interface Bounds {
  readonly seeds: number;
  readonly simSeconds: number;
  readonly testSeconds: number;
}

export type Verdict =
  | { readonly by: "simulator"; readonly seeds: number; readonly seconds: number; what: string }
  | { readonly by: "tests"; readonly seconds: number; readonly what: string }
  | { readonly by: "nobody"; readonly what: string }
  /** `what` kept it from being judged to the end. */
  | { readonly by: "unfinished"; readonly what: string };

/** Asks the simulator, and the unit tests where it sees nothing. */
export async function judge(top: string, mutant: Mutant, bounds: Bounds): Promise<Verdict> {
  const copy = await Copy.make(top, mutant);
  try {
    await copy.build();
    if (mutant.notSimulated === undefined) {
      const found = ofSimulator(await copy.simulate(bounds.seeds, bounds.simSeconds));
      if (found !== null) return found;
    }
    const { tests } = mutant;
    const verdict = ofTests(await copy.test([tests, "--exclude", LAST], bounds.testSeconds));
    if (verdict.by !== "nobody" || !LAST.startsWith(`${tests}/`)) return verdict;
    return ofTests(await copy.test([LAST], bounds.testSeconds));
  } finally {
    await copy.remove();
  }
}

/** Null where nothing was found, also where the time was over. */
export function ofSimulator({ code, output, seconds }: Ran): Verdict | null {
  if (code === 0 || code === null) return null;
  const violation = /^seed (\d+): (.*)$/m.exec(output);
  if (violation !== null) {
    const [, seed, what = ""] = violation;
    return { by: "simulator", seeds: Number(seed), seconds, what };
  }
  // The replica broke in a way that is no verdict of the simulator's. Its last line tells the row.
  const error = /^\w*Error.*$/m.exec(output)?.[0];
  if (error === undefined) throw new Error(`the simulator did not run: ${output}`);
  const done = [...output.matchAll(/^(\d+)\/\d+ seeds/gm)].at(-1)?.[1] ?? "0";
  return { by: "simulator", seeds: Number(done) + 1, seconds, what: error };
}

export function ofTests({ code, output, seconds }: Ran): Verdict {
  if (/timed out in \d+ms/.test(output)) throw new Error("a test came to no end in its time");
  const failed = /^ *FAIL +(?:\|?unit\|? +)?(.*)$/m.exec(output)?.[1];
  if (failed !== undefined) return { by: "tests", seconds, what: failed };
  const passed = /^(\d+) passed, 0 failed/m.exec(output);
  if (code === 0 && passed !== null && Number(passed[1]) > 0) return { by: "nobody", what: "" };
  if (code === null) throw new Error("the tests came to no end in their time");
  throw new Error(`the tests did not run: ${output.slice(-2000)}`);
}

/** A judge who finds a fault where there is none is no judge. */
export async function acquits(
  top: string,
  folders: readonly string[],
  { seeds, simSeconds, testSeconds }: Bounds,
): Promise<void> {
  const copy = await Copy.make(top, null);
  try {
    await copy.build();
    const found = ofSimulator(await copy.simulate(seeds, simSeconds));
    if (found !== null) throw new Error(`the simulator complains without a fault: ${found.what}`);
    for (const folder of folders) {
      const tested = ofTests(await copy.test([folder], testSeconds));
      if (tested.by !== "nobody") throw new Error(`${folder} fails without a fault`);
    }
  } finally {
    await copy.remove();
  }
}
