import { describe, expect, test } from "vitest";
import { PENDING_READS_MAX } from "../../src/limits.ts";
import type { PeerMessage } from "../../src/replica/peer-messages.ts";
import { type Client, Cluster, selector } from "./harness.ts";

/** n1 leads, and a provider on it has registered `addrs`, one command each. */
function clusterWith(...addrs: readonly string[]): { cluster: Cluster; provider: Client } {
  const cluster = Cluster.led();
  const provider = cluster.connect("n1");
  provider.open("s1");
  for (const addr of addrs) provider.register(addr);
  cluster.pass(200);
  expect(cluster.node("n3").status.revision).toBe(addrs.length);
  return { cluster, provider };
}

function addrsOf(client: Client, request: number): string[] | null {
  return client.readOf(request)?.instances.map(({ addr }) => addr) ?? null;
}

const isRound = ({ type }: PeerMessage): boolean => type === "heartbeat";
const isReadAnswer = ({ type }: PeerMessage): boolean => type === "readIndexResponse";
const isConfirmation = ({ type }: PeerMessage): boolean => type === "reportConfirmed";
const linearizable = { type: "linearizable" } as const;
const stale = { type: "stale", maxAgeMs: null } as const;

describe("a linearizable read (dissertation 6.4)", () => {
  test("shares one quorum round with all that wait, of the leader's clients and a follower's", () => {
    const { cluster } = clusterWith("a:1");
    const clients = ["n1", "n2", "n2", "n3"].map((id) => cluster.connect(id));
    const requests = clients.map((client) => client.read(linearizable));
    cluster.holds = isRound;
    cluster.deliver();
    const rounds = new Set(cluster.bag.map((message) => "round" in message && message.round));
    // n1's own read begins a round; what the followers ask joins the one behind it.
    expect(rounds.size).toBe(1);
    cluster.holds = () => false;
    cluster.deliver();
    expect(clients.map((client, at) => addrsOf(client, requests[at] ?? 0))).toEqual(
      clients.map(() => ["a:1"]),
    );
  });

  test("on a follower is answered only when the follower has applied what was committed", () => {
    const { cluster, provider } = clusterWith("a:1");
    const client = cluster.connect("n2");
    cluster.starve("n2");
    const write = provider.register("a:2");
    cluster.deliver();
    expect(provider.answer(write)).toBe("ok");
    const request = client.read(linearizable);
    cluster.deliver();
    expect(addrsOf(client, request)).toBeNull();
    cluster.passes = () => true;
    cluster.pass(1_000);
    expect(addrsOf(client, request)).toEqual(["a:1", "a:2"]);
    expect(client.readOf(request)?.ageMs).toBe(0);
  });

  test("is not answered by an old leader that another one has replaced", () => {
    const { cluster } = clusterWith("a:1");
    const client = cluster.connect("n1");
    cluster.isolate("n1");
    const request = client.read(linearizable, { timeoutMs: 60_000 });
    cluster.elect("n2");
    const writer = cluster.connect("n2");
    writer.open("s2");
    writer.register("a:2");
    cluster.deliver();
    expect(client.outputs).toEqual([]);
    cluster.heal();
    cluster.pass(1_000);
    expect(addrsOf(client, request)).toEqual(["a:1", "a:2"]);
  });

  test("whose answer was lost is asked again, and answered once", () => {
    const { cluster } = clusterWith("a:1");
    const client = cluster.connect("n2");
    cluster.passes = (message) => !isReadAnswer(message);
    const request = client.read(linearizable);
    cluster.pass(300);
    expect(addrsOf(client, request)).toBeNull();
    cluster.passes = () => true;
    cluster.pass(500);
    expect(client.of("readReply")).toHaveLength(1);
  });

  test("that was asked over a link that broke is asked again over the new one at once", () => {
    const { cluster } = clusterWith("a:1");
    const client = cluster.connect("n2");
    cluster.passes = ({ type }) => type !== "readIndex";
    const request = client.read(linearizable);
    cluster.deliver();
    cluster.passes = () => true;
    cluster.node("n2").relink("n1");
    cluster.deliver();
    expect(addrsOf(client, request)).toEqual(["a:1"]);
  });

  test("is not answered by a late answer to an earlier question", () => {
    // n2's first question is answered at index i, and the answer held. A write is acknowledged at
    // n1, then a second read comes to n2: the held answer says nothing of it.
    const { cluster, provider } = clusterWith("a:1");
    const client = cluster.connect("n2");
    cluster.holds = isReadAnswer;
    const first = client.read(linearizable);
    cluster.deliver();
    cluster.starve("n2");
    const write = provider.register("a:2");
    cluster.deliver();
    expect(provider.answer(write)).toBe("ok");
    const second = client.read(linearizable);
    cluster.deliver();
    const [early] = cluster.bag.filter(isReadAnswer);
    cluster.release((message) => message === early);
    expect(addrsOf(client, first)).toEqual(["a:1"]);
    expect(addrsOf(client, second)).toBeNull();
    cluster.holds = () => false;
    cluster.passes = () => true;
    cluster.pass(1_000);
    expect(addrsOf(client, second)).toEqual(["a:1", "a:2"]);
  });

  test("ends as NO_LEADER where no leader was known, and as TIMEOUT where one did not answer", () => {
    const { cluster } = clusterWith();
    const client = cluster.connect("n2");
    cluster.isolate("n2");
    const early = client.read(linearizable, { timeoutMs: 300 });
    cluster.pass(3_000);
    const late = client.read(linearizable, { timeoutMs: 300 });
    cluster.pass(300);
    expect([client.answer(early), client.answer(late)]).toEqual(["TIMEOUT", "NO_LEADER"]);
  });
});

