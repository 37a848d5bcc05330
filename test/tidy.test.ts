import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { importTable, rowOf, targetOf } from "./tooling/import-table.ts";
import { blank, importsOf } from "./tooling/source-text.ts";
import { rules, type SourceFile } from "./tooling/tidy-rules.ts";

const top = fileURLToPath(new URL("..", import.meta.url));
const notOurs = new Set([".git", ".rollcall", "node_modules", "dist", "coverage", "bench-results"]);
const text =
  /(?:\.(?:tsx?|js|mjs|json|jsonc|md|sh|txt|yml|yaml|grit|edn|html|css)|\/[^./]+|\/\.\w+)$/;
/** They name what they forbid. */
const statesTheRules = /^test\/(?:tidy\.test|tooling\/.*)\.ts$/;

function walk(folder: string): SourceFile[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const full = join(folder, entry.name);
    if (notOurs.has(entry.name)) return [];
    if (entry.isDirectory()) return walk(full);
    if (!entry.isFile() || !text.test(`/${entry.name}`)) return [];
    const path = relative(top, full).split(sep).join("/");
    return [{ path, text: readFileSync(full, "utf8") }];
  });
}

const files = walk(top);

describe("the repository is tidy", () => {
  test.for(rules)("$name", ({ about, faults }) => {
    const found = files
      .filter(({ path }) => about.test(path) && !statesTheRules.test(path))
      .flatMap((file) => faults(file).map((fault) => `${file.path}: ${fault}`));
    expect(found).toEqual([]);
  });

  test("the simulator reaches no disk, socket or clock of this machine, however indirectly", () => {
    const byPath = new Map(files.map((file) => [file.path, file]));
    const reached = new Set<string>();
    const waiting = files.filter(({ path }) => path.startsWith("jepsen-lite/sim/"));
    const found: string[] = [];
    // Checksums, hashes and tuples: bytes in, bytes out.
    const computing = new Set(["msgpackr/pack", "node:crypto", "node:zlib"]);
    for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
      for (const { source, typeOnly } of importsOf(file.text)) {
        const target = targetOf(file.path, source);
        const next = byPath.get(target);
        if (typeOnly) continue;
        if (!source.startsWith(".") && file.path.startsWith("src/") && !computing.has(source)) {
          found.push(`${file.path} imports ${source}`);
        }
        if (next !== undefined && !reached.has(target)) {
          reached.add(target);
          waiting.push(next);
        }
      }
    }
    expect(found).toEqual([]);
  });

  test("every row of the import table has the longest beginning for its own files", () => {
    for (const row of importTable) expect(rowOf(`${row.of}x.ts`)).toBe(row);
  });
});

/** The faults that the named rule finds in a text, as if it stood at that path. */
function faultsOf(name: string, path: string, body: string): string[] {
  const rule = rules.find((candidate) => candidate.name === name);
  if (rule === undefined) throw new Error(`no rule is called: ${name}`);
  return rule.about.test(path) ? rule.faults({ path, text: body }) : [];
}

