import { describe, expect, test } from "vitest";
import type { PeerMessage, ReportConfirmed } from "../../src/replica/peer-messages.ts";
import { Cluster } from "./harness.ts";
import { attachedOn, endsSeenBy, isConfirmation, isReport, openedOn } from "./steps.ts";

describe("a report", () => {
  test("that left before a ping came does not confirm it", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    cluster.pass(500);
    cluster.holds = (message) => isConfirmation(message) && message.to === "n2";
    const early = client.ping();
    cluster.pass(200);
    cluster.holds = () => false;
    cluster.passes = (message) => !(isReport(message) && message.from === "n2");
    const late = client.ping();
    cluster.release();
    cluster.pass(500);
    expect([client.pongOf(early), client.pongOf(late)]).toEqual([true, null]);
  });

  test("goes to a leader that is reached again at once, and begins a round there", () => {
    // n3 has told n1 of the client before, urgently, and nothing of it has arrived.
    const cluster = Cluster.led();
    openedOn(cluster, "n1");
    cluster.pass(200);
    cluster.passes = (message) => !isReport(message);
    const client = attachedOn(cluster, "n3", "s1", 2);
    cluster.pass(300);
    cluster.passes = () => true;
    cluster.node("n3").relink("n1");
    cluster.deliver();
    expect(client.states).toEqual(["unconfirmed", "resumed"]);
  });

  test("tells of a sign of life for a second, and then no more", () => {
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2", "s1", { ttlMs: 4_000 });
    cluster.pass(500);
    cluster.passes = (message) => !(isReport(message) && message.from === "n2");
    client.ping();
    cluster.pass(3_000);
    cluster.passes = () => true;
    cluster.pass(1_500);
    expect(endsSeenBy(cluster.node("n1"))).toEqual([{ session: "s1", reason: "ttl" }]);
  });

  test("of another term is not taken: what it tells of may be long over", () => {
    // n1 leads, n2, and n1 again; n2's report of the first of these terms comes in the third.
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2", "s1", { ttlMs: 6_000 });
    cluster.pass(300);
    const isOfN2 = (message: PeerMessage): boolean => isReport(message) && message.from === "n2";
    cluster.holds = isOfN2;
    client.ping();
    cluster.pass(100);
    const late = cluster.bag.filter(isOfN2).slice(0, 1);
    expect(late).toMatchObject([{ touches: [{ session: "s1" }] }]);
    cluster.isolate("n1");
    cluster.elect("n2");
    cluster.heal();
    cluster.pass(500);
    cluster.isolate("n2");
    cluster.elect("n1");
    const electedMs = cluster.elapsedMs;
    cluster.heal();
    client.close(false);
    cluster.pass(3_000);
    cluster.release((message) => late.includes(message));
    cluster.bag = [];
    cluster.holds = () => false;
    cluster.pass(electedMs + 6_600 - cluster.elapsedMs);
    expect(cluster.node("n1").status.role).toBe("leader");
    expect(endsSeenBy(cluster.node("n1"))).toEqual([{ session: "s1", reason: "ttl" }]);
  });

  test("that a node has not sent proves nothing to it, be its start numbered as one before", () => {
    const cluster = Cluster.led();
    const confirmations: ReportConfirmed[] = [];
    cluster.passes = (message) => {
      if (message.type === "reportConfirmed" && message.to === "n2") confirmations.push(message);
      return true;
    };
    cluster.pass(3_000);
    const [late] = confirmations.slice(-1);
    cluster.crash("n2");
    cluster.passes = ({ to }) => to !== "n2";
    cluster.restart("n2");
    const starts: number[] = [];
    cluster.passes = (message) => {
      if (message.type === "report" && message.from === "n2") starts.push(message.start);
      return message.type !== "reportConfirmed" || message.to !== "n2";
    };
    cluster.pass(500);
    const [start] = starts;
    if (late === undefined || start === undefined) throw new Error("nothing was reported");
    cluster.node("n2").step({ type: "peerMessage", message: { ...late, start } });
    expect(cluster.node("n2").status.ageMs).toBeNull();
    expect(starts.length).toBeLessThan(late.counter);
    const message = { ...late, start, counter: starts.length };
    cluster.node("n2").step({ type: "peerMessage", message });
    expect(cluster.node("n2").status.ageMs).not.toBeNull();
  });
});

describe("a new leader", () => {
  test("proves no age before it has applied its no-op, nor counts a session's time", () => {
    // n2 is elected, and hears n3; but no entry of its term is committed for a long time.
    const cluster = Cluster.led();
    openedOn(cluster, "n3", "s1", { ttlMs: 3_000 });
    cluster.pass(300);
    cluster.isolate("n1");
    cluster.holds = ({ type }) => type === "appendEntriesResponse";
    cluster.elect("n2");
    cluster.pass(4_000);
    expect(cluster.node("n2").status.role).toBe("leader");
    expect(cluster.node("n3").status.ageMs).toBeGreaterThan(4_000);
    cluster.holds = () => false;
    cluster.release();
    cluster.pass(2_800);
    expect(endsSeenBy(cluster.node("n2"))).toEqual([]);
    cluster.pass(700);
    expect(endsSeenBy(cluster.node("n2"))).toEqual([{ session: "s1", reason: "ttl" }]);
  });
});
