import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { run } from "../../src/cli/program.ts";
import { temporaryDirectory } from "../storage/fixture.ts";
import { captured } from "./captured-world.ts";

/** A package whose harness writes down how it is called, and ends with 1. */
async function installed(): Promise<{
  top: string;
  binPath: string;
  called: () => Promise<string[]>;
}> {
  const top = await temporaryDirectory();
  const folder = join(top, "dist", "jepsen-lite", "chaos");
  await mkdir(folder, { recursive: true });
  await writeFile(join(top, "package.json"), '{ "type": "module" }');
  await writeFile(
    join(folder, "main.js"),
    `import { writeFileSync } from "node:fs";
     writeFileSync(${JSON.stringify(join(top, "called"))}, JSON.stringify(process.argv.slice(2)));
     process.exit(1);`,
  );
  return {
    top,
    binPath: join(top, "bin", "rollcall.js"),
    called: async () => JSON.parse(await readFile(join(top, "called"), "utf8")),
  };
}

describe("chaos", () => {
  test.for([
    ["run", ["run", "--seconds", "60", "--nodes", "3"]],
    [
      "run network --nodes 5 --duration 2m --operations 9 --seed 8 --out o --bin b.js",
      [
        "run",
        "network",
        "--seconds",
        "120",
        "--nodes",
        "5",
        "--operations",
        "9",
        "--seed",
        "8",
      ].concat(
        ...[
          ["--out", "TOP/o"],
          ["--bin", "TOP/b.js"],
        ],
      ),
    ],
    [
      "run --only kill,pause --duration 1500ms",
      ["run", "--seconds", "2", "--nodes", "3", "--only", "kill,pause"],
    ],
    ["list", ["list"]],
    ["list -o json", ["list", "--json"]],
    ["replay d --times 4", ["replay", "TOP/d", "--times", "4"]],
    ["recheck ./d", ["recheck", "TOP/d"]],
    ["export elle d", ["export", "elle", "TOP/d"]],
  ] as const)("%s", async ([typed, expected]) => {
    const { top, binPath, called } = await installed();
    const { world } = captured(["chaos", ...typed.split(" ")], { binPath, cwd: top });
    const exitCode = await run(world);
    const args = (await called()).map((text) => text.replace(top, "TOP"));
    expect(args[0]).toBe(expected[0]);
    expect(args.toSorted()).toEqual([...expected].toSorted());
    expect(exitCode).toBe(1);
  });

  test.for([
    ["run --duration 60", "a time with its unit"],
    ["run --nodes 0", "an integer from 1 to 9"],
    ["run --seed x", "an integer"],
    ["replay", "missing required argument 'dir'"],
    ["run a b", "too many arguments"],
    ["export elle", "missing required argument 'dir'"],
  ] as const)("%s is a misuse: %s", async ([typed, what]) => {
    const { binPath, called } = await installed();
    const { world, err } = captured(["chaos", ...typed.split(" ")], { binPath });
    expect(await run(world)).toBe(2);
    expect(err()).toContain(what);
    await expect(called()).rejects.toThrow("ENOENT");
  });
});
