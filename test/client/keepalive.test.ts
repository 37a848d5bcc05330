import { describe, expect, it } from "vitest";
import { Keepalive, type PingLink } from "../../src/client/keepalive.ts";
import { FakeTime } from "./fake-time.ts";

const TTL_MS = 9_000;

/** A keepalive on a node that a client came to after `hops` others could not confirm it. */
function keepaliveAfter(hops: number) {
  const time = new FakeTime();
  const pings: number[] = [];
  let unconfirmed = 0;
  const link: PingLink = {
    heardAtMs: 0,
    nextId: () => pings.length + 1,
    send: () => {
      pings.push(time.monotonicMs());
    },
  };
  const keepalive = new Keepalive(
    link,
    { clock: time, timers: time },
    { ttlMs: TTL_MS, hops, servers: 3 },
    time.monotonicMs(),
    {
      onPong: () => true,
      onDead: () => {},
      onUnconfirmed: () => {
        unconfirmed += 1;
      },
      onStall: () => {},
    },
  );
  keepalive.start();
  return { time, keepalive, pings, unconfirmedCount: () => unconfirmed };
}

describe("a client that had to move", () => {
  it("pings the node that confirmed it, and rests there", async () => {
    const { time, keepalive, pings, unconfirmedCount } = keepaliveAfter(1);
    keepalive.confirmed(time.monotonicMs());
    await time.advance(TTL_MS / 3 + 10);
    expect(pings).toHaveLength(1);
    expect(unconfirmedCount()).toBe(0);
  });

  it("leaves a node that has not confirmed it after a third of its TTL", async () => {
    const { time, unconfirmedCount } = keepaliveAfter(1);
    await time.advance(TTL_MS / 3 + 10);
    expect(unconfirmedCount()).toBe(1);
  });
});
