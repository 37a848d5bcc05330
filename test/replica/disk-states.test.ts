import { describe, expect, test } from "vitest";
import {
  ELECTION_TICKS_MAX,
  HEARTBEAT_TICKS,
  LEARNER_LAG_ENTRIES_MAX,
  TICK_MS,
} from "../../src/limits.ts";
import type { DiskState } from "../../src/replica/disk-states.ts";
import type { PeerMessage, ReportConfirmed } from "../../src/replica/peer-messages.ts";
import { type Client, Cluster, key, logOf, secretOf } from "./harness.ts";
import { endsSeenBy, lives, openedOn, passAlive } from "./steps.ts";

/** Until every node has reported, heard what comes of it, and the leadership has moved. */
const HEARD_MS = 900;
/** Longer than a leader waits for a voter. */
const SILENT_MS = (ELECTION_TICKS_MAX + 1) * TICK_MS;

type Disks = readonly [DiskState, DiskState, DiskState];

/** n1 leads; the disks of n1, n2 and n3 are so, and all have heard of it. */
function ledWith(disks: Disks): { readonly cluster: Cluster; readonly clients: readonly Client[] } {
  const cluster = Cluster.led();
  const clients = cluster.ids.map((id) => openedOn(cluster, id, `of ${id}`));
  for (const client of clients) client.register(`${client.session}:1`);
  cluster.deliver();
  become(cluster, disks);
  return { cluster, clients };
}

function become(cluster: Cluster, disks: Disks): void {
  cluster.nodes.forEach((node, at) => {
    node.step({ type: "disk", state: disks[at] ?? "ok" });
  });
  cluster.pass(HEARD_MS);
}

function leaders(cluster: Cluster): string[] {
  return cluster.nodes
    .filter((node) => node.replica !== null && node.status.role === "leader")
    .map(({ id }) => id);
}

/** What each client gets at once for a write of each kind. */
function answers(cluster: Cluster, clients: readonly Client[]) {
  const asked = clients.map((client) => {
    const registered = client.register(`${client.session}:2`);
    const updated = client.write((numbers) => ({
      ...numbers,
      type: "update",
      key: key(`${client.session}:1`),
      set: { weight: 7 },
      ifRevision: null,
    }));
    return [registered, updated, client.deregister(`${client.session}:1`)];
  });
  cluster.deliver();
  return clients.map((client, at) => asked[at]?.map((request) => client.answer(request)));
}

/** To n3, of what is committed of its log. */
const isNews = ({ type, to }: PeerMessage): boolean =>
  to === "n3" && (type === "commit" || type === "heartbeat");

const each = <T>(answer: T): T[] => [answer, answer, answer];
const ALL = each(["ok", "ok", "ok"]);
const REMOVALS = each(["DISK_LOW", "DISK_LOW", "ok"]);
const NOTHING = each(["DISK_LOW", "DISK_LOW", "DISK_LOW"]);

