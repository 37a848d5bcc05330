import { describe, expect, test } from "vitest";
import {
  bestText,
  judgeDirectories,
  mostUpToDate,
  notesOfDirectory,
  votersOf,
} from "../../src/cli/directory-verdict.ts";
import type { Examined } from "../../src/server/examine-directory.ts";

const ids = { n1: "1".repeat(16), n2: "2".repeat(16), n3: "3".repeat(16) };
type Name = keyof typeof ids;
const voters = Object.entries(ids).map(([name, id]) => ({ id, name }));

interface Parts extends Partial<Examined> {
  readonly last?: number;
  readonly term?: number;
  readonly cluster?: string;
}

function directory(name: Name, parts: Parts = {}): Examined {
  const { last = 10, term = 2, cluster = "c", ...rest } = parts;
  const log = { isIntact: true, firstIndex: 1, lastIndex: last, lastTerm: term };
  const incarnation = ids[name];
  return {
    ...{ path: `/data/${name}`, state: "read", why: null },
    identity: { formatVersion: 1, name, incarnation },
    birth: { clusterId: cluster, epoch: 1, members: [], joinedIndex: 0 },
    ...{ hardState: { term, vote: null }, voteCopies: 2, voters },
    voterHalves: [Object.values(ids)],
    mark: { index: last, term, chain: "0".repeat(16) },
    ...{ returning: null, isSetAside: false, removed: null, superseded: null, damages: [] },
    log: { ...log, commitIndex: last, snapshot: null },
    disk: { freeBytes: 5e9, totalBytes: 1e10 },
    ...rest,
  };
}

const damaged = { damages: [{ file: "db/000009.ldb", text: "a block is bad", isMended: false }] };

describe("one directory", () => {
  test("that is whole is said to be, with where it ends", () => {
    const { text, isBroken, findings } = judgeDirectories([directory("n1")]);
    expect([text, isBroken, findings]).toEqual([
      "/data/n1 (n1) is whole, up to entry 10 of term 2",
      false,
      [],
    ]);
  });

  test("that is damaged is named with the file, and is to be kept", () => {
    const { text, isBroken, findings } = judgeDirectories([directory("n1", damaged)]);
    expect([text, isBroken]).toEqual(["/data/n1/db/000009.ldb: a block is bad", true]);
    expect(findings[0]?.next).toMatch(/^start its node while the other members run: it fetches/);
    const votes = [{ file: "vote-a", text: "it is bad", isMended: false }];
    const lost = judgeDirectories([directory("n1", { damages: votes })]).findings[0];
    expect(lost?.next).toMatch(/^keep the directory .*'rollcall member replace OLD NEW'$/);
    expect(notesOfDirectory(directory("n1", damaged))).toEqual(["damaged: db/000009.ldb"]);
  });

  test("with one bad copy of the vote is whole: a start mends it", () => {
    const mended = { damages: [{ file: "vote-a", text: "it is missing", isMended: true }] };
    const { text, isBroken } = judgeDirectories([directory("n1", mended)]);
    expect([text, isBroken]).toEqual([
      "/data/n1 (n1) is whole, up to entry 10 of term 2; 1 thing to look at",
      false,
    ]);
  });

  test("whose node runs was not read, and the node can be asked", () => {
    const running = directory("n1", { state: "running", log: null, hardState: null, mark: null });
    const { text, findings } = judgeDirectories([running]);
    expect(text).toContain("a node runs on /data/n1");
    expect(findings[0]?.next).toContain("'rollcall doctor --server HOST:PORT'");
  });

  const states: readonly [string, Partial<Examined>, RegExp][] = [
    [
      "that is none",
      { state: "none", why: "there is none" },
      /is no data directory: there is none/,
    ],
    [
      "whose database was not read",
      { why: "db was not read: no room" },
      /n1: db was not read: no room/,
    ],
    ["of a later format", { state: "newer", why: "it has format 2" }, /it has format 2/],
    ["of a removed member", { removed: "n1 was removed" }, /of no use any more: n1 was removed/],
    ["that is set aside", { isSetAside: true }, /is to be without the log/],
    [
      "that returns",
      { returning: { lostEnd: { index: 1, term: 1 }, members: [] } },
      /is without the log that its node had/,
    ],
    ["on a full disk", { disk: { freeBytes: 1e6, totalBytes: 1e10 } }, /has 1.0 MB left of 10 GB/],
  ];
  test.for(states)("%s", ([, parts, text]) => {
    const { findings } = judgeDirectories([directory("n1", parts)]);
    expect(findings.map(({ text: what }) => what)).toEqual([expect.stringMatching(text)]);
  });
});

