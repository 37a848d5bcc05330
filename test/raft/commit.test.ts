import { describe, expect, test } from "vitest";
import type { RaftMessage } from "../../src/raft/messages.ts";
import type { LogIndex, Term } from "../../src/raft/types.ts";
import { dataOf, type Member } from "./cluster.ts";
import { acked, allOf, append, leaderOver, memberOf, told } from "./conversation.ts";

/** Of n2, leader of `term`. */
function commit(term: Term, commitIndex: LogIndex): RaftMessage {
  return told({ type: "commit", term, commitIndex });
}

/** What the member has to say when it has heard these. */
function saidAfter(member: Member, ...messages: readonly RaftMessage[]): RaftMessage[] {
  for (const message of messages) member.up.step(message);
  return member.settle();
}

describe("the news of a commit", () => {
  test("go to those who were sent the entries, once", () => {
    const member = leaderOver([1]);
    member.up.step(acked(2, 2, "n2"));
    member.settle();
    member.up.propose("commands", dataOf(0));
    member.settle();
    const news = allOf(saidAfter(member, acked(2, 3, "n2")), "commit");
    expect(news.map(({ to, commitIndex }) => [to, commitIndex])).toEqual([["n2", 3]]);
    expect(allOf(saidAfter(member, acked(2, 3, "n2")), "commit")).toEqual([]);
  });

  test("say no more than the peer was sent", () => {
    const member = leaderOver([1], { inflightEntriesMax: 2 });
    saidAfter(member, acked(2, 2, "n2"), acked(2, 2, "n3"));
    for (let value = 0; value < 4; value++) member.up.propose("commands", dataOf(value));
    member.settle();
    const news = [acked(2, 4, "n3"), acked(2, 6, "n3")].flatMap((answer) =>
      allOf(saidAfter(member, answer), "commit"),
    );
    expect(news.map(({ to, commitIndex }) => [to, commitIndex])).toEqual([
      ["n2", 4],
      ["n3", 6],
    ]);
  });

  test("are a word of the leader: whoever hears them follows it, in its term", () => {
    const member = memberOf([]);
    member.tick(20);
    expect(member.up.role).toBe("preCandidate");
    // Of one that this configuration does not know yet (dissertation 4.1).
    saidAfter(member, told({ type: "commit", term: 4, commitIndex: 0 }, "n5"));
    expect(member.up).toMatchObject({ role: "follower", term: 4, leader: "n5" });
  });

  test("of the own term end a trial of an election, and put the next one off", () => {
    const member = memberOf([1]);
    member.tick(20);
    expect(member.up.role).toBe("preCandidate");
    saidAfter(member, commit(1, 0));
    expect(member.up).toMatchObject({ role: "follower", leader: "n2" });
    for (let time = 0; time < 10; time++) {
      member.tick(5);
      saidAfter(member, commit(1, 0));
    }
    expect(member.up).toMatchObject({ role: "follower", leader: "n2" });
  });

  test("are not answered", () => {
    const member = memberOf([]);
    saidAfter(member, append(1, 0, 0, [1, 1]));
    expect(saidAfter(member, commit(1, 2))).toEqual([]);
    expect(member.up.commitIndex).toBe(2);
  });

  test("say nothing of what another leader has left behind it", () => {
    const member = memberOf([1, 1, 1]);
    saidAfter(member, append(2, 1, 1, []), commit(2, 3));
    expect(member.up.commitIndex).toBe(1);
  });

  test("of a leader of a lower term say nothing", () => {
    const member = memberOf([]);
    saidAfter(member, append(2, 0, 0, [2]), commit(1, 1));
    expect(member.up.commitIndex).toBe(0);
  });
});