describe("a leader whose disk is low", () => {
  test("hands over to a voter with room, and everything is taken there", () => {
    const { cluster, clients } = ledWith(["low", "low", "ok"]);
    expect(leaders(cluster)).toEqual(["n3"]);
    become(cluster, ["low", "ok", "ok"]);
    expect(leaders(cluster)).toEqual(["n3"]);
    expect(answers(cluster, clients)).toEqual(ALL);
  });

  test("leads on where all are, and takes what takes away", () => {
    const { cluster, clients } = ledWith(["low", "low", "low"]);
    expect(leaders(cluster)).toEqual(["n1"]);
    expect(answers(cluster, clients)).toEqual(REMOVALS);
    const opener = cluster.connect("n2");
    const opened = opener.open("another");
    const closed = clients[0]?.bye() ?? 0;
    const change = { type: "remove", id: "n3" } as const;
    cluster.node("n1").step({ type: "changeMembers", request: 1, change });
    cluster.deliver();
    expect(opener.answer(opened)).toBe("DISK_LOW");
    expect(clients[0]?.answer(closed)).toBe("ok");
    expect(cluster.node("n1").status.conf.voters).toEqual(["n1", "n2"]);
    expect(cluster.node("n1").status.intake).toBe("removals");
  });

  test("expires who is gone, and nobody who renews", () => {
    const { cluster, clients } = ledWith(["low", "low", "low"]);
    const [, alive] = clients as readonly [Client, Client, Client];
    clients[2]?.close(false);
    passAlive(cluster, alive, 12_000);
    expect([lives(cluster, "of n2"), lives(cluster, "of n3")]).toEqual([true, false]);
  });

  test("hands over to nobody who lacks much of the log, and then to who has it", () => {
    const { cluster, clients } = ledWith(["ok", "ok", "ok"]);
    cluster.passes = ({ type, to }) => type !== "appendEntries" || to !== "n3";
    for (let write = 0; write <= LEARNER_LAG_ENTRIES_MAX; write += 1) {
      clients[0]?.register(`${clients[0].session}:${write + 2}`);
      cluster.deliver();
    }
    const { lastIndex } = cluster.node("n1").status;
    expect(lastIndex - cluster.node("n3").status.lastIndex).toBeGreaterThan(
      LEARNER_LAG_ENTRIES_MAX,
    );
    become(cluster, ["low", "low", "ok"]);
    cluster.pass(SILENT_MS);
    expect(leaders(cluster)).toEqual(["n1"]);
    const { notices } = cluster.node("n1");
    expect(notices.filter(({ type }) => type === "leadershipTransfer")).toEqual([]);
    cluster.passes = () => true;
    cluster.pass(3_000);
    expect(leaders(cluster)).toEqual(["n3"]);
  });

  test("hands over only once an election timeout, where nothing comes of it", () => {
    const { cluster } = ledWith(["ok", "ok", "ok"]);
    cluster.passes = ({ type }) => type !== "timeoutNow";
    become(cluster, ["low", "ok", "ok"]);
    cluster.pass(10_000);
    const outcomes = cluster
      .node("n1")
      .notices.flatMap((notice) => (notice.type === "leadershipTransfer" ? [notice.outcome] : []));
    expect(outcomes.length).toBeGreaterThan(4);
    expect(outcomes.length).toBeLessThan(13);
    cluster.passes = () => true;
    cluster.pass(3_000);
    expect(leaders(cluster)).not.toEqual(["n1"]);
  });
});

