import { posix } from "node:path";
import type { Import } from "./source-text.ts";

/**
 * Who may import whom. `biome.json` says the same to the editor; this table cannot be suppressed by
 * a comment, resolves paths, and knows types from values. The longest `of` that begins a file's path
 * is its row. A folder may always import itself, and every row but the first two the common files.
 */
interface Row {
  /** The file, folder (ends in a slash), or beginning of a file name that the row is about. */
  readonly of: string;
  /** Files and folders whose values and types may be imported. */
  readonly may: readonly string[];
  /** Files and folders of which only types may be imported. */
  readonly types?: readonly string[];
  /** Packages; `node:` stands for all of Node's own modules. */
  readonly packages?: readonly string[];
}

const common = ["src/util/", "src/limits.ts", "src/errors.ts"];
const belowServer = [
  ...common,
  "src/raft/",
  "src/registry/",
  "src/replica/",
  "src/wire/",
  "src/schema/",
  "src/storage/",
  "src/env/",
];
const judges = ["jepsen-lite/checker/", "jepsen-lite/model/"];
const ofClient = { may: [...common, "src/wire/"], types: ["src/env/"] };
const ofWire = { may: common, types: ["src/raft/", "src/registry/", "src/replica/"] };
const ofStorage = { may: [...common, "src/wire/"], types: ["src/raft/"] };
const ofReport = {
  may: ["jepsen-lite/chaos/run-directory.ts", "jepsen-lite/chaos/outcome.ts"],
  types: [
    "jepsen-lite/checker/verdict.ts",
    "jepsen-lite/history.ts",
    "jepsen-lite/nemeses/nemesis.ts",
  ],
};

export const importTable: readonly Row[] = [
  { of: "src/util/", may: [] },
  { of: "src/limits.ts", may: common },
  { of: "src/errors.ts", may: common },
  { of: "src/raft/", may: common },
  { of: "src/registry/", may: common },
  { of: "src/replica/", may: [...common, "src/raft/", "src/registry/"] },
  { of: "src/wire/", ...ofWire, packages: ["msgpackr"] },
  { of: "src/wire/peer-codec.ts", ...ofWire, packages: ["msgpackr", "node:zlib"] },
  { of: "src/schema/", may: common, types: ["src/wire/"], packages: ["zod"] },
  { of: "src/storage/", ...ofStorage, packages: ["node:"] },
  { of: "src/storage/level-store.ts", ...ofStorage, packages: ["node:", "level"] },
  { of: "src/storage/level-files.ts", ...ofStorage, packages: ["node:", "snappyjs"] },
  { of: "src/env/", may: common, packages: ["node:", "ws", "pino", "prom-client"] },
  { of: "src/server/", may: belowServer, packages: ["node:", "pino", "prom-client"] },
  { of: "src/server/config", may: belowServer, packages: ["node:", "zod"] },
  { of: "src/client/", ...ofClient },
  { of: "src/client/transport", ...ofClient, packages: ["ws"] },
  { of: "src/client/node", may: [...ofClient.may, "src/env/"], packages: ["node:"] },
  {
    of: "src/cli/",
    may: [...common, "src/client/", "src/server/", "src/schema/"],
    packages: ["node:", "commander", "string-width"],
  },
  { of: "src/index.ts", may: [...common, "src/server/", "src/env/"], types: ["src/"] },
  { of: "jepsen-lite/", may: ["jepsen-lite/", "src/client/index.ts"], packages: ["node:"] },
  { of: "jepsen-lite/checker/", may: judges, types: ["jepsen-lite/history.ts"] },
  { of: "jepsen-lite/model/", may: judges, types: ["jepsen-lite/history.ts"] },
  {
    of: "jepsen-lite/crash-points/",
    may: ["jepsen-lite/", "src/client/index.ts", "src/replica/snapshot-taker.ts", "src/storage/"],
    types: ["src/raft/types.ts"],
    packages: ["node:"],
  },
  {
    of: "jepsen-lite/bare/",
    may: [
      "jepsen-lite/bare/",
      "jepsen-lite/workload.ts",
      "jepsen-lite/prng.ts",
      "jepsen-lite/recorder.ts",
    ],
    types: ["jepsen-lite/history.ts"],
    packages: ["node:", "ws", "msgpackr"],
  },
  { of: "jepsen-lite/report/", ...ofReport, packages: ["preact", "preact-render-to-string"] },
  { of: "jepsen-lite/report/write.ts", ...ofReport, packages: ["node:"] },
  {
    of: "jepsen-lite/rot/",
    may: [...belowServer, "src/server/", "src/client/index.ts", "jepsen-lite/"],
    packages: ["node:"],
  },
  {
    of: "jepsen-lite/sim/",
    may: [
      ...common,
      ...judges,
      "jepsen-lite/command-line.ts",
      "jepsen-lite/workload.ts",
      "jepsen-lite/prng.ts",
      "jepsen-lite/recorder.ts",
      "src/raft/",
      "src/registry/",
      "src/replica/",
      "src/wire/",
      "src/storage/",
    ],
    types: ["jepsen-lite/history.ts"],
    packages: ["node:"],
  },
];

/** The row of a file, or undefined for a file that the table says nothing about (tests, tools). */
export function rowOf(path: string): Row | undefined {
  const rows = importTable.filter((row) => path.startsWith(row.of));
  return rows.sort((a, b) => b.of.length - a.of.length)[0];
}

/** Where an import leads: a path from the top of the repository, or the name of a package. */
export function targetOf(from: string, source: string): string {
  if (source.startsWith(".")) return posix.join(posix.dirname(from), source);
  if (source.startsWith("node:")) return "node:";
  const parts = source.split("/");
  return parts.slice(0, source.startsWith("@") ? 2 : 1).join("/");
}

/** Why the file must not import this, or undefined when it may. */
export function importFault(from: string, { source, typeOnly }: Import): string | undefined {
  const row = rowOf(from);
  if (row === undefined) {
    return from.startsWith("src/") ? "stands in no folder that the import table names" : undefined;
  }
  const target = targetOf(from, source);
  if (!source.startsWith(".")) {
    const mayImport = row.packages?.includes(target) || row.packages?.includes(source);
    return mayImport ? undefined : `must not import the package ${source}`;
  }
  const home = from.split("/").slice(0, 2).join("/");
  const within = (places: readonly string[]): boolean =>
    places.some((place) => target === place || (place.endsWith("/") && target.startsWith(place)));
  if (target.startsWith(`${home}/`) || within(row.may)) return undefined;
  if (within(row.types ?? [])) return typeOnly ? undefined : `may import only types of ${target}`;
  return `must not import ${target}`;
}