describe("the import table", () => {
  const verdicts: [path: string, body: string, fault: string | undefined][] = [
    ["src/raft/log.ts", 'import { must } from "../util/assert.ts";', undefined],
    ["src/raft/log.ts", 'import type { Entry } from "./types.ts";', undefined],
    ["src/raft/log.ts", 'import { LIMITS } from "../limits.ts";', undefined],
    ["src/raft/log.ts", 'import type { Key } from "../registry/instance.ts";', "src/registry/"],
    ["src/raft/log.ts", 'import { join } from "node:path";', "node:path"],
    ["src/raft/log.ts", 'const x = await import("ws");', "ws"],
    ["src/raft/log.ts", 'import "../index.ts";', "src/index.ts"],
    ["src/registry/apply.ts", 'export { step } from "../raft/raft.ts";', "src/raft/raft.ts"],
    ["src/replica/replica.ts", 'import { Raft } from "../raft/raft.ts";', undefined],
    ["src/replica/replica.ts", 'import { encode } from "../wire/codec.ts";', "src/wire/codec.ts"],
    ["src/wire/peer.ts", 'import type { Entry } from "../raft/types.ts";', undefined],
    ["src/wire/peer.ts", 'import { Raft } from "../raft/raft.ts";', "only types of src/raft"],
    [
      "src/wire/peer.ts",
      'import { type Entry } from "../raft/types.ts";',
      "only types of src/raft",
    ],
    ["src/wire/codec.ts", 'import { Packr } from "msgpackr";', undefined],
    ["src/wire/codec.ts", 'import { z } from "zod";', "zod"],
    ["src/schema/client.ts", 'import { z } from "zod";', undefined],
    ["src/storage/level-store.ts", 'import { Level } from "level";', undefined],
    ["src/storage/layout.ts", 'import { Level } from "level";', "level"],
    ["src/storage/layout.ts", 'import { apply } from "../registry/apply.ts";', "src/registry/"],
    ["src/env/ws-listener.ts", 'import { WebSocketServer } from "ws";', undefined],
    ["src/server/driver.ts", 'import { Replica } from "../replica/replica.ts";', undefined],
    ["src/server/driver.ts", 'import { connect } from "../client/index.ts";', "src/client/"],
    ["src/server/driver.ts", 'import { z } from "zod";', "zod"],
    ["src/server/config.ts", 'import { z } from "zod";', undefined],
    ["src/server/http.ts", 'import { WebSocket } from "ws";', "ws"],
    ["src/client/client.ts", 'import { encode } from "../wire/codec.ts";', undefined],
    ["src/client/client.ts", 'import type { Clock } from "../env/env.ts";', undefined],
    ["src/client/client.ts", 'import { nodeEnv } from "../env/node-env.ts";', "only types"],
    ["src/client/client.ts", 'import { readFile } from "node:fs/promises";', "node:fs/promises"],
    ["src/client/node-files.ts", 'import { readFile } from "node:fs/promises";', undefined],
    ["src/client/transport.ts", 'import { WebSocket } from "ws";', undefined],
    ["src/client/balancer/ring.ts", 'import { Cache } from "../cache.ts";', undefined],
    [
      "src/client/balancer/ring.ts",
      'import { q } from "../../raft/quorum.ts";',
      "src/raft/quorum.ts",
    ],
    ["src/cli/program.ts", 'import { Command } from "commander";', undefined],
    ["src/cli/program.ts", 'import { Raft } from "../raft/raft.ts";', "src/raft/raft.ts"],
    ["src/extra/a.ts", 'import "./b.ts";', "no folder that the import table names"],
    ["jepsen-lite/checker/watch.ts", 'import { m } from "../model/registry-model.ts";', undefined],
    [
      "jepsen-lite/checker/watch.ts",
      'import { errors } from "../../src/errors.ts";',
      "src/errors.ts",
    ],
    ["jepsen-lite/checker/watch.ts", 'import type { History } from "../history.ts";', undefined],
    [
      "jepsen-lite/checker/watch.ts",
      'import { History } from "../history.ts";',
      "only types of jepsen-lite/history.ts",
    ],
    [
      "jepsen-lite/checker/watch.ts",
      'import { World } from "../sim/world.ts";',
      "jepsen-lite/sim/world.ts",
    ],
    ["jepsen-lite/checker/watch.ts", 'import { readFileSync } from "node:fs";', "node:fs"],
    ["jepsen-lite/sim/world.ts", 'import type { Event } from "../history.ts";', undefined],
    ["jepsen-lite/model/m.ts", 'import type { I } from "../../src/wire/messages.ts";', "src/wire/"],
    ["jepsen-lite/cluster.ts", 'import { connect } from "../src/client/index.ts";', undefined],
    [
      "jepsen-lite/cluster.ts",
      'import { Replica } from "../src/replica/replica.ts";',
      "src/replica/",
    ],
    [
      "jepsen-lite/sim/world.ts",
      'import { Replica } from "../../src/replica/replica.ts";',
      undefined,
    ],
    [
      "jepsen-lite/sim/world.ts",
      'import { serve } from "../../src/server/server.ts";',
      "src/server/",
    ],
    ["test/raft/log.test.ts", 'import { Level } from "level";', undefined],
  ];

  test.for(verdicts)("%s with %s", ([path, body, fault]) => {
    const found = faultsOf("imports follow the table", path, body);
    if (fault === undefined) expect(found).toEqual([]);
    else expect(found).toEqual([expect.stringContaining(fault)]);
  });
});

