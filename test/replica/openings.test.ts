import { describe, expect, test } from "vitest";
import { Cluster, forwarded, logOf } from "./harness.ts";
import { attachedOn, isForward, openedOn } from "./steps.ts";

describe("an opening", () => {
  /** Sessions come and go until no tombstone of an earlier one is left. */
  function outliveTombstones(cluster: Cluster): void {
    for (const session of ["s7", "s8", "s9"]) {
      openedOn(cluster, "n1", session).bye();
      cluster.deliver();
    }
  }

  test("that a node far behind has taken is not refused for that, and waits until it is told", () => {
    // By the time n3 took it, it had applied less than what the oldest tombstone goes back to.
    const cluster = Cluster.led({ registryLimits: { tombstonesMax: 2 } });
    cluster.starve("n3");
    outliveTombstones(cluster);
    const client = cluster.connect("n3");
    const request = client.open("s1");
    const write = client.register("a:1");
    cluster.pass(300);
    expect(client.answer(request)).toBeNull();
    cluster.passes = () => true;
    cluster.pass(1_000);
    expect([client.answer(request), client.answer(write)]).toEqual(["ok", "ok"]);
    expect(
      logOf(cluster.node("n1"))
        .flat()
        .filter((type) => type === "openSession"),
    ).toHaveLength(3 + 2);
  });

  test("whose client has gone meanwhile is not made again", () => {
    const cluster = Cluster.led({ registryLimits: { tombstonesMax: 2 } });
    cluster.starve("n3");
    outliveTombstones(cluster);
    const client = cluster.connect("n3");
    client.open("s1");
    cluster.deliver();
    client.close();
    cluster.passes = () => true;
    cluster.pass(1_000);
    expect(cluster.node("n1").status.sessions).toBe(0);
  });

  test("of which a copy comes late resurrects nobody, when its tombstone is gone", () => {
    const cluster = Cluster.led({ registryLimits: { tombstonesMax: 2 } });
    cluster.holds = isForward;
    const client = cluster.connect("n3");
    const opening = client.open("s1");
    cluster.deliver();
    const copies = cluster.bag.filter(isForward);
    expect(copies).toHaveLength(1);
    cluster.holds = () => false;
    cluster.release();
    expect(client.answer(opening)).toBe("ok");
    client.bye();
    cluster.deliver();
    outliveTombstones(cluster);
    expect(cluster.node("n3").up.registry.ended("s1")).toBeNull();
    for (const message of copies) cluster.node("n1").step({ type: "peerMessage", message });
    cluster.pass(1_000);
    expect(cluster.nodes.map(({ status }) => status.sessions)).toEqual([0, 0, 0]);
  });

  test("that waits while its session ends is refused, and resurrects nobody later", () => {
    // The client has opened s1 through n1, and asks again through n3, whose forwards hang.
    const cluster = Cluster.led({ registryLimits: { tombstonesMax: 2 } });
    const first = openedOn(cluster, "n1");
    cluster.holds = isForward;
    const again = cluster.connect("n3");
    const request = again.open("s1", { attach: 2, timeoutMs: 60_000 });
    cluster.deliver();
    first.bye();
    cluster.deliver();
    expect(again.answer(request)).toBe("SESSION_EXPIRED");
    const write = again.register("a:1");
    cluster.deliver();
    expect(again.answer(write)).toBe("SESSION_EXPIRED");
    outliveTombstones(cluster);
    cluster.holds = () => false;
    cluster.release();
    cluster.pass(1_000);
    expect(cluster.node("n1").status.sessions).toBe(0);
  });

  test("that waits while its session ends takes no other session from its connection", () => {
    // The client of s1 asked for it again, lost it to another connection, and opens s2 instead.
    const cluster = Cluster.led();
    const client = openedOn(cluster, "n2");
    cluster.holds = (message) => forwarded(message).includes("openSession");
    const again = client.open("s1");
    cluster.deliver();
    const heir = attachedOn(cluster, "n2", "s1", 2);
    cluster.deliver();
    expect(client.states).toEqual(["denied"]);
    const opening = client.open("s2");
    cluster.deliver();
    heir.bye();
    cluster.deliver();
    expect([again, opening].map((request) => client.answer(request))).toEqual([
      "SESSION_EXPIRED",
      null,
    ]);
    cluster.holds = () => false;
    cluster.release();
    const write = client.register("a:1");
    cluster.deliver();
    expect([opening, write].map((request) => client.answer(request))).toEqual(["ok", "ok"]);
  });

  test("of an id that has ended is refused by the node itself", () => {
    const cluster = Cluster.led();
    openedOn(cluster, "n1").bye();
    cluster.deliver();
    const { lastIndex } = cluster.node("n1").status;
    const client = cluster.connect("n3");
    const request = client.open("s1", { attach: 2 });
    cluster.deliver();
    expect(client.answer(request)).toBe("SESSION_EXPIRED");
    expect(cluster.node("n1").status.lastIndex).toBe(lastIndex);
  });
});
