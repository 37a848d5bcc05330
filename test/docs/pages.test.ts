import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join, posix } from "node:path";
import { describe, expect, test } from "vitest";
import { COMMAND_NAMES } from "../../src/cli/program.ts";
import * as limits from "../../src/limits.ts";
import { importTable } from "../tooling/import-table.ts";
import {
  anchorsOf,
  blocksOf,
  commandsOf,
  proseOf,
  readPage,
  sectionOf,
  TOP,
  withSection,
} from "./page.ts";

function pagesIn(folder: string): string[] {
  const names = readdirSync(join(TOP, folder)).filter((name) => name.endsWith(".md"));
  return names.map((name) => posix.join(folder, name));
}

const guides = ["README.md", ...pagesIn("docs")];
/** Records tell of the day on which they were written; what they name may have moved since. */
const records = pagesIn("docs/decisions");
const isUpdate = process.env["UPDATE_GOLDEN"] === "1";

interface Link {
  readonly from: string;
  readonly target: string;
}

function linksOf(path: string): Link[] {
  const found = proseOf(readPage(path)).matchAll(/\]\(([^)\s]+)\)/g);
  return [...found]
    .map(([, target = ""]) => ({ from: path, target }))
    .filter(({ target }) => !/^[a-z]+:/.test(target));
}

function linkFault({ from, target }: Link): string | null {
  const [path = "", anchor] = target.split("#");
  const page = path === "" ? from : posix.join(posix.dirname(from), path);
  if (!existsSync(join(TOP, page))) {
    return `${from}: ${target} leads nowhere`;
  }
  const isFound = anchor === undefined || anchorsOf(readPage(page)).has(anchor);
  return isFound ? null : `${from}: ${page} has no heading for #${anchor}`;
}

/**
 * `src/raft/log.ts`, `test/e2e/`, `docs/decisions/*.md`: what a page says is in the repository. The
 * import table also has rows for folders to come.
 */
function pathsOf(page: string): string[] {
  return [...proseOf(withSection(page, "imports", "")).matchAll(/`([^`\s]+)`/g)]
    .map(([, text = ""]) => text)
    .filter((text) => /^(?:src|test|jepsen-lite|docs|bin|\.ci)\/[\w./*-]*$/.test(text));
}

/** A star stands for a part of the last name. */
function isThere(path: string): boolean {
  if (!path.includes("*")) {
    return existsSync(join(TOP, path));
  }
  const [start = "", end = ""] = posix.basename(path).split("*");
  const folder = join(TOP, posix.dirname(path));
  return readdirSync(folder).some((name) => name.startsWith(start) && name.endsWith(end));
}

describe("the pages", () => {
  test("link to pages and headings that exist", () => {
    const faults = [...guides, ...records].flatMap((path) => linksOf(path).map(linkFault));
    expect(faults.filter((fault) => fault !== null)).toEqual([]);
  });

  test("name files and folders that exist", () => {
    const missing = guides.flatMap((page) =>
      pathsOf(readPage(page))
        .filter((path) => !isThere(path))
        .map((path) => `${page}: ${path}`),
    );
    expect(missing).toEqual([]);
  });

  test("name npm scripts that exist", () => {
    const { scripts } = JSON.parse(readPage("package.json")) as { scripts: object };
    const missing = guides.flatMap((page) =>
      [...readPage(page).matchAll(/npm run ([\w:-]+)/g)]
        .map(([, name = ""]) => name)
        .filter((name) => !Object.hasOwn(scripts, name))
        .map((name) => `${page}: npm run ${name}`),
    );
    expect(missing).toEqual([]);
  });

  test("show commands of rollcall that exist", () => {
    const missing = guides.flatMap((page) =>
      blocksOf(readPage(page))
        .filter(({ language }) => language === "sh")
        .flatMap(commandsOf)
        .map((line) => /(?:^|\s)(?:rollcall|node bin\/rollcall\.js) ([a-z]+)/.exec(line)?.[1])
        .filter((name) => name !== undefined && name !== "help" && !COMMAND_NAMES.includes(name))
        .map((name) => `${page}: rollcall ${name}`),
    );
    expect(missing).toEqual([]);
  });
});

/** Keeps a part of a page equal to what the code says; UPDATE_GOLDEN=1 writes it. */
function expectSection(path: string, name: string, body: string): void {
  if (isUpdate) {
    writeFileSync(join(TOP, path), withSection(readPage(path), name, body));
  }
  expect(sectionOf(readPage(path), name)).toBe(body);
}

function importsText(): string {
  const list = (places: readonly string[] = []): string =>
    places.map((place) => `\`${place}\``).join(" ");
  const common = ["src/util/", "src/limits.ts", "src/errors.ts"];
  const rows = importTable.map(({ of, may, types, packages }) => {
    const others = may.filter((place) => !common.includes(place));
    return `| \`${of}\` | ${list(others)} | ${list(types)} | ${list(packages)} |`;
  });
  return [
    "| files | values and types of | only types of | packages |",
    "|---|---|---|---|",
    ...rows,
  ]
    .map((line) => line.replace(/\| {2}(?=\|)/g, "| "))
    .join("\n");
}

const TIMES = {
  TICK_MS: "A tick of the Raft clock.",
  HEARTBEAT_TICKS: "Between a leader's rounds, and so between the reports of a node.",
  ELECTION_TICKS_MIN: "A leader that was heard within this many ticks is not given up.",
  ELECTION_TICKS_MAX: "A silent leader is given up after this many ticks at the latest.",
  PEER_ANSWER_MS:
    "A leader of which no connection is left counts as gone when a dial takes longer.",
  HANDOVER_MS_MAX: "The most that a leader which is stopped waits for the next one.",
  TTL_MS_DEFAULT: "Silence that ends a session, unless its client chose another time.",
  GRACE_MS_DEFAULT: "The same, after its connection visibly broke.",
  TOUCH_REPEAT_MS: "The most by which a lost report can lengthen a lease.",
  MARK_INTERVAL_MS: "Between the progress marks of an idle watch.",
  HISTORY_CHANGES_MAX: "Changes that a node keeps for watches that resume …",
  HISTORY_BYTES_MAX: "… and the bytes that they may take.",
  TOMBSTONES_MAX: "Ended sessions that are remembered.",
  MARK_SYNC_MS: "Between two syncs of the mark that says how far the log was synced.",
} as const satisfies { readonly [K in keyof typeof limits]?: string };

function timesText(): string {
  const values: Readonly<Record<string, unknown>> = limits;
  const rows = Object.entries(TIMES).map(
    ([name, doc]) => `| \`${name}\` | ${Number(values[name]).toLocaleString("en-US")} | ${doc} |`,
  );
  return ["| | | |", "|---|---|---|", ...rows].join("\n");
}

describe("what a page repeats of the code", () => {
  test("docs/architecture.md has the import table of the tidy test (UPDATE_GOLDEN=1 writes it)", () => {
    expectSection("docs/architecture.md", "imports", importsText());
  });

  test("docs/consistency.md has the times and sizes of src/limits.ts (UPDATE_GOLDEN=1 writes them)", () => {
    expectSection("docs/consistency.md", "limits", timesText());
  });
});
