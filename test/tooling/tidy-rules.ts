import { importFault } from "./import-table.ts";
import { blank, importsOf } from "./source-text.ts";

/** A text file of the repository: its path from the top, with slashes, and what is in it. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

export interface Rule {
  /** A sentence that is true of a tidy repository. */
  readonly name: string;
  /** The files that it is about. */
  readonly about: RegExp;
  /** One line for each fault, without the path. */
  readonly faults: (file: SourceFile) => string[];
}

const rings = /^src\/(?:raft|registry|replica)\/.*\.ts$/;
const ringsAndUtil = /^src\/(?:(?:raft|registry|replica|util)\/.*|limits|errors)\.ts$/;
const product = /^(?:src|jepsen-lite)\/.*\.tsx?$/;
const typescript = /^(?:src|jepsen-lite|test)\/.*\.tsx?$/;
const tests = /^(?:test|jepsen-lite)\/.*\.tsx?$/;

interface Ban {
  readonly word: RegExp;
  readonly instead: string;
}

/** A name used as itself: neither a property (`.process`) nor a key (`process:`). */
const global = (name: string): RegExp => new RegExp(String.raw`(?<![\w$.#])${name}\b(?!\s*\??:)`);

const worldBans: readonly Ban[] = [
  ...["Date", "performance"].map((name) => ({ word: global(name), instead: "a tick or an input" })),
  ...["setTimeout", "setInterval", "setImmediate", "queueMicrotask"].map((name) => ({
    word: global(name),
    instead: "a tick",
  })),
  ...["process", "globalThis", "console", "fetch"].map((name) => ({
    word: global(name),
    instead: "an argument or an output",
  })),
  { word: global("crypto"), instead: "a random source given as an argument" },
  { word: /\bMath\s*(?:\.\s*random\b|\[)/, instead: "a random source given as an argument" },
  { word: /\.\s*(?:localeCompare|toLocale\w+)\b/, instead: "a comparison by code unit" },
];
const timeBans: readonly Ban[] = ["async", "await", "Promise"].map((name) => ({
  word: global(name),
  instead: "an output whose completion is a later input",
}));

function banned(bans: readonly Ban[]) {
  return ({ text }: SourceFile): string[] =>
    linesOf(blank(text, "comments and literals")).flatMap(([line, number]) =>
      bans.flatMap(({ word, instead }) => {
        const found = word.exec(line)?.[0];
        return found === undefined ? [] : [`line ${number}: ${found} (use ${instead})`];
      }),
    );
}

function budget(linesMax: number) {
  return ({ text }: SourceFile): string[] => {
    const lines = text.trimEnd().split("\n").length;
    return lines > linesMax
      ? [`${lines} lines, the budget is ${linesMax}: split it along a concept`]
      : [];
  };
}

/** Lint rules that hold the architecture up. Nobody may switch one off for a line or a file. */
const boundaryRules = [
  "lint/style/noRestrictedImports",
  "lint/style/noRestrictedGlobals",
  "lint/nursery/noJsRestrictedProperties",
  "lint/suspicious/noImportCycles",
  "lint/performance/noBarrelFile",
  "lint/performance/noReExportAll",
  "lint/plugin",
];

function suppressions({ path, text }: SourceFile): string[] {
  return linesOf(text).flatMap(([line, number]) => {
    const target = /biome-ignore(?:-all|-start)?\s+([\w/]+)/.exec(line)?.[1];
    const hidden = boundaryRules.some(
      (rule) => target !== undefined && `${rule}/`.startsWith(`${target.replace(/\/$/, "")}/`),
    );
    const unchecked = path.startsWith("src/")
      ? /@ts-(?:ignore|nocheck|expect-error)/
      : /@ts-(?:ignore|nocheck)/;
    return [
      ...(hidden ? [`line ${number}: switches off ${target}, a boundary rule`] : []),
      ...(unchecked.test(line) ? [`line ${number}: switches off the type check`] : []),
    ];
  });
}

function leftovers({ text }: SourceFile): string[] {
  return linesOf(text).flatMap(([line, number]) => {
    if (/\b(?:FIXME|XXX)\b/.test(line)) return [`line ${number}: a FIXME is mended, not committed`];
    if (/\bTODO\b(?!\(#\d+\): \S)/.test(line)) {
      return [`line ${number}: write TODO(#issue): and what is to be done`];
    }
    return [];
  });
}

const callee = String.raw`\b(?:test|it|describe|suite)(?:\.\w+)*`;
const only = new RegExp(String.raw`${callee}\.only\b`);
const skipped = new RegExp(String.raw`${callee}\.(?:skip|todo|fails)\b`);

function quietTests({ text }: SourceFile): string[] {
  const raw = text.split("\n");
  return linesOf(blank(text, "comments and literals")).flatMap(([line, number]) => {
    if (only.test(line)) return [`line ${number}: .only hides every other test`];
    const reason = [raw[number - 1], raw[number - 2]].some((near) =>
      /\/\/ \S.{10}/.test(near ?? ""),
    );
    return skipped.test(line) && !reason
      ? [`line ${number}: a skipped test says why in a comment beside it`]
      : [];
  });
}

function oneTitle({ text }: SourceFile): string[] {
  const prose = text.replace(/^(```|~~~)[\s\S]*?^\1/gm, "");
  const titles = prose.split("\n").filter((line) => line.startsWith("# ")).length;
  if (titles !== 1) return [`${titles} titles (# …), a page has one`];
  return text.startsWith("# ") ? [] : ["the title (# …) is not the first line"];
}

function machinePaths({ text }: SourceFile): string[] {
  return linesOf(text).flatMap(([line, number]) => {
    const found = /(?<![\w.$}/-])\/(?:work|root|home|Users)\/[\w.-]+/.exec(line)?.[0];
    return found === undefined ? [] : [`line ${number}: ${found} is a path of one machine`];
  });
}

function registryHosts({ text }: SourceFile): string[] {
  return linesOf(text).flatMap(([line, number]) =>
    /"resolved": "https?:|^\s*registry\s*=/.test(line)
      ? [`line ${number}: names the host of a package registry`]
      : [],
  );
}

function imports(file: SourceFile): string[] {
  return importsOf(file.text).flatMap((found) => importFault(file.path, found) ?? []);
}

function linesOf(text: string): [line: string, number: number][] {
  return text.split("\n").map((line, index) => [line, index + 1]);
}

export const rules: readonly Rule[] = [
  { name: "imports follow the table", about: product, faults: imports },
  {
    name: "rings 0 and 1 and what everyone imports touch no clock, chance or world",
    about: ringsAndUtil,
    faults: banned(worldBans),
  },
  { name: "rings 0 and 1 are synchronous", about: rings, faults: banned(timeBans) },
  { name: "a product file has at most 450 lines", about: product, faults: budget(450) },
  { name: "a test file has at most 800 lines", about: /^test\/.*\.ts$/, faults: budget(800) },
  { name: "no boundary rule is switched off", about: typescript, faults: suppressions },
  { name: "nothing is left to mend without an issue", about: typescript, faults: leftovers },
  { name: "no test is silenced without a reason", about: tests, faults: quietTests },
  { name: "a page has one title, on its first line", about: /\.md$/, faults: oneTitle },
  { name: "no path of one machine is named", about: /./, faults: machinePaths },
  {
    name: "no registry host is named",
    about: /^(?:package-lock\.json|\.npmrc)$/,
    faults: registryHosts,
  },
];
