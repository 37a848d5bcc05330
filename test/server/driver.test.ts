import { describe, expect, it } from "vitest";
import { CHECKPOINT_ENTRIES, ELECTION_TICKS_MIN, TICK_MS } from "../../src/limits.ts";
import { confOf } from "../../src/raft/conf-state.ts";
import type { PersistRequest } from "../../src/raft/types.ts";
import { Registry } from "../../src/registry/registry.ts";
import type { ClientOutput } from "../../src/replica/inputs.ts";
import type { PeerMessage } from "../../src/replica/peer-messages.ts";
import { Replica } from "../../src/replica/replica.ts";
import { Driver } from "../../src/server/driver.ts";
import { SendPump } from "../../src/server/send-pump.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { commandCodec } from "../../src/wire/command-codec.ts";
import { confCodec } from "../../src/wire/conf-codec.ts";
import { snapshotCodec } from "../../src/wire/snapshot-codec.ts";
import { Loop } from "./loop.ts";

const [A, B, C] = ["a".repeat(16), "b".repeat(16), "c".repeat(16)] as const;

/** A disk that answers when it is told to. */
class Disk implements Storage {
  readonly requests: PersistRequest[] = [];
  onPersist: () => void = () => {};
  #settle: { resolve: () => void; reject: (error: Error) => void } | null = null;

  persist(request: PersistRequest): Promise<void> {
    this.requests.push(request);
    this.onPersist();
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
  }

  async finish(): Promise<void> {
    this.#settle?.resolve();
    await new Promise((resolve) => setImmediate(resolve));
  }

  async fail(): Promise<void> {
    this.#settle?.reject(new Error("EIO: i/o error, fdatasync"));
    await new Promise((resolve) => setImmediate(resolve));
  }

  async readChunk(): Promise<null> {
    return null;
  }

  async *chunks(): AsyncIterable<Uint8Array> {}

  async close(): Promise<void> {}
}

function world(voters: readonly string[]) {
  const loop = new Loop();
  const disk = new Disk();
  const sent: PeerMessage[][] = [];
  const setAside: string[] = [];
  const givenUp: string[] = [];
  const fatal: { exitCode: number; error: unknown }[] = [];
  const readied: number[] = [];
  const members = voters.map((id) => ({ id, name: id, address: "" }));
  const replica = new Replica(
    {
      id: A,
      restored: {
        hardState: { term: 1, vote: null },
        snapshot: { index: 0, term: 0, conf: confOf(members) },
        logStart: { index: 0, term: 0 },
        entries: [],
        commitIndex: 0,
        lostEnd: null,
        registry: new Registry(),
      },
      codec: commandCodec,
      snapshotCodec,
      confCodec,
      random: () => 0,
    },
    { monotonicMs: loop.nowMs, wallMs: loop.nowMs },
  );
  const pump = new SendPump(loop, loop, () => {});
  const driver = new Driver({
    replica,
    storage: disk,
    clock: loop,
    timers: loop,
    pump,
    sendToPeer: (_, messages) => sent.push([...messages]),
    observer: { notice: () => {}, readied: (seconds) => readied.push(seconds) },
    setAside: async (text) => void setAside.push(text),
    giveUp: async (text) => void givenUp.push(text),
    onFatal: (exitCode, error) => fatal.push({ exitCode, error }),
  });
  driver.start();
  const preVotes = () => sent.flat().filter((message) => message.type === "preVote");
  const head = { from: B, to: A, term: 1 } as const;
  const heartbeat = (round = 1, commitIndex = 0): void =>
    driver.step({
      type: "peerMessage",
      message: { type: "heartbeat", ...head, commitIndex, round },
    });
  /** Entry `index`, of which all before it are committed. */
  const append = (index: number): void => {
    const entry = { index, term: 1, kind: "noop", data: new Uint8Array() } as const;
    const before = { prevLogIndex: index - 1, prevLogTerm: index === 1 ? 0 : 1 };
    driver.step({
      type: "peerMessage",
      message: {
        type: "appendEntries",
        ...head,
        ...before,
        entries: [entry],
        commitIndex: index - 1,
      },
    });
  };
  const parts = { loop, disk, sent, setAside, givenUp, fatal, readied, driver, pump };
  return { ...parts, preVotes, heartbeat, append };
}

/** Up to the last tick before the election timeout. */
function nearlyTimeOut({ loop }: ReturnType<typeof world>): void {
  for (let tick = 1; tick < ELECTION_TICKS_MIN; tick += 1) {
    loop.fireTimers(TICK_MS);
    loop.turns(3);
  }
}

