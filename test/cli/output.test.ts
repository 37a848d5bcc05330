import { describe, expect, test } from "vitest";
import { Failure } from "../../src/cli/failure.ts";
import { type Format, type Listing, Output } from "../../src/cli/output.ts";
import { run } from "../../src/cli/program.ts";
import { printable, renderTable } from "../../src/cli/table.ts";
import { captured } from "./captured-world.ts";

const LISTING: Listing = {
  kind: "ThingList",
  itemKind: "Thing",
  fields: { revision: 7 },
  items: [
    { name: "a", size: 1 },
    { name: "b", size: 200 },
  ],
  columns: [{ head: "NAME" }, { head: "SIZE", align: "right" }],
  rows: [
    ["a", "1"],
    ["b", "200"],
  ],
};

function outputTo(
  format: Format,
  options: { quiet?: boolean; verbose?: boolean; color?: boolean } = {},
) {
  const capture = captured([]);
  const output = new Output({
    stdout: capture.world.stdout,
    stderr: capture.world.stderr,
    format,
    isQuiet: options.quiet ?? false,
    isVerbose: options.verbose ?? false,
    hasColor: options.color ?? false,
  });
  return { ...capture, output };
}

describe("a list", () => {
  test("is a table for people, without trailing spaces", () => {
    const { output, out } = outputTo("table");
    output.list(LISTING);
    expect(out()).toBe("NAME  SIZE\na        1\nb      200\n");
  });

  test("is one versioned object in json", () => {
    const { output, out } = outputTo("json");
    output.list(LISTING);
    expect(JSON.parse(out())).toEqual({
      apiVersion: "v1",
      kind: "ThingList",
      revision: 7,
      items: LISTING.items,
    });
  });

  test("is a versioned line an item in jsonl, and nothing where it is empty", () => {
    const { output, out } = outputTo("jsonl");
    output.list(LISTING);
    output.list({ ...LISTING, items: [], rows: [] });
    expect(
      out()
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { apiVersion: "v1", kind: "Thing", name: "a", size: 1 },
      { apiVersion: "v1", kind: "Thing", name: "b", size: 200 },
    ]);
  });
});

describe("a table", () => {
  test("is aligned by what a terminal shows, not by code units", () => {
    const text = renderTable(
      [{ head: "A" }, { head: "B" }],
      [
        ["上海", "x"],
        ["é", "x"],
        ["abcd", "x"],
      ],
    );
    expect(text).toBe("A     B\n上海  x\né     x\nabcd  x\n");
  });

  test("of ten thousand rows is drawn in well under a second", () => {
    const rows = Array.from({ length: 10_000 }, (_, at) => [`10.0.0.1:${at}`, "http", "up"]);
    const beganMs = performance.now();
    const text = renderTable([{ head: "ADDR" }, { head: "PROTOCOL" }, { head: "STATUS" }], rows);
    expect(performance.now() - beganMs).toBeLessThan(2_000);
    expect(text.split("\n")).toHaveLength(10_002);
  });

  test("does not let what others registered steer the terminal", () => {
    expect(printable("a\u001b[2Jb\nc\u202ed\u007f")).toBe("a\\x1b[2Jb\\x0ac\\u202ed\\x7f");
    expect(renderTable([{ head: "A" }], [["\u001b]0;owned\u0007"]])).not.toContain("\u001b");
  });
});

describe("an error", () => {
  const failure = new Failure("NO_LEADER", "no leader", {
    exitCode: 6,
    hint: "look at the logs",
    isRetryable: true,
    details: { a: 1 },
    cause: new Error("outer", { cause: new Error("inner") }),
  });

  test("is a line and a hint on stderr", () => {
    const { output, out, err } = outputTo("table", { quiet: true });
    output.failure(failure);
    expect(err()).toBe("rollcall: no leader\nhint: look at the logs\n");
    expect(out()).toBe("");
  });

  test("comes with its code and all its causes where more is asked for", () => {
    const { output, err } = outputTo("table", { verbose: true });
    output.failure(failure);
    expect(err()).toContain("code: NO_LEADER\ncause: Error: outer\ncause: Error: inner\n");
  });

  test.for(["json", "jsonl"] as const)("is an object on one line of stderr in %s", (format) => {
    const { output, err } = outputTo(format);
    output.failure(failure);
    expect(err().trimEnd().split("\n")).toHaveLength(1);
    expect(JSON.parse(err())).toEqual({
      error: {
        code: "NO_LEADER",
        message: "no leader",
        retryable: true,
        details: { a: 1 },
        hint: "look at the logs",
      },
    });
  });
});

describe("notes and colours", () => {
  test("notes go to stderr, and nowhere with -q", () => {
    const loud = outputTo("json");
    loud.output.note("by the way");
    expect([loud.out(), loud.err()]).toEqual(["", "by the way\n"]);
    const quiet = outputTo("table", { quiet: true });
    quiet.output.note("by the way");
    expect(quiet.err()).toBe("");
  });

  test("there is no colour unless it is wanted", () => {
    expect(outputTo("table").output.style("red", "x")).toBe("x");
    expect(outputTo("table", { color: true }).output.style("red", "x")).toContain("\u001b[31m");
  });

  test("a terminal gets them, unless it is asked not to", async () => {
    const isColored = async (args: string[], env: Record<string, string>, isTty: boolean) => {
      const { world, err } = captured([...args, "gett"], { env, isTty });
      await run(world);
      return err().includes("\u001b[");
    };
    expect(await isColored([], {}, true)).toBe(true);
    expect(await isColored([], {}, false)).toBe(false);
    expect(await isColored([], { NO_COLOR: "1" }, true)).toBe(false);
    expect(await isColored([], { TERM: "dumb" }, true)).toBe(false);
    expect(await isColored(["--no-color"], {}, true)).toBe(false);
  });
});