describe("a leader with room", () => {
  test("takes everything while one follower has none", () => {
    const { cluster, clients } = ledWith(["ok", "ok", "full"]);
    expect(leaders(cluster)).toEqual(["n1"]);
    expect(answers(cluster, clients.slice(0, 2))).toEqual(ALL.slice(0, 2));
    expect(logOf(cluster.node("n3")).length).toBeLessThan(logOf(cluster.node("n1")).length);
    become(cluster, ["ok", "ok", "ok"]);
    expect(logOf(cluster.node("n3"))).toEqual(logOf(cluster.node("n1")));
  });

  test("takes what takes away while a majority is low", () => {
    const { cluster, clients } = ledWith(["ok", "low", "low"]);
    expect(leaders(cluster)).toEqual(["n1"]);
    expect(answers(cluster, clients)).toEqual(REMOVALS);
  });

  test("takes nothing while a majority is full, and puts nothing into its log", () => {
    const { cluster, clients } = ledWith(["ok", "full", "full"]);
    const entries = logOf(cluster.node("n1"));
    expect(answers(cluster, clients)).toEqual(NOTHING);
    clients[0]?.close(true);
    cluster.pass(5_000);
    expect(logOf(cluster.node("n1"))).toEqual(entries);
    expect(leaders(cluster)).toEqual(["n1"]);
  });

  test("takes nothing once the only one that could make up for a full one is silent", () => {
    const { cluster, clients } = ledWith(["ok", "full", "ok"]);
    expect(cluster.node("n1").status.intake).toBe("all");
    cluster.crash("n3");
    cluster.pass(SILENT_MS);
    expect(leaders(cluster)).toEqual(["n1"]);
    expect(answers(cluster, clients.slice(0, 2))).toEqual(NOTHING.slice(0, 2));
    cluster.restart("n3");
    cluster.pass(HEARD_MS);
    expect(answers(cluster, clients.slice(0, 1))).toEqual(ALL.slice(0, 1));
  });

  test("takes everything while one follower is silent and nobody is full", () => {
    const { cluster, clients } = ledWith(["ok", "ok", "ok"]);
    cluster.crash("n3");
    cluster.pass(SILENT_MS);
    expect(answers(cluster, clients.slice(0, 2))).toEqual(ALL.slice(0, 2));
  });

  test("takes nothing either before its no-op is committed, whatever was told before", () => {
    const { cluster, clients } = ledWith(["ok", "ok", "ok"]);
    cluster.crash("n1");
    cluster.node("n2").step({ type: "disk", state: "full" });
    cluster.elect("n3");
    const { status } = cluster.node("n3");
    expect(status.commitIndex).toBeLessThan(status.lastIndex);
    expect(status.intake).toBe("all");
    cluster.pass(SILENT_MS);
    expect(leaders(cluster)).toEqual(["n3"]);
    expect(answers(cluster, clients.slice(2))).toEqual(NOTHING.slice(2));
  });

  test("which is told to stop prefers a follower with room", () => {
    const { cluster } = ledWith(["ok", "full", "ok"]);
    cluster.node("n1").step({ type: "transferLeadership", to: null });
    cluster.pass(HEARD_MS);
    expect(leaders(cluster)).toEqual(["n3"]);
  });
});

describe("a follower whose disk is full", () => {
  test("refuses writes once the others have gone on, so that its clients go to them", () => {
    const { cluster, clients } = ledWith(["ok", "ok", "full"]);
    const stranded = cluster.node("n3");
    expect(stranded.status.isStranded).toBe(false);
    clients[0]?.register("ahead:1");
    cluster.pass(HEARD_MS);
    expect(stranded.status.isStranded).toBe(true);
    expect(answers(cluster, clients.slice(2))).toEqual([each("DRAINING")]);
    become(cluster, ["ok", "ok", "ok"]);
    expect(stranded.status.isStranded).toBe(false);
    expect(answers(cluster, clients.slice(2))).toEqual([each("ok")]);
    const told = stranded.notices.flatMap((notice) =>
      notice.type === "stranded" ? [notice.isStranded] : [],
    );
    expect(told).toEqual([true, false]);
  });

  test("does so too where its log is as long, by what a dead leader has left", () => {
    const cluster = Cluster.led({ size: 5 });
    const client = openedOn(cluster, "n1");
    const other = openedOn(cluster, "n2", "other");
    cluster.passes = ({ type, to }) => type !== "appendEntries" || to === "n3";
    for (const at of [1, 2, 3, 4]) {
      client.register(`left:${at}`);
      cluster.deliver();
    }
    const stranded = cluster.node("n3");
    stranded.step({ type: "disk", state: "full" });
    cluster.crash("n1");
    cluster.passes = () => true;
    cluster.elect("n2");
    const written = other.register("ahead:1");
    cluster.pass(HEARD_MS);
    expect(other.answer(written)).toBe("ok");
    const { lastIndex } = stranded.status;
    expect(cluster.node("n2").status.commitIndex).toBeLessThanOrEqual(lastIndex);
    expect(stranded.status.isStranded).toBe(true);
    stranded.step({ type: "disk", state: "ok" });
    cluster.pass(HEARD_MS);
    expect(stranded.status).toMatchObject({
      isStranded: false,
      commitIndex: cluster.node("n2").status.commitIndex,
    });
  });

  test("is not stranded for a moment where only the news of what is committed is late", () => {
    const { cluster, clients } = ledWith(["ok", "ok", "ok"]);
    const late = cluster.node("n3");
    cluster.passes = (message) => !isNews(message);
    clients[0]?.register("news:1");
    cluster.pass((2 * HEARTBEAT_TICKS + 1) * TICK_MS);
    late.step({ type: "disk", state: "full" });
    // One heartbeat is lost, and the next one is not.
    cluster.pass(HEARTBEAT_TICKS * TICK_MS);
    const { commitIndex } = cluster.node("n1").status;
    expect(late.status.lastIndex).toBe(commitIndex);
    expect(late.status.commitIndex).toBeLessThan(commitIndex);
    cluster.passes = () => true;
    cluster.pass(HEARD_MS);
    expect(late.status.commitIndex).toBe(commitIndex);
    expect(late.notices.filter(({ type }) => type === "stranded")).toEqual([]);
  });

  test("is of use again where nobody leads who could go on", () => {
    const { cluster, clients } = ledWith(["ok", "ok", "full"]);
    clients[0]?.register("ahead:1");
    cluster.pass(HEARD_MS);
    cluster.isolate("n3");
    cluster.pass(5_000);
    expect(cluster.node("n3").status).toMatchObject({ leader: null, isStranded: false });
  });
});

