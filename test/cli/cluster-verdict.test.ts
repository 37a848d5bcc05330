import { describe, expect, test } from "vitest";
import { judgeCluster, notesOf } from "../../src/cli/cluster-verdict.ts";
import { type ClusterView, clusterView } from "../../src/cli/cluster-view.ts";
import type { Verdict } from "../../src/cli/verdict.ts";
import type { StatusPage } from "../../src/server/status.ts";
import { statusOf, type Told } from "./statuses.ts";

const addresses = { n1: "a:1", n2: "a:2", n3: "a:3" };
type Name = keyof typeof addresses;

interface Extra extends Told {
  /** Members that it cannot send to. */
  readonly cut?: readonly string[];
  readonly page?: Partial<StatusPage>;
  readonly clockAheadMs?: number;
}

function up(name: Name, told: Extra = {}) {
  const { cut = [], page = {}, clockAheadMs = 0 } = told;
  const status = statusOf(name, addresses, told);
  const members = status.members.map((member) =>
    cut.includes(member.name) ? { ...member, isLinkUp: false } : member,
  );
  const server = `ws://${addresses[name]}`;
  return { server, status: { ...status, members, ...page }, failure: null, clockAheadMs };
}

function down(name: Name, failure = "ECONNREFUSED") {
  return { server: `ws://${addresses[name]}`, status: null, failure };
}

const leading: Extra = { role: "leader" };
const alone: Extra = { leader: null };

function judged(...answers: Parameters<typeof clusterView>[0]): Verdict & { view: ClusterView } {
  const view = clusterView(answers);
  return { ...judgeCluster(view), view };
}

const textsOf = ({ findings }: Verdict) => findings.map(({ text }) => text);

describe("a cluster in which all is well", () => {
  test("is said to be, with who leads and how many may fail", () => {
    const { text, isBroken, findings } = judged(up("n1", leading), up("n2"), up("n3"));
    expect([text, isBroken, findings]).toEqual([
      "n1 leads in term 3, 3 of 3 voters answer, 1 of them may fail",
      false,
      [],
    ]);
  });
});

describe("no leader", () => {
  test("because a majority of the voters is down: which, why, how many are needed, what to type", () => {
    const { text, isBroken, findings } = judged(
      up("n1", alone),
      down("n2"),
      down("n3", "no answer within 2000 ms"),
    );
    expect(isBroken).toBe(true);
    expect(text).toBe(
      "no leader: 2 of 3 voters cannot be asked: n2 (refused), n3 (timed out); 1 of them is enough for a majority",
    );
    expect(findings[0]?.next).toContain("'rollcall start --id n2 --data DIR …'");
    expect(findings[0]?.next).toContain("'rollcall doctor --data DIR'");
    expect(findings).toHaveLength(1);
  });

  test("because the one that is needed is down", () => {
    const pair = { n1: "a:1", n2: "a:2" };
    const status = statusOf("n1", pair, alone);
    const { text } = judged({ server: "ws://a:1", status, failure: null }, down("n2"));
    expect(text).toBe(
      "no leader: 1 of 2 voters cannot be asked: n2 (refused); it is needed for a majority",
    );
  });

  test("because nodes that answer here do not reach each other", () => {
    const { text, findings } = judged(
      up("n1", { ...alone, cut: ["n2"] }),
      up("n2", { ...alone, cut: ["n1"] }),
      down("n3"),
    );
    expect(text).toMatch(/^no leader: .* not to each other: n1 does not reach n2, n2 does not/);
    expect(findings[0]?.next).toContain("--peer NAME=HOST:PORT");
  });

  test("a link to one that is down is not what keeps the others from electing", () => {
    const cut = { ...alone, cut: ["n3"] };
    const { text, findings } = judged(up("n1", cut), up("n2", cut), down("n3"));
    expect(text).toBe("no leader yet: 2 of 3 voters answer and reach each other, in term 3");
    expect(findings[0]?.next).toContain("'rollcall doctor' again");
  });

  test("because whoever answers may not be elected", () => {
    const returning = { ...alone, isReturning: true };
    const { text } = judged(up("n1", returning), up("n2", returning), down("n3"));
    expect(text).toMatch(/^no leader: every voter that answers is returning/);
  });

  test("because their disks are full", () => {
    const full = { ...alone, diskState: "full" } as const;
    const { text } = judged(up("n1", full), up("n2", full), down("n3"));
    expect(text).toBe("no leader: the disk of every voter that could be elected is full");
    expect(judged(up("n1", full), up("n2", alone), down("n3")).text).toMatch(/^no leader yet/);
  });

  test("by nobody's word: no node could be asked", () => {
    const { text, view } = judged(down("n1"), down("n2", "ENOTFOUND"));
    expect(text).toBe(
      "no node could be asked: a:1 (refused), a:2 (its host name is not known here)",
    );
    expect(view.leader).toBeNull();
  });
});

