import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { COMMAND_NAMES, run } from "../../src/cli/program.ts";
import { NODE_OPTIONS } from "../../src/server/config.ts";
import { captured } from "./captured-world.ts";

async function help(...args: string[]): Promise<string> {
  const { world, out, err } = captured(args);
  expect(await run(world)).toBe(0);
  expect(err()).toBe("");
  return out();
}

describe("help", () => {
  test("of the program names every command", async () => {
    const text = await help("--help");
    for (const name of COMMAND_NAMES) {
      expect(text).toMatch(new RegExp(`^  ${name} `, "m"));
    }
  });

  test.for(COMMAND_NAMES)(
    "of %s is a sentence, then how, then examples, then flags",
    async (name) => {
      const text = await help(name, "--help");
      expect(text).toMatch(/^[A-Z][^\n]+\.\n\nUsage: rollcall /);
      const examples = text.indexOf("\nExamples:\n");
      expect(examples).toBeGreaterThan(0);
      expect(text.indexOf("\nOptions:\n")).toBeGreaterThan(examples);
      expect(text.slice(examples)).toContain(`rollcall ${name}`);
    },
  );

  test.for(COMMAND_NAMES)("of %s names the environment of its flags", async (name) => {
    const text = await help(name, "--help");
    const flags = text
      .split("\n")
      .filter((line) => /^ {2}(?:-\w, )?--/.test(line) && !/--(?:help|exec|format)\b/.test(line));
    expect(flags.length).toBeGreaterThan(4);
    for (const line of flags) {
      expect(line).toMatch(/\(env: (?:ROLLCALL_[A-Z_]+|NO_COLOR)\)/);
    }
  });

  test("`help CMD` is `CMD --help`", async () => {
    expect(await help("help", "get")).toBe(await help("get", "--help"));
  });

  test("start shows every option of a node", async () => {
    const text = await help("start", "--help");
    for (const { flag, env } of Object.values(NODE_OPTIONS)) {
      expect(text).toContain(`${flag} `);
      expect(text).toContain(`(env: ${env})`);
    }
  });

  test("without a command it is shown on stderr, and that is a misuse", async () => {
    const { world, out, err } = captured([]);
    expect(await run(world)).toBe(2);
    expect(out()).toBe("");
    expect(err()).toContain("Commands:");
  });
});

describe("version", () => {
  test.for([["version"], ["--version"], ["-V"]])("%s prints it", async (args) => {
    expect(await help(...args)).toMatch(/^rollcall \d+\.\d+\.\d+ \(node v\d+/);
  });

  test("is an object in json", async () => {
    expect(JSON.parse(await help("version", "-o", "json"))).toEqual({
      apiVersion: "v1",
      kind: "Version",
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      node: process.version,
    });
  });
});

test("no text of the product tells people to type a command that does not exist", () => {
  const source = fileURLToPath(new URL("../../src", import.meta.url));
  const files = readdirSync(source, { recursive: true, encoding: "utf8" });
  const told = files
    .filter((file) => file.endsWith(".ts"))
    .flatMap((file) => [
      ...readFileSync(join(source, file), "utf8").matchAll(/['"`]rollcall ([a-z]+(?:-[a-z]+)*)/g),
    ])
    .map(([, name]) => name);
  expect(told.length).toBeGreaterThan(0);
  expect(told.filter((name) => !COMMAND_NAMES.includes(name ?? ""))).toEqual([]);
});