describe("several directories", () => {
  test("the later term wins over the longer log", () => {
    const all = [directory("n1", { last: 90 }), directory("n2", { term: 3 }), directory("n3")];
    expect(mostUpToDate(all)).toEqual(["/data/n2"]);
    expect(judgeDirectories(all).text).toBe(
      "/data/n2 (n2) is the most up to date, with entry 10 of term 3; 3 of 3 voters are here and whole, a majority: start them",
    );
  });

  test("the longer log wins in one term, and equal ones are named together", () => {
    expect(mostUpToDate([directory("n1", { last: 11 }), directory("n2")])).toEqual(["/data/n1"]);
    const equal = [directory("n1"), directory("n2")];
    expect(mostUpToDate(equal)).toEqual(["/data/n1", "/data/n2"]);
    expect(bestText(equal)).toMatch(/^\/data\/n1 \(n1\) and \/data\/n2 \(n2\) are equally up to/);
  });

  test("one that is damaged, removed, returning, set aside or running is not the best", () => {
    const returning = { lostEnd: { index: 1, term: 1 }, members: [] };
    const worse: Parts[] = [damaged, { removed: "x" }, { returning }, { isSetAside: true }];
    for (const parts of [...worse, { state: "running" as const }]) {
      const all = [directory("n1", { last: 99, ...parts }), directory("n2")];
      expect(mostUpToDate(all)).toEqual(["/data/n2"]);
    }
    expect(bestText([directory("n1", damaged)])).toBeNull();
  });

  test("too few are said to be too few", () => {
    const all = [directory("n1", damaged), directory("n2"), directory("n3", damaged)];
    expect(bestText(all)).toContain("1 of 3 voters is here and whole, a majority is 2");
  });

  test("of a joint configuration it takes a majority of each half", () => {
    const conf = (...halves: Name[][]) => ({
      voters,
      voterHalves: halves.map((half) => half.map((name) => ids[name])),
    });
    const has = (...names: Name[]) => names.map((name) => directory(name));
    // n2 and n3 are no majority of all four, and yet of either half.
    const replacing = {
      voters: [...voters, { id: "4", name: "n4" }],
      voterHalves: [["4", ids.n2, ids.n3], Object.values(ids)],
    };
    expect(votersOf(has("n2", "n3"), replacing)).toMatchObject({ here: 2, areQuorum: true });
    expect(votersOf(has("n1", "n2"), replacing)).toMatchObject({
      areQuorum: false,
      wanted: "a majority each of n4, n2, n3 and of n1, n2, n3 is needed",
    });
    expect(votersOf(has("n1", "n2"), conf(["n1", "n2", "n3"])).areQuorum).toBe(true);
    expect(votersOf(has("n1", "n2"), { voters: null, voterHalves: [] }).areQuorum).toBe(false);
  });

  test("of two clusters, or two copies of one, are refused", () => {
    const strangers = [directory("n1"), directory("n2", { cluster: "d" })];
    expect(judgeDirectories(strangers).text).toMatch(/belong to 2 clusters: c\.1 .*; d\.1 /);
    const copies = [directory("n1"), directory("n1", { path: "/copy" })];
    const { text, findings } = judgeDirectories(copies);
    expect(text).toBe("/data/n1 and /copy are copies of one directory, of n1");
    expect(findings[0]?.next).toContain("start at most one of them");
  });
});
