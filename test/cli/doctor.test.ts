import { cp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../../src/cli/program.ts";
import { Cluster } from "../server/world.ts";
import { temporaryDirectory } from "../storage/fixture.ts";
import { captured } from "./captured-world.ts";

async function doctor(...args: string[]): Promise<{ exitCode: number; out: string; err: string }> {
  const { world, out, err } = captured(["doctor", ...args]);
  return { exitCode: await run(world), out: out(), err: err() };
}

describe("doctor of a cluster", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.started(3);
  }, 20_000);
  afterAll(() => cluster.close());

  const server = (): string[] => ["--server", cluster.address("n1")];

  test("shows every node that one of them names, and says that all is well", async () => {
    const { exitCode, out, err } = await doctor(...server());
    expect([exitCode, err]).toEqual([0, ""]);
    const [head, ...lines] = out.split("\n");
    expect(head).toMatch(/^NODE +ADDRESS +ROLE +TERM +LEADER +LAST +COMMIT +APPLIED +LAG/);
    expect(lines.slice(0, 3).map((line) => line.split(/ +/)[0])).toEqual(["n1", "n2", "n3"]);
    expect(lines[4]).toMatch(
      /^well: n\d leads in term \d+, 3 of 3 voters answer, 1 of them may fail/,
    );
  });

  test("is one value for programs, with what the machine of each says", async () => {
    const { exitCode, out } = await doctor(...server(), "-o", "json");
    expect(exitCode).toBe(0);
    const { kind, leader, verdict, items } = JSON.parse(out);
    expect([kind, leader]).toEqual(["ClusterDiagnosis", cluster.leader()]);
    expect(verdict.isBroken).toBe(false);
    expect(items).toHaveLength(3);
    for (const item of items) {
      expect(item).toMatchObject({
        ...{ isReachable: true, firstIndex: 1, snapshotIndex: 0, failure: null },
        disk: { freeBytes: expect.any(Number), totalBytes: expect.any(Number) },
      });
      expect(Math.abs(item.clockAheadMs)).toBeLessThan(1_000);
    }
  });

  test("is a line a node in jsonl, and the verdict last", async () => {
    const { out } = await doctor(...server(), "-o", "jsonl");
    const kinds = out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).kind);
    expect(kinds).toEqual(["NodeDiagnosis", "NodeDiagnosis", "NodeDiagnosis", "Verdict"]);
  });

  test("where nobody answers, ends with 6 and says whom it has asked", async () => {
    const { exitCode, out } = await doctor("--server", "127.0.0.1:1");
    expect(exitCode).toBe(6);
    expect(out).toContain("not well: no node could be asked: 127.0.0.1:1 (refused)\n  next: start");
  });
});

describe("doctor of directories", () => {
  const KEPT = join(import.meta.dirname, "..", "storage", "format-1");

  async function kept(name: string): Promise<string> {
    const path = join(await temporaryDirectory(), name);
    await cp(join(KEPT, name), path, { recursive: true });
    return path;
  }

  test("shows what is in them, and which of them is the most up to date", async () => {
    const [n1, n2] = [await kept("n1"), await kept("n2")];
    const { exitCode, out, err } = await doctor("--data", n1, "--data", n2);
    expect([exitCode, err]).toEqual([0, `reading ${n1}\nreading ${n2}\n`]);
    expect(out).toMatch(/^DIRECTORY +NODE +ID +CLUSTER +TERM +VOTES +FIRST +LAST +LAST TERM +MARK/);
    expect(out).toMatch(
      / n1 +a1b2c3d4e5f60718 +00112233….1 +5 +2 of 2 +62 +69 +5 +69 +64 +verified/,
    );
    expect(out).toContain(`well: ${n1} (n1) is the most up to date, with entry 69 of term 5`);
    const { world, err: shown } = captured(["doctor", "--data", n1], { isTty: true });
    expect(await run(world)).toBe(0);
    const [said, line, ...rest] = shown().split("\r\u001b[2K");
    expect([said, rest.at(-1)]).toEqual([expect.stringContaining(`reading ${n1}`), ""]);
    expect(line).toMatch(/^copying \/.*n1: \d[.\d]* K?B \(\d+ %\)$/);
    const { out: json } = await doctor("--data", n1, "-o", "json");
    expect(JSON.parse(json)).toMatchObject({
      ...{ kind: "DirectoriesDiagnosis", mostUpToDate: [n1] },
      items: [{ name: "n1", log: { isIntact: true, lastIndex: 69 }, damages: [] }],
    });
  });

  test("that are damaged ends with 1, and says what is well nevertheless", async () => {
    const [n1, n2] = [await kept("n1"), await kept("n2")];
    await rm(join(n2, "vote-a"));
    await writeFile(join(n2, "vote-b"), "garbage");
    const { exitCode, out } = await doctor("--data", n1, "--data", n2);
    expect(exitCode).toBe(1);
    expect(out).toContain(`not well: ${n2}/vote-a: it is missing\n  next: keep the directory`);
    expect(out).toMatch(/\nwell: \S+ \(n1\) is the most up to date/);
  });

  test("that are none ends with 3", async () => {
    const path = join(await temporaryDirectory(), "none");
    const { exitCode, out } = await doctor("--data", path);
    expect(exitCode).toBe(3);
    expect(out).toContain(`not well: ${path} is no data directory: there is none`);
  });
});
