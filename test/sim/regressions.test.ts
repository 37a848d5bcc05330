import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { follow, planOf } from "../../jepsen-lite/sim/run.ts";
import { parseTranscript, transcriptOf } from "../../jepsen-lite/sim/transcript.ts";
import { mutants } from "../mutants/all.ts";
import { Copy } from "../mutants/copy.ts";

const top = fileURLToPath(new URL("../..", import.meta.url));
const folder = fileURLToPath(new URL("regressions", import.meta.url));
/** Each is named by the fault that it was found with, and shrunk to. */
const files = readdirSync(folder);
const SECONDS_MAX = 50;
/** One whose schedule is also shown to find its fault, in a copy of the sources. */
const SHOWN = "joint-commits-by-one-half";

function read(file: string): string {
  return readFileSync(`${folder}/${file}`, "utf8");
}

/** Where a value has its fields, without what is in them. */
function shapeOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, shapeOf(part)]));
}

describe("schedules that found a fault once", () => {
  test("are of faults that are still declared, and one of them is shown to find its own", () => {
    const names = files.map((file) => basename(file, ".json"));
    expect(mutants.map(({ name }) => name)).toEqual(expect.arrayContaining(names));
    expect(names).toContain(SHOWN);
  });

  test.for(files)("%s is written as --shrink writes today", (file) => {
    const plan = parseTranscript(read(file));
    const { violation } = JSON.parse(read(file)) as { violation: string };
    expect(transcriptOf(plan, { violation })).toBe(read(file));
    expect(violation).toMatch(/^\w+: /);
    expect(shapeOf(plan.options)).toEqual(shapeOf(planOf(plan.seed).options));
    expect(plan.faults).not.toBeNull();
  });

  test.for(files)("%s breaks nothing any more", (file) => {
    const plan = parseTranscript(read(file));
    const { result, plan: followed } = follow(plan);
    expect(result.violation, `replay with: npm run sim -- --replay ${file}`).toBeNull();
    expect(followed.faults).toEqual(plan.faults);
  });

  // With other code a schedule is another run: where this fails, and the fault is as it was,
  // `npm run mutants -- --only NAME --shrink` writes the schedule anew.
  test(`${SHOWN}.json finds the fault that it is named after`, async () => {
    const copy = await Copy.make(top, mutants.find(({ name }) => name === SHOWN) ?? null);
    try {
      await copy.build();
      const { code, output } = await copy.replay(`${folder}/${SHOWN}.json`, SECONDS_MAX);
      expect(code).toBe(1);
      expect(JSON.parse(output).violation).toMatch(/^Violation: /);
    } finally {
      await copy.remove();
    }
  });
});
