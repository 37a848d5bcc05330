import { describe, expect, test } from "vitest";
import { TICK_MS } from "../../src/limits.ts";
import type { TransferOutcome } from "../../src/replica/inputs.ts";
import { Cluster, logOf, type Node } from "./harness.ts";

function outcomes(node: Node): TransferOutcome[] {
  return node.notices.flatMap((notice) =>
    notice.type === "leadershipTransfer" ? [notice.outcome] : [],
  );
}

/** n1 leads, and a client on each node has a session. */
function served() {
  const cluster = Cluster.led();
  const clients = cluster.ids.map((id) => {
    const client = cluster.connect(id);
    client.open(`of ${id}`);
    return client;
  });
  cluster.deliver();
  return { cluster, clients };
}

describe("a leader that is asked to hand over", () => {
  test("is followed by the member that was named, and says so", () => {
    const { cluster } = served();
    cluster.node("n1").step({ type: "transferLeadership", to: "n3" });
    cluster.deliver();
    expect(cluster.nodes.map(({ status }) => status.leader)).toEqual(["n3", "n3", "n3"]);
    expect(outcomes(cluster.node("n1"))).toEqual(["started", "done"]);
  });

  test("keeps the writes that come meanwhile, and the next leader answers them", () => {
    const { cluster, clients } = served();
    cluster.holds = ({ type }) => type === "timeoutNow";
    cluster.node("n1").step({ type: "transferLeadership", to: "n2" });
    cluster.deliver();
    const entries = logOf(cluster.node("n1")).length;
    const requests = clients.map((client) => client.register(`${client.session}:1`));
    cluster.deliver();
    cluster.pass(4 * TICK_MS);
    expect(clients.map((client, i) => client.answer(requests[i] ?? 0))).toEqual([null, null, null]);
    expect(logOf(cluster.node("n1"))).toHaveLength(entries);
    cluster.holds = () => false;
    cluster.release();
    expect(cluster.node("n2").status.role).toBe("leader");
    cluster.pass(2 * TICK_MS);
    expect(clients.map((client, i) => client.answer(requests[i] ?? 0))).toEqual(["ok", "ok", "ok"]);
  });

  test("takes them itself when nothing comes of it", () => {
    const { cluster, clients } = served();
    cluster.passes = ({ type }) => type !== "timeoutNow";
    cluster.node("n1").step({ type: "transferLeadership", to: null });
    const requests = clients.map((client) => client.register(`${client.session}:1`));
    cluster.pass(30 * TICK_MS);
    expect(cluster.node("n1").status).toMatchObject({ role: "leader", term: 1 });
    expect(clients.map((client, i) => client.answer(requests[i] ?? 0))).toEqual(["ok", "ok", "ok"]);
    expect(outcomes(cluster.node("n1"))).toEqual(["started", "abandoned"]);
  });

  test("says when it was refused, and why", () => {
    const { cluster } = served();
    cluster.node("n2").step({ type: "transferLeadership", to: null });
    cluster.node("n1").step({ type: "transferLeadership", to: "n1" });
    cluster.deliver();
    expect(outcomes(cluster.node("n2"))).toEqual(["notLeader"]);
    expect(outcomes(cluster.node("n1"))).toEqual(["notVoter"]);
  });

  test("says when somebody else than was wished has come to lead", () => {
    const { cluster } = served();
    cluster.passes = ({ type }) => type !== "timeoutNow";
    cluster.node("n1").step({ type: "transferLeadership", to: "n2" });
    cluster.isolate("n1");
    cluster.elect("n3");
    cluster.passes = () => true;
    cluster.pass(10 * TICK_MS);
    expect(outcomes(cluster.node("n1")).at(-1)).toMatch(/superseded|abandoned/);
    expect(cluster.node("n1").status.leader).toBe("n3");
  });
});

describe("a leader whose disk hangs", () => {
  test("leaves it to another, and writes through every node go on", () => {
    const { cluster, clients } = served();
    cluster.node("n1").isDiskHeld = true;
    const first = clients.map((client) => client.register(`${client.session}:1`));
    cluster.pass(40 * TICK_MS);
    expect(cluster.node("n1").status.role).toBe("follower");
    const second = clients.map((client) => client.register(`${client.session}:2`));
    cluster.pass(10 * TICK_MS);
    const answers = (requests: number[]) =>
      clients.slice(1).map((client, i) => client.answer(requests[i + 1] ?? 0));
    expect([answers(first), answers(second)]).toEqual([
      ["ok", "ok"],
      ["ok", "ok"],
    ]);
  });
});

describe("a leader whose process is gone", () => {
  test("is replaced long before its silence would tell, and what waited is answered", () => {
    const { cluster, clients } = served();
    cluster.crash("n1");
    const [, two, three] = clients;
    const requests = [two?.register("two:1"), three?.register("three:1")];
    for (const id of ["n2", "n3"]) {
      cluster.node(id).step({ type: "peerGone", peer: "n1", isGone: true });
    }
    cluster.deliver();
    // The clock of this world is as coarse as a tick: n2 draws the shorter wait.
    cluster.node("n3").alarm = null;
    cluster.pass(6 * TICK_MS);
    expect([two?.answer(requests[0] ?? 0), three?.answer(requests[1] ?? 0)]).toEqual(["ok", "ok"]);
  });
});