describe("a cluster that works", () => {
  test("with a node that is down: how to start it, and that no further one may fail", () => {
    const { text, isBroken, findings } = judged(up("n1", leading), up("n2"), down("n3"));
    expect([text, isBroken]).toEqual([
      "n1 leads in term 3, 2 of 3 voters answer; 2 things to look at",
      false,
    ]);
    expect(findings.map(({ text: what }) => what)).toEqual([
      "no further voter may fail",
      "n3 does not answer: refused",
    ]);
    expect(findings[1]?.next).toContain("'rollcall start --id n3 --data DIR …'");
  });

  test("with a node that does not serve yet: what it waits for", () => {
    const failure = "the node does not serve now: reading the log";
    const { findings } = judged(up("n1", leading), up("n2"), down("n3", failure));
    expect(findings.at(-1)?.text).toBe("n3 does not serve: reading the log");
  });

  test("whose leader does not answer here", () => {
    expect(textsOf(judged(down("n1"), up("n2"), up("n3")))).toContain(
      "n1 leads by the word of the others, and does not answer here",
    );
  });

  test("in which a leader of before does not know of the next one", () => {
    const next = { ...leading, term: 4, leader: "n2" };
    expect(textsOf(judged(up("n1", leading), up("n2", next), up("n3")))).toContain(
      "n1 takes itself for the leader, of term 3, and n2 leads in term 4",
    );
  });

  test("in which somebody was removed and does not know", () => {
    const all = { ...addresses, n4: "a:4" };
    const status = statusOf("n4", all, { leader: null });
    const removed = { server: "ws://a:4", status, failure: null };
    const { text, findings, view } = judged(up("n1", leading), up("n2"), up("n3"), removed);
    expect(text).toContain("3 of 3 voters answer");
    expect(findings.map(({ text: what }) => what)).toEqual([
      "n4 is not a member, by the word of the leader",
    ]);
    const shown = view.members.find(({ name }) => name === "n4");
    expect(shown === undefined ? [] : notesOf(shown, view)).toEqual(["not a member"]);
  });

  const remarks: readonly [string, Extra, string | RegExp][] = [
    ["lags", { page: {} }, "n2 lacks 300 entries"],
    [
      "is full",
      { page: { disk: { freeBytes: 2e8, totalBytes: 1e10 } } },
      /^the disk of n2 has 200 MB left of 10 GB$/,
    ],
    ["is low", { diskState: "low" }, "the disk of n2 is low, so it leads only if it must"],
    [
      "takes no entries",
      { diskState: "full", page: { disk: { freeBytes: 1e6, totalBytes: 1e10 } } },
      "the disk of n2 is full, so it takes no entries: 1.0 MB left of 10 GB",
    ],
    ["is late", { clockAheadMs: -3_200 }, "the clock of n2 is 3.2 s behind the one here"],
    ["is early", { clockAheadMs: 1_500 }, "the clock of n2 is 1.5 s ahead of the one here"],
    ["returns", { isReturning: true }, /^n2 takes the state of the others/],
    ["leaves", { page: { isDraining: true } }, "n2 is leaving"],
    ["reads its log", { page: { isCaughtUp: false } }, "n2 has not caught up with the leader"],
    [
      "runs another version",
      { page: { version: "0.2.0" } },
      /^the nodes run different versions: n1 0.1.0, n2 0.2.0/,
    ],
    ["does not reach another", { cut: ["n3"] }, /do not reach each other: n2 does not reach n3$/],
  ];
  test.for(remarks)("in which a node %s", ([what, told, text]) => {
    const lags = what === "lags" ? { n2: 300 } : {};
    const verdict = judged(up("n1", { ...leading, lags }), up("n2", told), up("n3"));
    expect(verdict.isBroken).toBe(false);
    expect(textsOf(verdict)).toEqual([
      typeof text === "string" ? text : expect.stringMatching(text),
    ]);
  });

  const refusing = [
    ["removals", "low", "the registry takes no registrations, for want of room on the disks of "],
    ["nothing", "full", "the registry takes no writes, for want of room on the disks of "],
  ] as const;
  test.for(refusing)("that takes %s is broken, and says whose disks", ([intake, disk, says]) => {
    const short = { diskState: disk } as const;
    const verdict = judged(up("n1", { ...leading, intake }), up("n2", short), up("n3", short));
    expect([verdict.isBroken, verdict.text]).toEqual([true, `${says}n2 (${disk}), n3 (${disk})`]);
    const shown = verdict.view.members[1];
    expect(shown === undefined ? [] : notesOf(shown, verdict.view)).toEqual([`disk ${disk}`]);
  });

  test("of two voters, or one", () => {
    const pair = { n1: "a:1", n2: "a:2" };
    const answers = (["n1", "n2"] as const).map((name) => ({
      server: `ws://${addresses[name]}`,
      status: statusOf(name, pair, name === "n1" ? leading : {}),
      failure: null,
    }));
    expect(textsOf(judged(...answers))).toEqual(["the cluster has 2 voters, so none may fail"]);
  });
});

describe("broken although somebody leads", () => {
  test("where no state has a majority", () => {
    const { text, isBroken, findings } = judged(
      up("n1", { ...leading, isInDoubt: true }),
      up("n2"),
      up("n3"),
    );
    expect(isBroken).toBe(true);
    expect(text).toMatch(/^no state has a majority, by the word of n1/);
    expect(findings[0]?.next).toContain("'rollcall discard-state --id NAME --data DIR'");
  });

  test("where the servers are of two clusters", () => {
    const { text } = judged(up("n1", leading), up("n2", { lineage: "d.1" }), up("n3"));
    expect(text).toMatch(/^these servers belong to 2 clusters: c.1, d.1$/);
  });
});

test("no advice names a command that does not exist", async () => {
  const { COMMAND_NAMES } = await import("../../src/cli/program.ts");
  const findings = [
    judged(up("n1", alone), down("n2"), down("n3")),
    judged(up("n1", leading), up("n2", { isInDoubt: true }), down("n3")),
    judged(down("n1")),
  ].flatMap((verdict) => verdict.findings);
  const named = findings.flatMap(({ next }) =>
    [...next.matchAll(/'rollcall ([a-z-]+)/g)].map(([, name = ""]) => name),
  );
  expect(named.length).toBeGreaterThan(5);
  expect(named.filter((name) => !COMMAND_NAMES.includes(name))).toEqual([]);
});
