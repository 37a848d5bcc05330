import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { freePorts } from "../../jepsen-lite/net/ports.ts";
import { GUESTS_MAX } from "../../src/limits.ts";
import type { PeerMessage } from "../../src/replica/peer-messages.ts";
import type { PeerAnswer, PeerCluster, PeerHello } from "../../src/wire/messages.ts";
import { decodePeerHello, encodePeerFrame, encodePeerHello } from "../../src/wire/peer-codec.ts";
import { Cluster } from "./world.ts";

/** Speaks as n3, whose process has been stopped. */
describe("peer links", () => {
  let cluster: Cluster;
  let self: PeerCluster;
  const idOf = (name: string) =>
    self.members.find((member) => member.name === name)?.incarnation ?? "";

  beforeAll(async () => {
    cluster = await Cluster.started(3);
    const status = cluster.nodes.get("n1")?.status();
    const [clusterId = "", epoch = ""] = status?.lineage.split(".") ?? [];
    self = {
      clusterId,
      epoch: Number(epoch),
      members: (status?.members ?? []).map(({ name, id }) => ({ name, incarnation: id })),
    };
    await cluster.nodes.get("n3")?.stop();
  }, 20_000);

  afterAll(() => cluster.close());

  function hello(changes: Partial<PeerHello> = {}): PeerHello {
    return {
      type: "peerHello",
      protocol: 1,
      name: "n3",
      incarnation: idOf("n3"),
      advertise: cluster.address("n3"),
      cluster: self,
      memberAsOf: 0,
      view: [],
      ...changes,
    };
  }

  async function dial(message: PeerHello, options: { autoPong?: boolean } = {}) {
    const ws = new WebSocket(`ws://${cluster.address("n1")}/peer`, options);
    const closed = new Promise<{ code: number; reason: string }>((resolve) =>
      ws.once("close", (code, reason) => resolve({ code, reason: String(reason) })),
    );
    const answer = new Promise<PeerAnswer>((resolve) =>
      ws.once("message", (data) => resolve(decodePeerHello(data as Buffer) as PeerAnswer)),
    );
    await new Promise((resolve) => ws.once("open", resolve));
    ws.send(encodePeerHello(message));
    return { ws, closed, answer: await answer };
  }

  it("welcome a member by cluster id, epoch, name and incarnation", async () => {
    const { ws, answer, closed } = await dial(hello());
    expect(answer).toMatchObject({ type: "peerWelcome", name: "n1", cluster: self });
    ws.close();
    await closed;
  });

  it.each<[string, (valid: PeerHello) => Partial<PeerHello>, string, RegExp]>([
    ["another protocol", () => ({ protocol: 2 }), "VERSION", /protocol 1, not 2/],
    [
      "another cluster",
      ({ cluster: own }) => ({ cluster: own && { ...own, clusterId: "f".repeat(32) } }),
      "DENIED",
      /not of ffff/,
    ],
    ["another name", () => ({ name: "n2" }), "DENIED", /no member/],
  ])("refuse %s, with a reason", async (_, changes, code, message) => {
    const { answer, closed } = await dial(hello(changes(hello())));
    expect(answer).toEqual({ type: "peerRefused", code, message: expect.stringMatching(message) });
    expect((await closed).code).toBe(1008);
  });

  it("refuse an epoch that is over, and name their own, by which its node ends", async () => {
    const { cluster: own } = hello();
    const { answer, closed } = await dial(hello({ cluster: own && { ...own, epoch: 0 } }));
    const message = expect.stringMatching(/\.0$/);
    expect(answer).toEqual({ type: "peerRefused", code: "DENIED", message, epoch: 1 });
    expect((await closed).code).toBe(1008);
  });

  it("refuse an epoch that is to come, and believe nobody who dials them that there is one", async () => {
    const { cluster: own } = hello();
    const { answer, closed } = await dial(hello({ cluster: own && { ...own, epoch: 2 } }));
    expect(answer).toEqual({
      ...{ type: "peerRefused", code: "DENIED", message: expect.stringMatching(/\.2$/) },
    });
    expect((await closed).code).toBe(1008);
    expect(cluster.nodes.get("n1")?.status()).not.toBeNull();
  });

  const warnings = (text: RegExp) =>
    cluster.log.lines.filter(({ level, message }) => level === "warn" && text.test(message));

  it("say once in the log that a node is refused, however often it dials", async () => {
    for (let dials = 0; dials < 3; dials += 1) {
      const { closed } = await dial(hello({ name: "n9" }));
      await closed;
    }
    expect(warnings(/n9 .* is no member/)).toHaveLength(1);
  });

  it("say nothing of a dial that leaves before it has said who it is", async () => {
    const before = cluster.log.lines.length;
    const ws = new WebSocket(`ws://${cluster.address("n1")}/peer`);
    await new Promise((resolve) => ws.once("open", resolve));
    ws.terminate();
    await cluster.until(() => cluster.log.lines.length > before);
    expect(cluster.log.lines.slice(before)).toEqual([
      expect.objectContaining({ level: "debug", message: expect.stringContaining("given up") }),
    ]);
  });

  it("answer a fresh directory, and show it out where it stays", async () => {
    const { answer, closed } = await dial(hello({ cluster: null }));
    expect(answer).toMatchObject({ type: "peerWelcome", cluster: self });
    expect((await closed).code).toBe(1000);
  });

  it("tell a directory that the committed configuration does not name that it was removed", async () => {
    const { answer, closed } = await dial(hello({ incarnation: "d".repeat(16), memberAsOf: 1 }));
    expect(answer).toMatchObject({
      type: "peerRefused",
      code: "REMOVED",
      message: expect.stringMatching(/n3 \(d+\) is no member of .* any more/),
      asOf: cluster.nodes.get("n1")?.status()?.commit,
    });
    expect((await closed).code).toBe(1008);
  });

  it("let in who knows of a later configuration, and link back for as long as it stays", async () => {
    const [port = 0] = await freePorts(1);
    const guest = { name: "n3", incarnation: "d".repeat(16), advertise: `127.0.0.1:${port}` };
    const server = new WebSocketServer({ host: "127.0.0.1", port });
    const dialled = new Promise<WebSocket>((resolve) => server.once("connection", resolve));
    const { ws, answer } = await dial(hello({ ...guest, memberAsOf: 1_000_000 }));
    expect(answer).toMatchObject({ type: "peerWelcome", name: "n1" });
    const back = await dialled;
    const gone = new Promise((resolve) => back.once("close", resolve));
    await new Promise((resolve) => back.once("message", resolve));
    back.send(encodePeerHello({ ...hello(guest), type: "peerWelcome" }));
    // It is nobody's word on where the member n3 is.
    expect(cluster.nodes.get("n1")?.status()?.members.at(-1)).toMatchObject({
      name: "n3",
      address: cluster.address("n3"),
      isLinkUp: false,
    });
    ws.close();
    await gone;
    server.close();
  });

  it("let in a bounded number of guests", async () => {
    const guest = (at: number) =>
      hello({ incarnation: `${at}`.padStart(16, "e"), name: "n9", memberAsOf: 1_000_000 });
    const dials = [];
    for (let at = 0; at < GUESTS_MAX; at += 1) {
      const { ws, answer, closed } = await dial(guest(at));
      expect(answer.type).toBe("peerWelcome");
      dials.push({ ws, closed });
    }
    const { answer } = await dial(guest(GUESTS_MAX));
    expect(answer).toMatchObject({
      code: "OVERLOADED",
      message: expect.stringContaining("GUESTS_MAX"),
    });
    for (const { ws, closed } of dials) {
      ws.close();
      await closed;
    }
  });

  it("take the newest dial of a peer and break the former", async () => {
    const first = await dial(hello());
    const second = await dial(hello());
    expect((await first.closed).code).toBe(1006);
    expect(second.ws.readyState).toBe(WebSocket.OPEN);
    second.ws.close();
    await second.closed;
  });

  it("are closed by a message of somebody else", async () => {
    const { ws, closed } = await dial(hello());
    const message: PeerMessage = {
      ...{ type: "heartbeat", term: 0, commitIndex: 0, round: 1 },
      ...{ from: idOf("n2"), to: idOf("n1") },
    };
    ws.send(encodePeerFrame([message]));
    expect((await closed).code).toBe(1007);
  });

  it("are closed when the other end gives no sign of life", async () => {
    const { closed } = await dial(hello(), { autoPong: false });
    expect((await closed).code).toBe(1006);
  });

  it("come up again when the peer is back, and the log says so once each way", async () => {
    await cluster.start("n3");
    await cluster.until(() => cluster.isReady("n3"));
    await cluster.until(
      () =>
        cluster.nodes
          .get("n1")
          ?.status()
          ?.members.every((member) => member.isLinkUp) === true,
    );
  });
});