describe("a leader whose disk is full", () => {
  test("hands over to one that is low, where nobody has room", () => {
    const { cluster, clients } = ledWith(["full", "low", "low"]);
    expect(leaders(cluster)).toHaveLength(1);
    expect(leaders(cluster)).not.toContain("n1");
    expect(answers(cluster, clients.slice(1))).toEqual(REMOVALS.slice(1));
  });

  test("leads on where another one could not become ready, since the third is silent", () => {
    const { cluster } = ledWith(["ok", "ok", "ok"]);
    cluster.crash("n3");
    cluster.pass(SILENT_MS);
    become(cluster, ["full", "ok", "ok"]);
    cluster.pass(3_000);
    expect(leaders(cluster)).toEqual(["n1"]);
  });

  test("leads on where a majority is full: another one could not become ready", () => {
    const { cluster, clients } = ledWith(["full", "ok", "full"]);
    cluster.pass(3_000);
    expect(leaders(cluster)).toEqual(["n1"]);
    expect(answers(cluster, clients)).toEqual(NOTHING);
  });
});

describe("a leader whose disk becomes full before its no-op is committed", () => {
  test("proposes nothing of what it is given meanwhile", () => {
    const { cluster, clients } = ledWith(["ok", "ok", "ok"]);
    cluster.passes = ({ type }) => type !== "appendEntriesResponse";
    cluster.node("n1").step({ type: "transferLeadership", to: null });
    cluster.pass(HEARD_MS);
    const [leader = ""] = leaders(cluster);
    const { status } = cluster.node(leader);
    expect(status.lastIndex).toBeGreaterThan(status.commitIndex);
    cluster.node(leader).step({ type: "disk", state: "full" });
    for (const client of clients) client.register(`${client.session}:2`);
    cluster.deliver();
    expect(cluster.node(leader).status).toMatchObject({
      lastIndex: status.lastIndex,
      intake: "nothing",
    });
  });

  test("is not stranded by what the last leader has told it: nobody goes on without it", () => {
    const { cluster, clients } = ledWith(["ok", "ok", "ok"]);
    const late = cluster.node("n3");
    cluster.passes = (message) => !isNews(message);
    clients[0]?.register("news:1");
    cluster.pass((HEARTBEAT_TICKS + 1) * TICK_MS);
    const { commitIndex } = cluster.node("n1").status;
    expect(late.status.commitIndex).toBeLessThan(commitIndex);
    cluster.crash("n1");
    cluster.passes = ({ type }) => type !== "appendEntriesResponse";
    cluster.elect("n3");
    late.step({ type: "disk", state: "full" });
    cluster.pass(HEARD_MS);
    expect(late.status).toMatchObject({ role: "leader", isStranded: false });
    expect(late.status.commitIndex).toBeLessThan(commitIndex);
  });
});