describe("the driver", () => {
  it("gives the directory up, then ends, when it is older than what was acknowledged from it", async () => {
    const follower = world([A, B, C]);
    follower.append(1);
    follower.loop.turns(3);
    await follower.disk.finish();
    follower.loop.turns(3);
    follower.heartbeat(1, 1);
    expect(follower.givenUp).toEqual([]);
    follower.heartbeat(2, 2);
    follower.heartbeat(3, 2);
    await new Promise((resolve) => setImmediate(resolve));
    const told = expect.stringMatching(/older copy.*entry 2 .*ends at 1/);
    expect(follower.givenUp).toEqual([told]);
    expect(follower.fatal).toMatchObject([
      { exitCode: 74, error: { message: told, hint: expect.stringContaining("member replace") } },
    ]);
    expect(follower.setAside).toEqual([]);
    const sent = follower.sent.length;
    follower.loop.fireTimers(TICK_MS);
    follower.loop.turns(3);
    expect(follower.sent).toHaveLength(sent);
  });

  it("sets the directory aside, then ends with a code of its own, when its state is not the majority's", async () => {
    const follower = world([A, B, C]);
    const entries = Array.from({ length: CHECKPOINT_ENTRIES }, (_, at) => ({
      index: at + 1,
      term: 1,
      kind: "noop" as const,
      data: new Uint8Array(),
    }));
    const index = CHECKPOINT_ENTRIES;
    const head = { to: A, term: 1 };
    const log = { prevLogIndex: 0, prevLogTerm: 0, commitIndex: index, entries };
    follower.driver.step({
      type: "peerMessage",
      message: { type: "appendEntries", from: B, ...head, ...log },
    });
    follower.loop.turns(3);
    await follower.disk.finish();
    follower.loop.turns(3);
    for (const from of [B, C]) {
      const digest = "f".repeat(16);
      follower.driver.step({
        type: "peerMessage",
        message: { type: "checkpoint", from, ...head, index, digest },
      });
    }
    follower.loop.turns(3);
    expect(follower.fatal).toEqual([]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(follower.setAside).toEqual([expect.stringContaining("has diverged")]);
    expect(follower.fatal).toMatchObject([
      { exitCode: 76, error: { message: expect.stringContaining(`log index ${index}`) } },
    ]);
    const sent = follower.sent.length;
    follower.loop.fireTimers(TICK_MS);
    follower.loop.turns(3);
    expect(follower.sent).toHaveLength(sent);
  });

  it("campaigns when the leader has been silent for the election timeout", () => {
    const follower = world([A, B, C]);
    follower.heartbeat();
    nearlyTimeOut(follower);
    expect(follower.preVotes()).toEqual([]);
    follower.loop.fireTimers(TICK_MS);
    follower.loop.turns(3);
    expect(follower.preVotes()).toHaveLength(2);
  });

  it("hears, after a stall, the heartbeats that waited in the sockets before it ticks", () => {
    const follower = world([A, B, C]);
    follower.heartbeat();
    nearlyTimeOut(follower);
    // Timers first, as in libuv; then the sockets, between the two turns.
    follower.loop.fireTimers(20 * TICK_MS);
    follower.loop.turn();
    follower.heartbeat();
    follower.loop.turns(3);
    expect(follower.preVotes()).toEqual([]);
  });

  it("takes one late timer for one tick, however late", () => {
    const follower = world([A, B, C]);
    follower.heartbeat();
    follower.loop.fireTimers(60_000);
    follower.loop.turns(3);
    expect(follower.preVotes()).toEqual([]);
  });

  it("campaigns when the alarm rings that Raft asked for, and not before", () => {
    const follower = world([A, B, C]);
    follower.heartbeat();
    follower.loop.turns(3);
    follower.driver.step({ type: "peerGone", peer: B, isGone: true });
    follower.loop.turns(3);
    expect(follower.preVotes()).toEqual([]);
    follower.loop.fireDue(0);
    follower.loop.turns(3);
    expect(follower.preVotes()).toHaveLength(2);
    follower.loop.fireDue(49);
    follower.loop.turns(3);
    expect(follower.preVotes()).toHaveLength(2);
    follower.loop.fireDue(1);
    follower.loop.turns(3);
    expect(follower.preVotes()).toHaveLength(4);
  });

  it("hears what waited in the sockets before the alarm of a stalled follower rings", () => {
    const follower = world([A, B, C]);
    follower.heartbeat();
    follower.loop.turns(3);
    follower.driver.step({ type: "peerGone", peer: B, isGone: true });
    follower.loop.turns(3);
    follower.loop.fireDue(3_000);
    follower.loop.turn();
    follower.heartbeat();
    follower.loop.turns(3);
    expect(follower.preVotes()).toEqual([]);
  });

  it("ends with exit code 74 when a write fails, and says nothing more to anybody", async () => {
    const single = world([A]);
    const told: ClientOutput[] = [];
    const connection = single.driver.connect({ accept: (output) => told.push(output) }, 0);
    for (
      let tick = 0;
      tick < 3 * ELECTION_TICKS_MIN && single.disk.requests.length === 0;
      tick += 1
    ) {
      single.loop.fireTimers(TICK_MS);
      single.loop.turns(3);
    }
    expect(single.disk.requests).toHaveLength(1);
    single.driver.step({
      type: "read",
      connection,
      request: 1,
      selector: { namespace: "default", application: "a", protocol: null, meta: [] },
      consistency: { type: "stale", maxAgeMs: 0 },
      timeoutMs: 10,
    });
    await single.disk.fail();
    expect(single.fatal).toMatchObject([{ exitCode: 74 }]);
    for (let tick = 0; tick < 10; tick += 1) {
      single.loop.fireTimers(TICK_MS);
      single.loop.turns(3);
    }
    expect(told).toEqual([]);
    expect(single.disk.requests).toHaveLength(1);
    expect(single.driver.isEnded).toBe(true);
  });

  it("writes nothing of what waits for its sockets after a failed write", async () => {
    const single = world([A]);
    for (
      let tick = 0;
      tick < 3 * ELECTION_TICKS_MIN && single.disk.requests.length === 0;
      tick += 1
    ) {
      single.loop.fireTimers(TICK_MS);
      single.loop.turns(3);
    }
    let frames = 0;
    const sendFrame = (): boolean => {
      frames += 1;
      // A slice of the pump is over, and there is more.
      single.loop.nowMs += 1_000;
      return true;
    };
    single.pump.add({ sendFrame });
    single.loop.turn();
    expect(frames).toBeGreaterThan(0);
    const before = frames;
    await single.disk.fail();
    single.loop.turns(10);
    expect(frames).toBe(before);
  });

  it("ends with exit code 70 when an invariant is broken", () => {
    const node = world([A]);
    node.driver.step({ type: "persisted", write: 4711 });
    expect(node.fatal).toMatchObject([{ exitCode: 70, error: { name: "AssertionError" } }]);
  });

  it("has the disk and the peers at work before it applies what is committed", async () => {
    const follower = world([A, B, C]);
    const applied: number[] = [];
    follower.disk.onPersist = () => applied.push(follower.driver.status().lastApplied);
    follower.append(1);
    follower.loop.turns(2);
    await follower.disk.finish();
    follower.append(2);
    follower.loop.turn();
    expect(applied).toEqual([0, 0]);
    expect(follower.driver.status().lastApplied).toBe(1);
    expect(follower.sent.flat()).toMatchObject([{ type: "appendEntriesResponse", matchIndex: 1 }]);
  });

  it("steps what comes of carrying a turn out when all of it is carried out", async () => {
    const follower = world([A, B, C]);
    const rounds = () => follower.sent.flat().flatMap((m) => ("round" in m ? [m.round] : []));
    follower.append(1);
    follower.loop.turns(2);
    await follower.disk.finish();
    follower.disk.onPersist = () => follower.heartbeat(7);
    follower.append(2);
    follower.loop.turn();
    expect(follower.disk.requests).toHaveLength(2);
    expect(rounds()).toEqual([]);
    follower.loop.turn();
    expect(rounds()).toEqual([7]);
  });

  it("sends nothing more of a turn in which the disk fails", () => {
    const follower = world([A, B, C]);
    follower.disk.onPersist = () => follower.driver.storageFailed(new Error("EIO: i/o error"));
    follower.heartbeat();
    follower.append(1);
    follower.loop.turns(3);
    expect(follower.fatal).toMatchObject([{ exitCode: 74 }]);
    expect(follower.sent).toEqual([]);
  });

  it("tells how long consensus and state machine took", () => {
    const follower = world([A, B, C]);
    follower.heartbeat();
    follower.loop.turn();
    expect(follower.readied).toEqual([expect.any(Number)]);
    expect(follower.readied[0]).toBeGreaterThan(0);
  });

  it("hands a peer what a turn of inputs brings as one", async () => {
    const follower = world([A, B, C]);
    follower.driver.step({ type: "peerLink", peer: B, isUp: true });
    follower.loop.turns(2);
    follower.sent.length = 0;
    follower.heartbeat();
    follower.heartbeat();
    expect(follower.sent).toEqual([]);
    follower.loop.turn();
    expect(follower.sent).toHaveLength(1);
    expect(follower.sent[0]?.map((message) => message.type)).toContain("heartbeatResponse");
  });
});
