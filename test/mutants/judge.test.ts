import { describe, expect, test } from "vitest";
import { ofSimulator, ofTests } from "./judge.ts";
import type { Mutant } from "./mutant.ts";
import { namesIn, page, parts, realPart } from "./page.ts";

const seconds = 1;

describe("the verdict on a mutant", () => {
  test("is the simulator's where a seed ends in a violation", () => {
    const output = "50/200 seeds, 3 seeds/s\nseed 61: Violation: it is lost\nreplay: npm run\n";
    const verdict = ofSimulator({ code: 1, output, seconds });
    expect(verdict).toEqual({ by: "simulator", seeds: 61, seconds, what: "Violation: it is lost" });
  });

  test("is the simulator's where a replica throws anything else", () => {
    const output = "50/200 seeds, 3 seeds/s\nTypeError: x is undefined\n    at run\n";
    const verdict = ofSimulator({ code: 1, output, seconds });
    expect(verdict).toMatchObject({ by: "simulator", what: "TypeError: x is undefined" });
  });

  test("is not the simulator's where it was clean, or its time was over", () => {
    expect(ofSimulator({ code: 0, output: "no violation", seconds })).toBeNull();
    expect(ofSimulator({ code: null, output: "", seconds })).toBeNull();
  });

  test("is none where the simulator or the tests did not run", () => {
    expect(() => ofSimulator({ code: 1, output: "", seconds })).toThrow("did not run");
    expect(() => ofTests({ code: 1, output: "no test files", seconds })).toThrow("did not run");
    expect(() => ofTests({ code: 0, output: "0 passed, 0 failed", seconds })).toThrow();
    expect(() => ofTests({ code: null, output: "", seconds })).toThrow("came to no end");
    const slow = " FAIL  |unit| test/raft/log.test.ts > a log\nError: Test timed out in 9000ms.\n";
    expect(() => ofTests({ code: 1, output: slow, seconds })).toThrow("came to no end");
  });

  test("is the tests' where one fails, and nobody's where all pass", () => {
    const output = " FAIL  |unit| test/raft/log.test.ts > a log > ends\n";
    const what = "test/raft/log.test.ts > a log > ends";
    expect(ofTests({ code: 1, output, seconds })).toEqual({ by: "tests", seconds, what });
    const passed = { code: 0, output: "9 passed, 0 failed\n", seconds };
    expect(ofTests(passed)).toMatchObject({ by: "nobody" });
  });
});

describe("the page", () => {
  const declared = { imitates: "a bug", file: "f", find: "a", replace: "b", tests: "test/raft" };
  const bounds = { seeds: 40, simSeconds: 20, testSeconds: 60 };

  test("says plainly what nobody has found, and why the rest is harmless", () => {
    const text = page(
      [
        { mutant: { ...declared, name: "seen" }, verdict: { by: "nobody", what: "" } },
        {
          mutant: { ...declared, name: "twice", harmless: "it was there" },
          verdict: { by: "nobody", what: "" },
        },
        {
          mutant: { ...declared, name: "late" },
          verdict: { by: "unfinished", what: "it does not build" },
        },
      ],
      bounds,
    );
    expect(text).toContain("| `seen` | a bug | **nobody** |");
    expect(text).toContain("| `twice` | a bug | harmless: it was there |");
    expect(text).toContain("1 are harmless, 1 were found by nobody, and 1 were not judged");
    expect(text).toContain("| `late` | a bug | not judged to the end: it does not build |");
    expect(namesIn(text)).toEqual(["seen", "twice", "late"]);
  });

  test("keeps what real nodes were accused of, until a mutant is judged again", () => {
    const [one, other] = ["one", "other"].map((name) => ({ ...declared, name })) as [
      Mutant,
      Mutant,
    ];
    const simulated = page([{ mutant: one, verdict: { by: "nobody", what: "" } }], bounds);
    const first = realPart("", [one, other], new Map([[other, null]]));
    expect(parts(simulated + first)).toEqual([simulated, first]);
    expect(first).toContain("Of 1 that were judged, 0 were found (0 %)");
    const verdict = { run: 2, what: "a|b" };
    const second = realPart(first, [one, other], new Map([[one, verdict]]));
    expect(namesIn(second)).toEqual(["one", "other"]);
    expect(second).toContain("Of 2 that were judged, 1 were found (50 %)");
    expect(second).toContain("| `one` | 2 | a\\|b |");
  });
});