describe("while all disks are full", () => {
  test("reads and renewals go on, nobody is expired, and all ends by itself", () => {
    const { cluster, clients } = ledWith(["full", "full", "full"]);
    const [one, other, silent] = clients as readonly [Client, Client, Client];
    silent.close(false);
    for (let ms = 0; ms < 30_000; ms += 1_000) {
      const pings = [one.ping(), other.ping()];
      const read = other.read({ type: "linearizable" });
      cluster.pass(1_000);
      expect([one.pongOf(pings[0] ?? 0), other.pongOf(pings[1] ?? 0)]).toEqual([true, true]);
      expect(other.readOf(read)?.instances).toHaveLength(3);
    }
    expect(leaders(cluster)).toEqual(["n1"]);
    expect(cluster.nodes.flatMap(endsSeenBy)).toEqual([]);
    become(cluster, ["ok", "ok", "ok"]);
    expect(answers(cluster, [one, other])).toEqual(ALL.slice(0, 2));
    expect([lives(cluster, "of n1"), lives(cluster, "of n2")]).toEqual([true, true]);
    expect(endsSeenBy(cluster.node("n1"))).toEqual([{ session: "of n3", reason: "ttl" }]);
  });

  test("what comes again and again is not kept for later", () => {
    const { cluster, clients } = ledWith(["ok", "ok", "ok"]);
    const entries = logOf(cluster.node("n1")).length;
    // n2 has not heard that nothing is taken, and goes on handing over.
    cluster.passes = ({ type, to }) => type !== "reportConfirmed" || to !== "n2";
    become(cluster, ["full", "full", "full"]);
    const requests = [1, 2, 3].map((at) => {
      const request = clients[1]?.register(`late:${at}`, { timeoutMs: 1_000 }) ?? 0;
      cluster.pass(2_000);
      return request;
    });
    expect(requests.map((request) => clients[1]?.answer(request))).toEqual(each("TIMEOUT"));
    cluster.passes = () => true;
    become(cluster, ["ok", "ok", "ok"]);
    expect(logOf(cluster.node("n1"))).toHaveLength(entries);
  });
});

describe("what a node refuses", () => {
  test("is not what it has given to a leader before: that may still happen", () => {
    const { cluster, clients } = ledWith(["ok", "ok", "ok"]);
    const [, client] = clients as readonly [Client, Client, Client];
    cluster.holds = ({ type }) => type === "forward";
    const first = client.register("twice:1", { seq: 2 });
    cluster.deliver();
    become(cluster, ["low", "low", "low"]);
    const again = client.register("twice:1", { seq: 2 });
    cluster.holds = () => false;
    cluster.release();
    expect([client.answer(first), client.answer(again)]).toEqual(["TIMEOUT", "ok"]);
  });

  test("is what the last leader said until the next one is heard", () => {
    const { cluster, clients } = ledWith(["ok", "full", "full"]);
    const confirmed: ReportConfirmed[] = [];
    cluster.passes = (message) => {
      if (message.type === "reportConfirmed") confirmed.push(message);
      return message.from !== "n1" && message.to !== "n1";
    };
    cluster.pass(5_000);
    expect(confirmed).toEqual([]);
    expect(answers(cluster, clients.slice(1))).toEqual(NOTHING.slice(1));
  });

  test("says when to come again, and the secret of a refused opening binds nobody", () => {
    const { cluster } = ledWith(["low", "low", "low"]);
    const opener = cluster.connect("n2");
    const request = opener.open("fresh", { secret: secretOf("thief") });
    cluster.deliver();
    expect(opener.of("refused").at(-1)).toMatchObject({
      request,
      refusal: { code: "DISK_LOW", retryAfterMs: 1_000 },
    });
    become(cluster, ["ok", "ok", "ok"]);
    const owner = openedOn(cluster, "n3", "fresh");
    expect(owner.session).toBe("fresh");
  });
});
