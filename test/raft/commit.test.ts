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
  test("go to whom was sent the entries, once, and say no more than it was sent", () => {
    const member = leaderOver([1]);
    member.up.step(acked(2, 2, "n2"));
    member.settle();
    member.up.propose("commands", dataOf(0));
    member.settle();
    const news = allOf(saidAfter(member, acked(2, 3, "n2")), "commit");
    expect(news.map(({ to, commitIndex }) => [to, commitIndex])).toEqual([["n2", 3]]);
    expect(allOf(saidAfter(member, acked(2, 3, "n2")), "commit")).toEqual([]);
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
