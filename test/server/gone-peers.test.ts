import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { freePorts } from "../../jepsen-lite/net/ports.ts";
import { nodeClock, nodeRandom, nodeTimers } from "../../src/env/node-env.ts";
import { wsDialer } from "../../src/env/ws-dialer.ts";
import { listen } from "../../src/env/ws-listener.ts";
import { PEER_ANSWER_MS } from "../../src/limits.ts";
import { confOf } from "../../src/raft/conf-state.ts";
import type { KnownMembers } from "../../src/replica/peer-standing.ts";
import { PeerLinks } from "../../src/server/peer-links.ts";
import type { PeerHello, PeerRefused } from "../../src/wire/messages.ts";
import { encodePeerHello } from "../../src/wire/peer-codec.ts";
import { LogBook } from "./world.ts";

const [SELF, PEER] = ["a".repeat(16), "b".repeat(16)] as const;
const cluster = {
  clusterId: "c".repeat(32),
  epoch: 1,
  members: [
    { name: "n1", incarnation: SELF },
    { name: "n2", incarnation: PEER },
  ],
};
const peerHello: PeerHello = {
  type: "peerHello",
  protocol: 1,
  name: "n2",
  incarnation: PEER,
  advertise: "127.0.0.1:1",
  cluster,
  memberAsOf: 0,
  view: [],
};

function knownOf(ids: readonly string[], commitIndex: number): KnownMembers {
  const conf = confOf(ids.map((id) => ({ id, name: id === SELF ? "n1" : "n2", address: "" })));
  return { conf, committedConf: conf, commitIndex };
}

/** The process of n2: a port that welcomes whoever dials it, or says nothing. */
class PeerProcess {
  readonly port: number;
  isMute = false;
  refusal: PeerRefused | null = null;
  #server: WebSocketServer | null = null;

  constructor(port: number) {
    this.port = port;
  }

