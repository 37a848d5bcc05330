import { describe, expect, test } from "vitest";
import { TICK_MS } from "../../src/limits.ts";
import type { ConfChange } from "../../src/raft/conf-change.ts";
import type { MembersOutcome } from "../../src/replica/member-changes.ts";
import { Cluster, type Node } from "./harness.ts";

function outcomes(node: Node): readonly MembersOutcome[] {
  return node.notices.flatMap((notice) =>
    notice.type === "membersChange" ? [notice.outcome] : [],
  );
}

function voters(node: Node): readonly (readonly string[])[] {
  return node.notices.flatMap((notice) =>
    notice.type === "configuration" ? [notice.conf.voters] : [],
  );
}

function ask(cluster: Cluster, id: string, change: ConfChange): void {
  cluster.node(id).step({ type: "changeMembers", request: 1, change });
}

describe("a change of the members", () => {
  test("is done once nothing of it can be lost, and every member is told who is one", () => {
    const cluster = Cluster.led();
    ask(cluster, "n1", { type: "remove", id: "n3" });
    expect(outcomes(cluster.node("n1"))).toEqual([]);
    cluster.deliver();
    cluster.pass(4 * TICK_MS);
    expect(outcomes(cluster.node("n1"))).toEqual([{ type: "done" }]);
    expect(voters(cluster.node("n2")).at(-1)).toEqual(["n1", "n2"]);
    expect(cluster.node("n2").status.conf.votersOutgoing).toEqual([]);
  });

  test.for<ConfChange>([
    { type: "remove", id: "n3" },
    { type: "update", member: { id: "n3", name: "n3", address: "10.0.0.3:7420" } },
  ])("is in force but not done while a majority has not got it: $type", (change) => {
    const cluster = Cluster.led();
    cluster.isolate("n1");
    ask(cluster, "n1", change);
    cluster.deliver();
    expect(voters(cluster.node("n1"))).toHaveLength(1);
    expect(outcomes(cluster.node("n1"))).toEqual([]);
  });

  test("that is lost with the leadership is neither done nor refused", () => {
    const cluster = Cluster.led();
    cluster.isolate("n1");
    ask(cluster, "n1", { type: "remove", id: "n3" });
    cluster.deliver();
    cluster.elect("n2");
    cluster.heal();
    cluster.pass(10 * TICK_MS);
    expect(outcomes(cluster.node("n1"))).toEqual([{ type: "unknown" }]);
    expect(voters(cluster.node("n1")).at(-1)).toEqual(["n1", "n2", "n3"]);
  });

  test("is refused by who does not lead, and where it has no meaning", () => {
    const cluster = Cluster.led();
    ask(cluster, "n2", { type: "remove", id: "n3" });
    ask(cluster, "n1", { type: "remove", id: "n9" });
    cluster.deliver();
    expect(outcomes(cluster.node("n2"))).toEqual([
      { type: "refused", refusal: { reason: "notLeader" } },
    ]);
    expect(outcomes(cluster.node("n1"))).toEqual([
      { type: "refused", refusal: { reason: "notMember", id: "n9" } },
    ]);
  });

  test("is told once more when it is committed", () => {
    const cluster = Cluster.led();
    const committed = (id: string) =>
      cluster
        .node(id)
        .notices.flatMap((n) => (n.type === "configurationCommitted" ? [n.conf.voters] : []));
    cluster.isolate("n1");
    ask(cluster, "n1", { type: "remove", id: "n3" });
    cluster.deliver();
    expect(committed("n1")).toEqual([]);
    const { conf, committedConf } = cluster.node("n1").status;
    expect([conf.voters, committedConf.voters]).toEqual([
      ["n1", "n2"],
      ["n1", "n2", "n3"],
    ]);
    cluster.heal();
    cluster.pass(10 * TICK_MS);
    expect(committed("n1").at(-1)).toEqual(["n1", "n2"]);
    expect(committed("n2").at(-1)).toEqual(["n1", "n2"]);
  });

  test("of before it has joined does not tell a node that it was removed", () => {
    const told = (joinedIndex: number) => {
      const cluster = Cluster.led();
      const node = cluster.node("n3");
      node.joinedIndex = joinedIndex;
      node.crash();
      node.start();
      ask(cluster, "n1", { type: "remove", id: "n3" });
      cluster.deliver();
      cluster.pass(10 * TICK_MS);
      expect(cluster.node("n3").status.conf.voters).toEqual(["n1", "n2"]);
      return node.notices.filter(({ type }) => type === "removed").length;
    };
    expect([told(0), told(100)]).toEqual([1, 0]);
  });

  test("tells who is removed, a leader that removes itself too", () => {
    const cluster = Cluster.led();
    ask(cluster, "n1", { type: "remove", id: "n1" });
    cluster.deliver();
    cluster.pass(10 * TICK_MS);
    expect(outcomes(cluster.node("n1"))).toEqual([{ type: "done" }]);
    const told = cluster.nodes.map(({ notices }) => notices.filter((n) => n.type === "removed"));
    expect(told.map((notices) => notices.length)).toEqual([1, 0, 0]);
    expect(cluster.node("n2").status.leader).toMatch(/n[23]/);
  });
});
