import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Ballots } from "../../jepsen-lite/real/ballots.ts";
import { Leaderships } from "../../jepsen-lite/real/leaderships.ts";
import { Ledger } from "../../jepsen-lite/real/ledger.ts";
import { voteOnDisk } from "../../jepsen-lite/real/vote-on-disk.ts";
import { encodeVote } from "../../src/storage/vote-record.ts";

const shown = (...entries: [string, string][]): Map<string, string> => new Map(entries);
const broken = (kind: string, count = 1) => expect.objectContaining({ kind, count });

function thrown(act: () => void): unknown {
  try {
    act();
    return null;
  } catch (error) {
    return error;
  }
}

describe("the ledger of what clients were told", () => {
  test("takes what was acknowledged, and either side of what nobody knows", () => {
    const ledger = new Ledger();
    ledger.attempt("a", "1").ok();
    ledger.attempt("a", "2").unknown();
    ledger.attempt("b", "3").unknown();
    for (const a of ["1", "2"]) {
      ledger.check(shown(["a", a]), "n1");
      ledger.check(shown(["a", a], ["b", "3"]), "n1");
    }
    ledger.attempt("a", null).ok();
    ledger.check(shown(), "n1");
    expect(ledger.counts).toEqual({ acknowledged: 2, refused: 0, unknown: 2 });
  });

  test("finds an acknowledged write lost: gone, fallen back, or back after its removal", () => {
    const ledger = new Ledger();
    ledger.attempt("gone", "1").ok();
    ledger.attempt("older", "2").ok();
    ledger.attempt("older", "3").ok();
    ledger.attempt("back", "4").ok();
    ledger.attempt("back", null).ok();
    const view = shown(["older", "2"], ["back", "4"]);
    expect(thrown(() => ledger.check(view, "n1"))).toEqual(broken("lost", 3));
  });

  test("finds an unknown write that was there before an acknowledged one, and is back", () => {
    const ledger = new Ledger();
    ledger.attempt("a", "1").unknown();
    ledger.attempt("a", "2").ok();
    expect(thrown(() => ledger.check(shown(["a", "1"]), "n1"))).toEqual(broken("lost"));
  });

  test("finds what was refused for good, and what nobody wrote", () => {
    const ledger = new Ledger();
    ledger.attempt("a", "1").refused();
    expect(thrown(() => ledger.check(shown(["a", "1"]), "n1"))).toEqual(broken("strange"));
    expect(thrown(() => ledger.check(shown(["b", "2"]), "n1"))).toEqual(broken("strange"));
    ledger.check(shown(), "n1");
  });

  test("a refused removal takes nothing from what may be there", () => {
    const ledger = new Ledger();
    ledger.attempt("a", null).refused();
    ledger.check(shown(), "n1");
    ledger.attempt("a", "1").ok();
    ledger.attempt("a", null).refused();
    expect(thrown(() => ledger.check(shown(), "n1"))).toEqual(broken("lost"));
  });
});

describe("the votes on the disks", () => {
  const names = ["n1", "n2", "n3"];
  const vote = (term: number, member: string | null) => ({ term, vote: member, write: 1 });
  const elected = { term: 5, leader: "id1" };

  test("are read as the product writes them: the newer copy that can be read, or none", async () => {
    const directory = await mkdtemp(join(tmpdir(), "rollcall-votes-"));
    try {
      const record = { term: 5, vote: "id1", write: 8, incarnation: "id3" };
      await writeFile(join(directory, "vote-a"), encodeVote({ ...record, term: 6, vote: null }));
      await writeFile(join(directory, "vote-b"), encodeVote(record));
      expect(await voteOnDisk(directory)).toMatchObject({ term: 6, vote: null });
      await truncate(join(directory, "vote-a"), 20);
      expect(await voteOnDisk(directory)).toMatchObject(record);
      await truncate(join(directory, "vote-b"), 0);
      expect(await voteOnDisk(directory)).toBeNull();
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  test("a disk that names two members in one term has voted twice", () => {
    const ballots = new Ballots(names);
    ballots.saw("n3", vote(5, "id1"));
    ballots.saw("n3", vote(5, null));
    ballots.saw("n2", vote(5, "id2"));
    expect(thrown(() => ballots.saw("n3", vote(5, "id2")))).toEqual(broken("twoVotes"));
  });

  test("a leader is known to the disks of a majority, or to those whose power has not failed", () => {
    const left = new Map([
      ["n1", vote(5, "id1")],
      ["n2", vote(4, "id2")],
      ["n3", vote(6, null)],
    ]);
    new Ballots(names).survived(left, elected);
    new Ballots(names).survived(new Map([["n2", vote(4, null)]]), elected);
  });

  test("a leader whose election too many disks have forgotten is found before anybody asks", () => {
    const left = new Map([
      ["n1", vote(4, "id1")],
      ["n2", vote(5, null)],
    ]);
    const forgotten = thrown(() => new Ballots(names).survived(left, elected));
    expect(forgotten).toEqual(broken("twoVotes", 2));
    new Ballots(names).survived(left, null);
  });

  test("a disk that has an older one than its node had at rest is found, on one disk alone", () => {
    const ballots = new Ballots(names);
    ballots.rests("n3", { ...vote(5, "id1"), write: 7 });
    ballots.survived(new Map([["n3", { ...vote(5, "id1"), write: 7 }]]), elected);
    const left = new Map([["n3", { ...vote(4, "id2"), write: 6 }]]);
    expect(thrown(() => ballots.survived(left, elected))).toEqual(broken("twoVotes"));
  });

  test("a disk without a vote that can be read has lost it", () => {
    const lost = thrown(() => new Ballots(names).survived(new Map([["n1", null]]), null));
    expect(lost).toEqual(broken("twoVotes"));
  });
});

describe("the leaders of the terms", () => {
  test("one each, and that in one of its lives", () => {
    const leaderships = new Leaderships();
    expect(leaderships.last).toBeNull();
    leaderships.leads(4, "n1", 1);
    leaderships.leads(4, "n1", 1);
    leaderships.leads(6, "n1", 2);
    leaderships.leads(5, "n2", 1);
    leaderships.check();
    expect(leaderships.last).toEqual({ term: 6, node: "n1" });
    leaderships.leads(5, "n3", 1);
    leaderships.leads(6, "n1", 3);
    expect(thrown(() => leaderships.check())).toEqual(broken("twoLeaders", 2));
  });
});
