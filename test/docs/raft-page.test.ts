import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readPage, sectionOf, TOP } from "./page.ts";

const page = readPage("docs/raft.md");

/** The cells of each row, without the head of the table. */
function rowsOf(table: string): string[][] {
  return table
    .split("\n")
    .slice(2)
    .map((row) => row.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, "")));
}

const pitfalls = rowsOf(sectionOf(page, "pitfalls"));
const elsewhere = rowsOf(sectionOf(page, "elsewhere"));

/** `path` "what is there": what a row says to be covered by. */
function coversOf(cell: string): { path: string; name: string }[] {
  return cell.split("; `").map((part) => {
    const [, path = "", name = ""] = /^`?([^`]+)` "(.+)"$/.exec(part) ?? [];
    return { path, name };
  });
}

/** Whether a test, a group of tests, a rule or an assertion is called so there. */
function isThere({ path, name }: { path: string; name: string }): boolean {
  if (path === "" || !existsSync(join(TOP, path))) return false;
  const text = readPage(path);
  const literal = name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const quoted = `["\`]${literal}["\`]`;
  if (path.startsWith("src/")) return new RegExp(`\\bassert\\([^;]*${quoted}`).test(text);
  if (path.startsWith("jepsen-lite/")) {
    return new RegExp(`\\b(?:demand|fault)\\([^;]*${literal}`).test(text);
  }
  const named = `\\b(?:describe|test|it)\\(\\s*|\\)\\(\\s*|\\bname: `;
  return new RegExp(`(?:${named})${quoted}`).test(text);
}

test("every pitfall from 1 to 100 stands in docs/raft.md once, in one of the tables", () => {
  const numbers = [...pitfalls, ...elsewhere].map(([number]) => Number(number));
  expect(numbers.toSorted((one, other) => one - other)).toEqual(
    Array.from({ length: 100 }, (_, at) => at + 1),
  );
});

test("each is covered by tests and assertions that are there under the names that it gives", () => {
  const missing = pitfalls.flatMap(([number, , covers = ""]) =>
    coversOf(covers)
      .filter((cover) => !isThere(cover))
      .map(({ path, name }) => `${number}: ${path} "${name}"`),
  );
  expect(missing).toEqual([]);
  expect(isThere({ path: "test/raft/pitfalls.test.ts", name: "7: one that is" })).toBe(false);
});

test("a test that names a pitfall names one of the table", () => {
  const tables = new Set(pitfalls.map(([number]) => number));
  const files = ["dissertation", "paper", "transfer", "progress", "install-snapshot"];
  const named = files.flatMap((file) =>
    [...readPage(`test/raft/${file}.test.ts`).matchAll(/\(pitfall (\d+)\)/g)].map(([, n]) => n),
  );
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((number) => !tables.has(number ?? ""))).toEqual([]);
});
