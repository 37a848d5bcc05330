import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { CANARY, mutants } from "./all.ts";
import { mutated } from "./mutant.ts";
import { namesIn, parts } from "./page.ts";

const top = new URL("../../", import.meta.url);
const read = (path: string): string => readFileSync(fileURLToPath(new URL(path, top)), "utf8");

describe("the mutants", () => {
  test("are at least forty, each with a name of its own", () => {
    const names = mutants.map(({ name }) => name);
    expect(names.length).toBeGreaterThanOrEqual(40);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain(CANARY);
  });

  test.for(mutants)("$name applies: its text is in the sources exactly once", (mutant) => {
    expect(mutated(read(mutant.file), mutant)).not.toBe(read(mutant.file));
  });

  test("are those of docs/bugs.md, which npm run mutants writes", () => {
    const [simulated, real] = parts(read("docs/bugs.md"));
    const names = mutants.map(({ name }) => name);
    expect(namesIn(simulated)).toEqual(names);
    expect(names).toEqual(expect.arrayContaining(namesIn(real)));
  });

  test("a mutant whose text is gone, or there twice, is refused", () => {
    const mutant = { name: "m", imitates: "", file: "f", find: "a", replace: "b", tests: "" };
    expect(() => mutated("c", mutant)).toThrow("0 times in f");
    expect(() => mutated("a a", mutant)).toThrow("2 times in f");
    expect(mutated("a c", mutant)).toBe("b c");
  });
});
