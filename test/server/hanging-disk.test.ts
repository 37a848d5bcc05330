import { afterEach, describe, expect, it } from "vitest";
import { nodeClock, nodeRandom, nodeTimers } from "../../src/env/node-env.ts";
import { ELECTION_TICKS_MAX, ELECTION_TICKS_MIN, TICK_MS } from "../../src/limits.ts";
import { confOf } from "../../src/raft/conf-state.ts";
import type { ConfMember } from "../../src/raft/types.ts";
import { Registry } from "../../src/registry/registry.ts";
import type { ClientOutput } from "../../src/replica/inputs.ts";
import { Replica } from "../../src/replica/replica.ts";
import { Driver } from "../../src/server/driver.ts";
import { SendPump } from "../../src/server/send-pump.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { deferred } from "../../src/util/deferred.ts";
import { commandCodec } from "../../src/wire/command-codec.ts";
import { confCodec } from "../../src/wire/conf-codec.ts";
import { snapshotCodec } from "../../src/wire/snapshot-codec.ts";

/** A disk on which every write completes, until it hangs: then none does. */
class Disk implements Storage {
  isHanging = false;

  async persist(): Promise<void> {
    if (this.isHanging) {
      await deferred<void>().promise;
    }
  }

  async readChunk(): Promise<null> {
    return null;
  }

  async *chunks(): AsyncIterable<Uint8Array> {}

  async close(): Promise<void> {}
}

const IDS = ["a".repeat(16), "b".repeat(16), "c".repeat(16)];

function memberOf(id: string): ConfMember {
  return { id, name: id, address: "" };
}

interface Member {
  readonly id: string;
  readonly disk: Disk;
  readonly driver: Driver;
}

/** Three drivers around real replicas, in real time; messages take a turn of the loop. */
function startAll(): Member[] {
  const members: Member[] = IDS.map((id) => {
    const disk = new Disk();
    const options = {
      id,
      restored: {
        hardState: { term: 0, vote: null },
        snapshot: { index: 0, term: 0, conf: confOf(IDS.map(memberOf)) },
        logStart: { index: 0, term: 0 },
        entries: [],
        commitIndex: 0,
        lostEnd: null,
        registry: new Registry(),
      },
      codec: commandCodec,
      snapshotCodec,
      confCodec,
      random: nodeRandom.below,
    };
    const now = { monotonicMs: nodeClock.monotonicMs(), wallMs: 0 };
    const driver = new Driver({
      replica: new Replica(options, now),
      storage: disk,
      clock: nodeClock,
      timers: nodeTimers,
      pump: new SendPump(nodeClock, nodeTimers, () => {}),
      sendToPeer: (peer, messages) =>
        nodeTimers.soon(() => {
          for (const message of messages) {
            members
              .find((other) => other.id === peer)
              ?.driver.step({
                type: "peerMessage",
                message,
              });
          }
        }),
      observer: { notice: () => {}, readied: () => {} },
      setAside: async () => {},
      giveUp: async () => {},
      onFatal: (_, error) => {
        throw error;
      },
    });
    return { id, disk, driver };
  });
  for (const { id, driver } of members) {
    driver.start();
    for (const peer of IDS) {
      if (peer !== id) {
        driver.step({ type: "peerLink", peer, isUp: true });
      }
    }
  }
  return members;
}

async function until<T>(timeoutMs: number, ask: () => T | undefined): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    const answer = ask();
    if (answer !== undefined) {
      return answer;
    }
    if (performance.now() > endMs) {
      throw new Error(`not within ${timeoutMs} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Opens a session, which is a write, and resolves when it is answered. */
async function write({ driver }: Member, session: string, timeoutMs: number): Promise<boolean> {
  const told: ClientOutput[] = [];
  const connection = driver.connect({ accept: (output) => told.push(output) }, 0);
  const secretHash = "f".repeat(64);
  const times = { ttlMs: 10_000, graceMs: 2_000, timeoutMs };
  const attached = { session, secretHash, attach: 1, client: "test" };
  driver.step({ type: "open", connection, request: 1, ...attached, ...times });
  const answer = await until(timeoutMs + 1_000, () =>
    told.find((output) => output.type === "writeReply" || output.type === "refused"),
  );
  return answer.type === "writeReply";
}

describe("a leader whose disk hangs", () => {
  let members: Member[] = [];

  afterEach(() => {
    for (const { driver } of members) {
      void driver.stop();
    }
  });

  it("is replaced by a member with a working one, and what waited is written there", async () => {
    members = startAll();
    const leader = await until(10_000, () =>
      members.find(({ driver }) => driver.status().role === "leader"),
    );
    const [other] = members.filter((member) => member !== leader) as [Member];
    expect(await write(other, "0".repeat(32), 5_000)).toBe(true);
    leader.disk.isHanging = true;
    // The first is in the write that hangs; the second would wait behind it.
    const hungMs = performance.now();
    const waiting = [write(other, "1".repeat(32), 10_000)];
    await new Promise((resolve) => setTimeout(resolve, 2 * TICK_MS));
    waiting.push(write(other, "2".repeat(32), 10_000));
    expect(await Promise.all(waiting)).toEqual([true, true]);
    const tookMs = performance.now() - hungMs;
    expect(tookMs).toBeGreaterThan(ELECTION_TICKS_MIN * TICK_MS - 4 * TICK_MS);
    expect(tookMs).toBeLessThan(2 * ELECTION_TICKS_MAX * TICK_MS);
    expect(leader.driver.status().role).toBe("follower");
  }, 30_000);
});