describe("a read of at least a revision", () => {
  test("waits until this node has applied it", () => {
    const { cluster, provider } = clusterWith("a:1");
    const client = cluster.connect("n2");
    const request = client.read({ type: "atLeast", revision: 2 });
    cluster.pass(100);
    expect(addrsOf(client, request)).toBeNull();
    provider.register("a:2");
    cluster.deliver();
    expect(client.readOf(request)?.revision).toBe(2);
  });

  test("that nobody has reached ends at its deadline", () => {
    const { cluster } = clusterWith("a:1");
    const client = cluster.connect("n2");
    const request = client.read({ type: "atLeast", revision: 9 }, { timeoutMs: 200 });
    cluster.pass(250);
    expect(client.answer(request)).toBe("TIMEOUT");
  });

  test("is served without a leader", () => {
    const { cluster } = clusterWith("a:1");
    cluster.isolate("n2");
    cluster.pass(3_000);
    const client = cluster.connect("n2");
    const request = client.read({ type: "atLeast", revision: 1 });
    cluster.deliver();
    expect(addrsOf(client, request)).toEqual(["a:1"]);
  });
});

describe("the age of a copy", () => {
  test("counts from the moment at which this node sent what the leader's frame answers", () => {
    const { cluster } = clusterWith("a:1");
    const node = cluster.node("n2");
    cluster.holds = isConfirmation;
    cluster.pass(500);
    const sentAtMs = cluster.bag.flatMap((message) =>
      isConfirmation(message) && message.to === "n2" && "sentAtMs" in message
        ? [message.sentAtMs]
        : [],
    );
    cluster.holds = () => false;
    cluster.release();
    expect(node.status.ageMs).toBe(node.clockMs - Math.max(...sentAtMs));
    expect(node.status.ageMs).toBeGreaterThanOrEqual(0);
  });

  test("grows while no leader is heard, and a bounded read is refused past its bound", () => {
    const { cluster } = clusterWith("a:1");
    const client = cluster.connect("n2");
    cluster.isolate("n2");
    cluster.pass(2_000);
    const bounded = client.read({ type: "stale", maxAgeMs: 1_000 });
    const loose = client.read({ type: "stale", maxAgeMs: 10_000 });
    cluster.deliver();
    expect(client.answer(bounded)).toBe("TOO_STALE");
    expect(client.readOf(loose)?.ageMs).toBeGreaterThanOrEqual(2_000);
    expect(addrsOf(client, loose)).toEqual(["a:1"]);
  });

  test("is proved by a frame only once the commit index in it is applied here", () => {
    const { cluster, provider } = clusterWith("a:1");
    cluster.starve("n2");
    provider.register("a:2");
    cluster.pass(1_000);
    const { ageMs } = cluster.node("n2").status;
    expect(ageMs).toBeGreaterThanOrEqual(900);
    cluster.passes = () => true;
    cluster.pass(1_000);
    expect(cluster.node("n2").status.ageMs).toBeLessThan(200);
  });

  test("is not made younger by an old leader that can confirm no round", () => {
    const { cluster } = clusterWith("a:1");
    cluster.isolate("n1");
    cluster.pass(1_000);
    expect(cluster.node("n1").status.role).toBe("leader");
    expect(cluster.node("n1").status.ageMs).toBeGreaterThanOrEqual(1_000);
  });

  test("is unknown after a start, and a stale read waits until it is known", () => {
    const { cluster } = clusterWith("a:1");
    cluster.crash("n2");
    cluster.passes = ({ to, from }) => to !== "n2" && from !== "n2";
    cluster.restart("n2");
    const client = cluster.connect("n2");
    const request = client.read(stale);
    cluster.pass(500);
    expect(cluster.node("n2").status).toMatchObject({ ageMs: null, isCaughtUp: false });
    expect(addrsOf(client, request)).toBeNull();
    cluster.passes = () => true;
    cluster.pass(500);
    expect(addrsOf(client, request)).toEqual(["a:1"]);
  });

  test("is not proved by an answer to a report of an earlier start", () => {
    const { cluster } = clusterWith("a:1");
    cluster.holds = (message) => isConfirmation(message) && message.to === "n2";
    cluster.pass(300);
    const late = [...cluster.bag];
    expect(late.length).toBeGreaterThan(0);
    cluster.crash("n2");
    cluster.restart("n2");
    // It has sent more reports by now than the earlier start had.
    cluster.pass(3_000);
    cluster.release((message) => late.includes(message));
    expect(cluster.node("n2").status.ageMs).toBeNull();
    cluster.release();
    expect(cluster.node("n2").status.ageMs).not.toBeNull();
  });
});