  async start(): Promise<void> {
    const server = new WebSocketServer({ host: "127.0.0.1", port: this.port });
    server.on("connection", (ws) => {
      ws.on("error", () => {});
      ws.once("message", () => {
        const answer = this.refusal ?? { ...peerHello, type: "peerWelcome" };
        if (!this.isMute) ws.send(encodePeerHello(answer));
      });
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.once("listening", resolve));
  }

  resetAll(): void {
    for (const ws of this.#server?.clients ?? []) ws.terminate();
  }

  async die(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const ws of server.clients) ws.terminate();
    await closed;
  }
}

describe("a peer", () => {
  let peer: PeerProcess;
  let links: PeerLinks;
  let ownPort: number;
  let stopListening: () => Promise<void>;
  let told: { readonly what: string; readonly atMs: number }[];
  let known: KnownMembers;

  beforeEach(async () => {
    const [port = 0] = await freePorts(1);
    told = [];
    known = knownOf([SELF, PEER], 10);
    peer = new PeerProcess(port);
    await peer.start();
    const tell = (what: string) => told.push({ what, atMs: performance.now() });
    links = new PeerLinks({
      self: { name: "n1", incarnation: SELF },
      advertise: "127.0.0.1:2",
      cluster,
      peers: cluster.members,
      known: () => known,
      joinedIndex: 0,
      addressesOf: () => [`127.0.0.1:${port}`],
      onAdvertised: () => {},
      dialer: wsDialer,
      clock: nodeClock,
      timers: nodeTimers,
      random: nodeRandom,
      logger: new LogBook(),
      onMessage: () => {},
      onLink: (_, isUp) => tell(isUp ? "up" : "down"),
      onGone: (_, isGone) => tell(isGone ? "gone" : "back"),
      onRemoved: () => tell("removed"),
      onSuperseded: ({ epoch }) => tell(`superseded by ${epoch}`),
    });
    const listener = await listen({
      host: "127.0.0.1",
      port: 0,
      ...{ handshakeTimeoutMs: 1_000, silenceMsMax: 1_000, connectionsMax: 100, pipelinedMax: 3 },
      onDropped: () => {},
      onUpgrade: () => ({
        accept: true,
        subprotocol: null,
        frameLimit: { name: "TEST_BYTES_MAX", bytes: 1024 },
        onSocket: (socket) => void links.accept(socket),
      }),
      onRequest: async () => ({ status: 404, contentType: "text/plain", body: "" }),
    });
    ownPort = listener.port;
    stopListening = () => listener.close();
    links.start();
    await heard("up");
  });

  afterEach(async () => {
    links.stop();
    await stopListening();
    await peer.die();
  });

  async function heard(what: string, times = 1): Promise<void> {
    const endMs = performance.now() + 5_000;
    while (told.filter((event) => event.what === what).length < times) {
      if (performance.now() > endMs) throw new Error(`not told ${what} ${times} times`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  const whats = () => told.map(({ what }) => what);

  /** n2 dials n1 as well, or somebody else. */
  async function dialIn(changes: Partial<PeerHello> = {}): Promise<WebSocket> {
    const ws = new WebSocket(`ws://127.0.0.1:${ownPort}/peer`);
    await new Promise((resolve) => ws.once("open", resolve));
    ws.send(encodePeerHello({ ...peerHello, ...changes }));
    await new Promise((resolve) => ws.once("message", resolve));
    return ws;
  }

  it("that is no member any more is spoken to for a while, and then let go and refused", async () => {
    const [self] = cluster.members;
    known = knownOf([SELF], 11);
    links.setPeers(self === undefined ? [] : [self]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(links.status()).toMatchObject([{ name: "n2", isUp: true }]);
    const endMs = performance.now() + 10_000;
    while (links.status().length > 0 && performance.now() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(links.status()).toEqual([]);
    expect(whats()).toEqual(["up", "down"]);
    const ws = await dialIn();
    await new Promise((resolve) => ws.once("close", resolve));
    known = knownOf([SELF, PEER], 12);
    links.setPeers(cluster.members);
    await heard("up", 2);
  }, 20_000);

  const guest = { name: "n9", incarnation: "d".repeat(16), memberAsOf: 20 };
  const names = () => links.status().map(({ name }) => name);

  async function linked(...expected: readonly string[]): Promise<void> {
    const endMs = performance.now() + 5_000;
    while (names().join() !== expected.join() && performance.now() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(names()).toEqual(expected);
  }

  it("that no configuration names is linked to while it is connected, if it may be one yet", async () => {
    const ws = await dialIn(guest);
    expect(names()).toEqual(["n2", "n9"]);
    ws.close();
    await linked("n2");
  });

  // Of a node without its log: no configuration that it has names who joined, but its directory does.
  it("that is to be linked to is no guest, though no configuration names it", async () => {
    links.setPeers([...cluster.members, guest]);
    expect(names()).toEqual(["n2", "n9"]);
    const ws = await dialIn(guest);
    ws.close();
    await new Promise((resolve) => ws.once("close", resolve));
    await new Promise((resolve) => setImmediate(resolve));
    expect(names()).toEqual(["n2", "n9"]);
  });

  it("that was a guest is let go when it turns out to be removed, and stays when it is added", async () => {
    const ws = await dialIn(guest);
    known = knownOf([SELF, PEER], 19);
    links.setPeers(cluster.members);
    expect(names()).toEqual(["n2", "n9"]);
    known = knownOf([SELF, PEER], 20);
    const closed = new Promise((resolve) => ws.once("close", resolve));
    links.setPeers(cluster.members);
    expect(await closed).toBe(1008);
    const again = await dialIn({ ...guest, memberAsOf: 21 });
    known = knownOf([SELF, PEER, guest.incarnation], 21);
    links.setPeers([...cluster.members, guest]);
    again.close();
    await new Promise((resolve) => again.once("close", resolve));
    await new Promise((resolve) => setImmediate(resolve));
    expect(names()).toEqual(["n2", "n9"]);
  });

  it("knows that this node was removed, and is believed where it knows more than this node", async () => {
    known = knownOf([SELF, PEER], 30);
    peer.refusal = { type: "peerRefused", code: "REMOVED", message: "gone", asOf: 29 };
    peer.resetAll();
    await heard("down");
    await heard("gone");
    expect(whats()).not.toContain("removed");
    peer.refusal = { ...peer.refusal, asOf: 30 };
    await heard("removed");
  });

  it("whose link is reset is not gone: it answers the next dial", async () => {
    for (let reset = 1; reset <= 20; reset += 1) {
      peer.resetAll();
      await heard("up", reset + 1);
    }
    expect(whats()).not.toContain("gone");
  });

  it("whose process has died is gone as soon as a dial is refused, and back when it is", async () => {
    await peer.die();
    await heard("gone");
    await peer.start();
    await heard("back");
    await heard("up", 2);
    expect(whats()).toEqual(["up", "down", "gone", "back", "up"]);
  });

  it("that takes a dial and says nothing is gone after its time to answer", async () => {
    peer.isMute = true;
    const resetMs = performance.now();
    peer.resetAll();
    await heard("gone");
    // Timers count whole milliseconds, and may be one of them early.
    expect((told.at(-1)?.atMs ?? 0) - resetMs).toBeGreaterThan(PEER_ANSWER_MS - 2);
  });

  it("whose own dial is still open is not gone, until that breaks too", async () => {
    const inbound = await dialIn();
    await peer.die();
    await heard("down");
    // Long enough for several dials to be refused.
    await new Promise((resolve) => setTimeout(resolve, 5 * PEER_ANSWER_MS));
    expect(whats()).toEqual(["up", "down"]);
    inbound.terminate();
    await heard("gone");
  });

  it("that is gone is back when it dials in", async () => {
    await peer.die();
    await heard("gone");
    const inbound = await dialIn();
    await heard("back");
    inbound.terminate();
  });
});