describe("each rule sees what it forbids and nothing else", () => {
  const world = "rings 0 and 1 and what everyone imports touch no clock, chance or world";
  const synchronous = "rings 0 and 1 are synchronous";
  const suppressed = "no boundary rule is switched off";
  const leftover = "nothing is left to mend without an issue";
  const silenced = "no test is silenced without a reason";
  const titled = "a page has one title, on its first line";
  const machine = "no path of one machine is named";

  const verdicts: [rule: string, path: string, body: string, faults: number][] = [
    [world, "src/raft/a.ts", "const now = Date.now();", 1],
    [world, "src/raft/a.ts", "// Date.now() is not read here", 0],
    [world, "src/raft/a.ts", 'const word = "process setTimeout";', 0],
    [world, "src/raft/a.ts", "const id = `${process.pid}`;", 1],
    [world, "src/raft/a.ts", "const pattern = /['\"`]/; process.exit();", 1],
    [world, "src/raft/a.ts", "this.process(input); const x = { process: 1 };", 0],
    [world, "src/registry/a.ts", "Math.random() + Math.max(1, 2)", 1],
    [world, "src/registry/a.ts", "a.localeCompare(b)", 1],
    [world, "src/util/a.ts", "setTimeout(run, 1)", 1],
    [world, "src/limits.ts", "process.env", 1],
    [world, "src/env/a.ts", "Date.now()", 0],
    [synchronous, "src/replica/a.ts", "async function f() { await g(); }", 2],
    [synchronous, "src/replica/a.ts", "let x: Promise<void>;", 1],
    [synchronous, "src/replica/a.ts", "/** Nothing to await. */ const asynchronous = 1;", 0],
    [synchronous, "src/util/a.ts", "async function f() { await g(); }", 0],
    ["a product file has at most 450 lines", "src/wire/a.ts", "x;\n".repeat(450), 0],
    ["a product file has at most 450 lines", "src/wire/a.ts", "x;\n".repeat(451), 1],
    ["a test file has at most 800 lines", "test/a.test.ts", "x;\n".repeat(801), 1],
    [suppressed, "src/a.ts", "// biome-ignore lint/style/noRestrictedImports: just once", 1],
    [suppressed, "src/a.ts", "// biome-ignore-all lint/style: all of it", 1],
    [suppressed, "src/a.ts", "// biome-ignore lint: everything", 1],
    [suppressed, "src/a.ts", "// biome-ignore lint/plugin: awaits", 1],
    [suppressed, "src/a.ts", "// biome-ignore lint/suspicious/noConsole: the CLI prints", 0],
    [suppressed, "src/a.ts", "// @ts-expect-error", 1],
    [suppressed, "test/a.test.ts", "// @ts-expect-error: refused by the type", 0],
    [suppressed, "test/a.test.ts", "// @ts-ignore", 1],
    [leftover, "src/a.ts", "// FIXME later", 1],
    [leftover, "src/a.ts", "// TODO later", 1],
    [leftover, "src/a.ts", "// TODO(#12): bound the queue", 0],
    [silenced, "test/a.test.ts", 'test.only("x", run);', 1],
    [silenced, "test/a.test.ts", 'describe.skip("x", run);', 1],
    [silenced, "test/a.test.ts", '// the frames are gone on 20.19\ntest.skip("x", run);', 0],
    [silenced, "test/a.test.ts", 'test.skipIf(windows)("x", run); stream.skip(1);', 0],
    [titled, "docs/a.md", "# A\n\n```sh\n# comment\n```\n", 0],
    [titled, "docs/a.md", "# A\n\n# B\n", 1],
    [titled, "docs/a.md", "## A\n", 1],
    [machine, "docs/a.md", "see /home/me/src", 1],
    [machine, "docs/a.md", "see https://example.org/home/me and ./home/x", 0],
    ["no registry host is named", "package-lock.json", '"resolved": "https://a.b/c.tgz"', 1],
    ["no registry host is named", "package-lock.json", '"url": "https://a.b/fund"', 0],
  ];

  for (const [rule, path, body, faults] of verdicts) {
    test(`${rule}: ${path} with ${JSON.stringify(body.slice(0, 60))}`, () => {
      expect(faultsOf(rule, path, body)).toHaveLength(faults);
    });
  }
});

describe("reading a source text", () => {
  test("blanking keeps every line and column", () => {
    const source = 'a /* b\nc */ "d" // e\n`f ${g({ h: "i" })} j` / k / m; n = /l"/;';
    const blanked = blank(source, "comments and literals");
    expect(blanked).toBe('a     \n     " "     \n`  ${g({ h: " " })}  ` / k / m; n = /  /;');
    expect(blanked).toHaveLength(source.length);
  });

  test("every form of import is found, and types are told from values", () => {
    const source = `
      import a, { b } from "./a.ts";
      import type { C } from "./c.ts";
      export * as d from "./d.ts";
      export type { E } from "./e.ts";
      import "./f.ts";
      const g = import("./g.ts");
      // import h from "./h.ts";
      import {
        i, // with a comment
        type J,
      } from "./i.ts";
    `;
    const found = importsOf(source).map(({ source: at, typeOnly }) =>
      typeOnly ? `type ${at}` : at,
    );
    expect(found.sort()).toEqual([
      "./a.ts",
      "./d.ts",
      "./f.ts",
      "./g.ts",
      "./i.ts",
      "type ./c.ts",
      "type ./e.ts",
    ]);
  });
});