describe("what a client has seen", () => {
  test("is the least that any node shows it: a node that is behind lets it wait", () => {
    const { cluster, provider } = clusterWith("a:1");
    cluster.starve("n2");
    provider.register("a:2");
    cluster.deliver();
    const client = cluster.connect("n2", 2);
    const requests = [
      client.read(stale),
      client.read({ type: "stale", maxAgeMs: 10_000 }),
      client.read({ type: "atLeast", revision: 0 }),
    ];
    cluster.pass(200);
    expect(client.outputs).toEqual([]);
    cluster.passes = () => true;
    cluster.pass(500);
    expect(requests.map((request) => client.readOf(request)?.revision)).toEqual([2, 2, 2]);
  });
});

describe("a node that hears no leader after its start", () => {
  function alone(): Cluster {
    const { cluster, provider } = clusterWith("a:1");
    provider.register("a:2");
    cluster.deliver();
    cluster.isolate("n2");
    cluster.crash("n2");
    cluster.restart("n2");
    return cluster;
  }

  test("serves nothing for an election timeout, then what its disk knew to be committed", () => {
    const cluster = alone();
    const client = cluster.connect("n2");
    const request = client.read(stale);
    cluster.pass(1_900);
    expect(client.outputs).toEqual([]);
    cluster.pass(200);
    // a:2 is on its disk, but nothing there says that it was committed.
    expect(client.readOf(request)).toMatchObject({ ageMs: null, revision: 1 });
  });

  test("serves only reads that set no bound on the age, and refuses those that do", () => {
    const cluster = alone();
    const client = cluster.connect("n2");
    cluster.pass(2_500);
    const bounded = client.read({ type: "stale", maxAgeMs: 60_000 });
    const atLeast = client.read({ type: "atLeast", revision: 0 }, { timeoutMs: 200 });
    cluster.deliver();
    expect(client.answer(bounded)).toBe("TOO_STALE");
    cluster.pass(200);
    expect(client.answer(atLeast)).toBe("TIMEOUT");
  });

  test("shows no client less than it has seen elsewhere", () => {
    const cluster = alone();
    const client = cluster.connect("n2", 99);
    const request = client.read(stale, { timeoutMs: 3_000 });
    cluster.pass(2_900);
    expect(client.readOf(request)).toBeNull();
  });

  test("is current again once a leader has confirmed what it has applied", () => {
    const cluster = alone();
    cluster.pass(2_500);
    expect(cluster.node("n2").status.isCaughtUp).toBe(false);
    cluster.heal();
    cluster.pass(2_000);
    expect(cluster.node("n2").status).toMatchObject({ isCaughtUp: true, revision: 2 });
    const kinds = cluster
      .node("n2")
      .notices.flatMap((notice) => (notice.type === "caughtUp" ? [notice.ageKnown] : []));
    expect(kinds.slice(-2)).toEqual([false, true]);
  });
});

describe("a connection that is gone", () => {
  test("is owed nothing, and its reads leave their places to others", () => {
    const { cluster } = clusterWith("a:1");
    cluster.isolate("n2");
    cluster.pass(3_000);
    const client = cluster.connect("n2");
    client.read(linearizable, { timeoutMs: 60_000, of: selector() });
    client.read({ type: "atLeast", revision: 9 }, { timeoutMs: 60_000 });
    client.send({ type: "disconnected", byClient: true });
    cluster.pass(200);
    cluster.heal();
    cluster.pass(2_000);
    expect(client.outputs).toEqual([]);
  });
});

describe("more reads than a node lets wait", () => {
  test("are refused with OVERLOADED, and taken again where others have left their places", () => {
    const { cluster } = clusterWith("a:1");
    const [client, other] = [cluster.connect("n2"), cluster.connect("n2")];
    const ahead = { type: "atLeast", revision: 2 } as const;
    for (let waiting = 1; waiting < PENDING_READS_MAX; waiting += 1) {
      client.read(ahead, { timeoutMs: 60_000 });
    }
    const last = other.read(ahead);
    const tooMany = [other.read(ahead), other.read(linearizable), other.read(stale)];
    cluster.deliver();
    expect(other.answer(last)).toBeNull();
    expect(other.of("refused").map(({ refusal }) => refusal)).toMatchObject(
      tooMany.map(() => ({ code: "OVERLOADED", limit: PENDING_READS_MAX, retryAfterMs: 200 })),
    );
    client.close();
    cluster.pass(100);
    const now = other.read(linearizable);
    cluster.deliver();
    expect(addrsOf(other, now)).toEqual(["a:1"]);
  });
});
