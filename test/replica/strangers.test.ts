import { describe, expect, test } from "vitest";
import { PENDING_WRITES_MAX } from "../../src/limits.ts";
import { type Client, Cluster } from "./harness.ts";
import { attachedOn, isConfirmation, isForward, openedOn } from "./steps.ts";

/** s1 lives, and n3 has not heard of it. */
function openedBehind(cluster: Cluster): Client {
  cluster.starve("n3");
  return openedOn(cluster, "n1");
}

function strangerOn(cluster: Cluster, node: string): Client {
  const stranger = cluster.connect(node);
  stranger.attach("s1", 9, "guessed");
  return stranger;
}

describe("a stranger who knows only the id of a session, on a node that lags", () => {
  test("does not take the owner's connection from it", () => {
    const cluster = Cluster.led();
    openedBehind(cluster).close(false);
    const owner = attachedOn(cluster, "n3", "s1", 2);
    const stranger = strangerOn(cluster, "n3");
    const write = owner.register("a:1", { seq: 1 });
    cluster.pass(500);
    cluster.heal();
    cluster.pass(1_500);
    expect(stranger.states).toEqual(["unconfirmed", "denied"]);
    expect(owner.states).toEqual(["unconfirmed", "resumed"]);
    expect(owner.answer(write)).toBe("ok");
  });

  test("is not answered with the owner's reply", () => {
    const cluster = Cluster.led();
    const owner = openedBehind(cluster);
    const stranger = strangerOn(cluster, "n3");
    const stolen = stranger.register("b:1", { seq: 1 });
    owner.register("a:1", { seq: 1 });
    cluster.pass(100);
    cluster.heal();
    cluster.pass(1_000);
    expect(stranger.states).toEqual(["unconfirmed", "denied"]);
    expect(stranger.answer(stolen)).toBe("SESSION_UNKNOWN");
    expect(cluster.node("n1").status.revision).toBe(1);
  });

  test("does not take the place of the owner's write of the same number", () => {
    // The stranger came before n3 knew s1, and no report was confirmed since: n3 has not compared.
    const cluster = Cluster.led();
    const stranger = strangerOn(cluster, "n3");
    cluster.holds = isConfirmation;
    const owner = openedOn(cluster, "n3");
    cluster.holds = (message) => isConfirmation(message) || isForward(message);
    const write = owner.register("a:1", { seq: 1 });
    cluster.deliver();
    const stolen = stranger.register("b:1", { seq: 1 });
    cluster.deliver();
    cluster.release(isForward);
    expect([owner.answer(write), stranger.answer(stolen)]).toEqual(["ok", null]);
    cluster.holds = () => false;
    cluster.pass(500);
    expect(stranger.answer(stolen)).toBe("SESSION_UNKNOWN");
    expect(cluster.node("n1").status.revision).toBe(1);
  });

  test("does not take the place of the owner's opening", () => {
    const cluster = Cluster.led();
    cluster.holds = isForward;
    const owner = cluster.connect("n3");
    const opening = owner.open("s1");
    cluster.deliver();
    const stranger = cluster.connect("n3");
    const stolen = stranger.open("s1", { secret: "guessed", attach: 9 });
    cluster.deliver();
    cluster.holds = () => false;
    cluster.release();
    expect([owner.answer(opening), stranger.answer(stolen)]).toEqual(["ok", "DENIED"]);
  });

  test("is told at its deadline that its write went to no leader", () => {
    const cluster = Cluster.led();
    openedBehind(cluster);
    const stranger = strangerOn(cluster, "n3");
    const stolen = stranger.register("b:1", { timeoutMs: 500 });
    cluster.pass(450);
    expect(stranger.answer(stolen)).toBeNull();
    cluster.pass(100);
    expect(stranger.answer(stolen)).toBe("NO_LEADER");
  });
});

describe("the owner of a session, on a node that lags", () => {
  test("may send a write that waits again, and the last request of it is answered", () => {
    const cluster = Cluster.led();
    openedBehind(cluster).close(false);
    const owner = attachedOn(cluster, "n3", "s1", 2);
    const requests = [1, 2, 1].map((seq) => owner.register(`a:${seq}`, { seq, floor: 1 }));
    cluster.pass(200);
    cluster.heal();
    cluster.pass(1_500);
    expect(requests.map((request) => owner.answer(request))).toEqual(["TIMEOUT", "ok", "ok"]);
    expect(cluster.node("n1").status.revision).toBe(2);
  });

  test("leaves the places of what waited to others, when it goes", () => {
    const cluster = Cluster.led();
    openedBehind(cluster).close(false);
    const owner = attachedOn(cluster, "n3", "s1", 2);
    for (let seq = 1; seq <= PENDING_WRITES_MAX; seq += 1) owner.deregister("a:1", { seq });
    const other = attachedOn(cluster, "n3", "s1", 3);
    const early = other.register("a:1");
    owner.close();
    const late = other.register("a:1");
    cluster.deliver();
    expect([other.answer(early), other.answer(late)]).toEqual(["OVERLOADED", null]);
  });

  test("has nothing written that waited over a connection that is gone", () => {
    const cluster = Cluster.led();
    openedBehind(cluster).close(false);
    const owner = attachedOn(cluster, "n3", "s1", 2);
    owner.register("a:1");
    cluster.pass(200);
    owner.close(false);
    const next = attachedOn(cluster, "n3", "s1", 3);
    cluster.heal();
    cluster.pass(1_500);
    expect(next.states).toEqual(["unconfirmed", "resumed"]);
    expect(cluster.node("n1").status.revision).toBe(0);
  });
});
