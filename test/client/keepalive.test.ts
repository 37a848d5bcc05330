import { describe, expect, it } from "vitest";
import { Keepalive, type PingLink } from "../../src/client/keepalive.ts";
import type { Pong } from "../../src/wire/messages.ts";
import { FakeTime } from "./fake-time.ts";

const TTL_MS = 9_000;

/** A keepalive on a node that a client came to after `hops` others could not confirm it. */
function keepaliveAfter(hops: number) {
  const time = new FakeTime();
  const pings: number[] = [];
  let unconfirmed = 0;
  let deaths = 0;
  const link: { -readonly [K in keyof PingLink]: PingLink[K] } = {
    heardAtMs: 0,
    isWaiting: false,
    onRequest: () => {},
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
      onDead: () => {
        deaths += 1;
      },
      onUnconfirmed: () => {
        unconfirmed += 1;
      },
      onStall: () => {},
    },
  );
  keepalive.start();
  return {
    time,
    link,
    keepalive,
    pings,
    unconfirmedCount: () => unconfirmed,
    deathCount: () => deaths,
  };
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

describe("a client that waits for an answer", () => {
  it("pings a node that says nothing for half a second, and leaves it when that is not answered", async () => {
    const { time, link, pings, deathCount } = keepaliveAfter(0);
    await time.advance(100);
    link.heardAtMs = time.monotonicMs();
    const askedMs = time.monotonicMs();
    link.isWaiting = true;
    link.onRequest();
    await time.advance(499);
    expect(pings).toEqual([]);
    await time.advance(1);
    expect(pings).toEqual([askedMs + 500]);
    await time.advance(1_500);
    expect(deathCount()).toBe(1);
  });

  it("asks no node that talks", async () => {
    const { time, link, pings } = keepaliveAfter(0);
    link.isWaiting = true;
    link.onRequest();
    for (let step = 0; step < 20; step += 1) {
      link.heardAtMs = time.monotonicMs();
      await time.advance(100);
    }
    expect(pings).toEqual([]);
  });

  it("asks no node that has answered all", async () => {
    const { time, link, pings } = keepaliveAfter(0);
    link.isWaiting = true;
    link.onRequest();
    await time.advance(200);
    link.isWaiting = false;
    await time.advance(2_000);
    expect(pings).toEqual([]);
  });

  it("goes on asking one that answers pings and nothing else", async () => {
    const { time, link, pings, keepalive, deathCount } = keepaliveAfter(0);
    link.isWaiting = true;
    link.onRequest();
    for (let step = 1; step <= 2; step += 1) {
      await time.advance(500);
      expect(pings).toHaveLength(step);
      keepalive.onPong({ type: "pong", id: step } as Pong);
    }
    expect(deathCount()).toBe(0);
  });
});
