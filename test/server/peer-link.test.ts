import { beforeEach, describe, expect, it } from "vitest";
import type { Dialer, DialOptions, Socket } from "../../src/env/env.ts";
import { PeerLink } from "../../src/server/peer-link.ts";
import type { PeerHello } from "../../src/wire/messages.ts";
import { FakeTime, settle } from "../client/fake-time.ts";
import { LogBook } from "./world.ts";

const PEER = { name: "n2", incarnation: "2".repeat(16) };
const CLUSTER = { clusterId: "c".repeat(32), epoch: 1, members: [PEER] };
const HELLO: PeerHello = {
  ...{ type: "peerHello", protocol: 1, name: "n1", incarnation: "1".repeat(16) },
  ...{ advertise: "127.0.0.1:1", cluster: CLUSTER, memberAsOf: 0, view: [] },
};

/** As a kernel does for a process that stands still: it takes every dial and answers none. */
class MutePeer implements Dialer {
  readonly dials: {
    readonly url: string;
    readonly options: DialOptions;
    open: (socket: Socket) => void;
  }[] = [];
  /** Dials that wait now. */
  waiting = 0;
  readonly #time: FakeTime;

  constructor(time: FakeTime) {
    this.#time = time;
  }

  dial(url: string, options: DialOptions): Promise<Socket> {
    this.waiting += 1;
    const dialed = new Promise<Socket>((resolve, reject) => {
      this.dials.push({ url, options, open: resolve });
      options.signal?.addEventListener("abort", () => reject(new Error("given up")));
      const patienceMs = options.answerTimeoutMs ?? options.timeoutMs;
      this.#time.after(patienceMs, () => reject(new Error("timed out: no answer")));
    });
    return dialed.finally(() => {
      this.waiting -= 1;
    });
  }
}

/** Open, and silent. */
function openSocket(): Socket {
  return {
    ...{ subprotocol: "", remote: "127.0.0.1:2", bufferedBytes: 0 },
    ...{ onFrame: () => {}, onClose: () => {}, onPong: () => {} },
    ...{ send: () => {}, ping: () => {}, close: () => {}, terminate: () => {} },
  };
}

describe("the link to a peer that takes connections and does not answer", () => {
  let time: FakeTime;
  let peer: MutePeer;
  let log: LogBook;
  let link: PeerLink;
  let places: string[];

  beforeEach(() => {
    time = new FakeTime();
    places = ["127.0.0.1:2"];
    peer = new MutePeer(time);
    log = new LogBook();
    link = new PeerLink({
      ...{ peer: PEER, cluster: CLUSTER, dialer: peer, clock: time, timers: time, logger: log },
      ...{ addresses: () => places, hello: () => HELLO },
      ...{ onUp: () => {}, onDown: () => {}, onUnanswered: () => {}, onRemoved: () => {} },
      onSuperseded: () => {},
      random: { below: () => 0, bytes: (count) => new Uint8Array(count) },
    });
    link.start();
  });

  it("lets one dial wait instead of putting one behind the other into its queue", async () => {
    await time.advance(60_000);
    // After 2, 4, 8, 16 s and then every 30 s.
    expect(peer.dials.length).toBeLessThanOrEqual(6);
    expect(peer.waiting).toBe(1);
    await time.advance(600_000);
    expect(peer.dials.length).toBeLessThanOrEqual(26);
  });

  it("tells of it in one line", async () => {
    await time.advance(600_000);
    expect(log.lines.map(({ message }) => message)).toEqual([
      "peer cannot be reached: 127.0.0.1:2: timed out: no answer",
    ]);
  });

  it("dials anew when the peer is heard from, if the dial is older than an answer takes", async () => {
    await time.advance(20_000);
    const before = peer.dials.length;
    link.wake();
    await settle();
    expect(peer.dials.length).toBe(before + 1);
    expect(peer.waiting).toBe(1);
    await time.advance(1_000);
    link.wake();
    expect(peer.dials.length).toBe(before + 1);
  });

  it("keeps the dial that the peer has just taken when it is heard from", async () => {
    await time.advance(20_000);
    const before = peer.dials.length;
    peer.dials.at(-1)?.open(openSocket());
    await settle();
    link.wake();
    expect(peer.dials.length).toBe(before);
    expect(peer.dials.at(-1)?.options.signal?.aborted).toBe(false);
  });

  it("lets go of it when the peer was said to be somewhere else, and dials there", async () => {
    await time.advance(20_000);
    const before = peer.dials.length;
    places = ["127.0.0.1:3", "127.0.0.1:2"];
    link.moved();
    await settle();
    expect(peer.dials.slice(before).map(({ url }) => url)).toEqual(["ws://127.0.0.1:3/peer"]);
    expect(peer.waiting).toBe(1);
    link.stop();
    link.moved();
    await settle();
    expect(peer.waiting).toBe(0);
  });

  it("leaves no dial when it is stopped", async () => {
    await time.advance(20_000);
    link.stop();
    await settle();
    expect(peer.waiting).toBe(0);
  });
});
