import { Packr } from "msgpackr";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { BareClient, Cluster, HELLO } from "./world.ts";

const JSON_PROTOCOL = ["rollcall.v1.json"];
const packr = new Packr({ useRecords: false });

const isState = (message: Record<string, unknown>): boolean =>
  message["type"] === "session" && message["state"] !== "unconfirmed";

function session(attach: number) {
  return { id: "5".repeat(32), secret: "a secret of the client", attach };
}

describe("typed clients", () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await Cluster.started(3);
  }, 20_000);

  afterAll(() => cluster.close());

  const typed = async (name: string, hello: object = HELLO) => {
    const client = await BareClient.open(cluster.address(name), JSON_PROTOCOL);
    client.send(hello);
    return client;
  };

  it("are welcomed with node, leader, members, lineage and limits", async () => {
    const client = await typed("n2");
    expect(client.ws.protocol).toBe("rollcall.v1.json");
    expect(await client.next()).toMatchObject({
      type: "welcome",
      protocol: 1,
      node: "n2",
      leader: cluster.leader(),
      members: cluster.names.map((name) => ({
        name,
        id: expect.stringMatching(/^[0-9a-f]{16}$/),
        address: cluster.address(name),
      })),
      lineage: expect.stringMatching(/^[0-9a-f]{32}\.1$/),
      limits: { frameBytesMax: 1024 * 1024, requestsInFlightMax: 1024 },
    });
    await client.close();
  });

  it("speak MessagePack under its subprotocol", async () => {
    const decode = (data: Buffer) => packr.unpack(data);
    const client = await BareClient.open(cluster.address("n1"), ["rollcall.v1.msgpack"], decode);
    client.ws.send(packr.pack(HELLO));
    expect(await client.next()).toMatchObject({ type: "welcome", node: "n1" });
    client.ws.send(packr.pack({ type: "get", id: 1, selector: { application: "nobody" } }));
    expect(await client.next()).toMatchObject({ type: "reply", id: 1, ok: true, endpoints: [] });
    await client.close();
  });

  it("may say hello on a connection without a subprotocol", async () => {
    const client = await BareClient.open(cluster.address("n1"));
    client.send([HELLO, { type: "ping", id: 7 }]);
    expect(await client.next()).toMatchObject({ type: "welcome" });
    expect(await client.next()).toMatchObject({ type: "pong", id: 7, confirmed: false });
    await client.close();
  });

  it("open a session, write, watch, resume on another node and say bye", async () => {
    const first = await typed("n1");
    await first.next();
    first.send({ type: "open", id: 1, session: session(1), ttlMs: 5_000, graceMs: 1_000 });
    expect(await first.next()).toMatchObject({ type: "reply", id: 1, ok: true });
    first.send({
      ...{ type: "register", id: 2, seq: 1, low: 1 },
      ...{ application: "resume", protocol: "http", addr: "127.0.0.1:1" },
    });
    const registered = await first.next();
    expect(registered).toMatchObject({ type: "reply", id: 2, ok: true });

    const watcher = await typed("n3", { ...HELLO, revision: registered["revision"] });
    const welcome = await watcher.next();
    watcher.send({ type: "subscribe", id: 1, subscribes: [{ application: "resume" }] });
    expect(await watcher.next()).toMatchObject({ type: "reply", id: 1, ok: true, watches: [1] });
    expect(await watcher.next((message) => message["type"] === "snapshot")).toMatchObject({
      watch: 1,
      endpoints: [{ addr: "127.0.0.1:1", session: "5".repeat(32) }],
    });

    first.ws.terminate();
    const second = await typed("n2", {
      ...HELLO,
      session: session(2),
      lineage: welcome["lineage"],
      revision: registered["revision"],
    });
    expect(await second.next()).toMatchObject({ type: "welcome" });
    expect(await second.next()).toMatchObject({ type: "session", state: "unconfirmed" });
    expect(await second.next((message) => message["type"] === "session")).toMatchObject({
      id: "5".repeat(32),
      state: "resumed",
      owned: 1,
      ownedRevision: registered["revision"],
      lastSeq: 1,
    });
    second.send({ type: "ping", id: 3 });
    expect(await second.next((message) => message["type"] === "pong")).toMatchObject({
      id: 3,
      confirmed: true,
    });
    second.send({ type: "bye", id: 4, seq: 2, low: 2 });
    expect(await second.next((message) => message["type"] === "reply")).toMatchObject({ ok: true });
    expect(await watcher.next((message) => message["type"] === "delta")).toMatchObject({
      remove: [{ application: "resume", protocol: "http", addr: "127.0.0.1:1" }],
    });
    await Promise.all([second.close(), watcher.close()]);
  });

  it("resume a watch where they name the revision, and are sent the whole list at a change in full mode", async () => {
    const client = await typed("n2");
    const { revision: begin } = await client.next();
    client.send({ type: "open", id: 1, session: { ...session(1), id: "4".repeat(32) } });
    await client.next((message) => message["id"] === 1);
    for (const seq of [1, 2]) {
      const instance = { application: "moded", protocol: "http", addr: `127.0.0.1:${seq}` };
      client.send({ type: "register", id: 1 + seq, seq, low: seq, ...instance });
    }
    const { revision } = await client.next((message) => message["id"] === 3);

    const watcher = await typed("n2");
    const subscribes = [{ application: "moded" }];
    watcher.send({ type: "subscribe", id: 1, subscribes, from: (revision as number) - 1 });
    const isWatched = (message: Record<string, unknown>): boolean => "watch" in message;
    expect(await watcher.next(isWatched)).toMatchObject({
      ...{ type: "delta", watch: 1, revision },
      put: [{ addr: "127.0.0.1:2" }],
    });
    expect(begin).toBeLessThan(revision as number);
    watcher.send({ type: "unsubscribe", id: 2, watch: 1 });
    watcher.send({ type: "subscribe", id: 3, subscribes, mode: "full" });
    const full = { type: "snapshot", watch: 2 };
    expect(await watcher.next(isWatched)).toMatchObject({ ...full, revision });
    const third = { application: "moded", protocol: "http", addr: "127.0.0.1:3" };
    client.send({ type: "register", id: 4, seq: 3, low: 3, ...third });
    const whole = await watcher.next(isWatched);
    expect(whole).toMatchObject(full);
    expect(whole["endpoints"]).toHaveLength(3);
    client.send({ type: "bye", id: 5, seq: 4, low: 4 });
    await client.next((message) => message["id"] === 5);
    await Promise.all([client.close(), watcher.close()]);
  });

  it("are not held to a revision of another lineage", async () => {
    const client = await typed("n3", { ...HELLO, revision: 1_000_000, lineage: "another.1" });
    await client.next();
    client.send({ type: "get", id: 1, selector: { application: "x" }, read: { staleMs: null } });
    expect(await client.next()).toMatchObject({ id: 1, ok: true });
    await client.close();
  });

  it("are told in a pong how old the copy of their node is, with or without a session", async () => {
    const client = await typed("n1");
    await client.next();
    client.send({ type: "ping", id: 1 });
    const pong = await client.next();
    expect(pong).toMatchObject({ type: "pong", id: 1, confirmed: false });
    expect(pong["leaderAgeMs"]).toBeLessThan(1_000);
    await client.close();
  });

  it("are denied a session whose secret they do not know", async () => {
    const owner = await typed("n1");
    await owner.next();
    const mine = { ...session(1), id: "6".repeat(32) };
    owner.send({ type: "open", id: 1, session: mine });
    await owner.next((message) => message["type"] === "reply");
    const thief = await typed("n1", {
      ...HELLO,
      session: { ...mine, attach: 2, secret: "something else entirely" },
    });
    expect(await thief.next((message) => message["type"] === "session")).toMatchObject({
      state: "denied",
    });
    await Promise.all([owner.close(), thief.close()]);
  });

  describe("that name a session which another connection has", () => {
    const mine = (attach: number) => ({ ...session(attach), id: "7".repeat(32) });
    const isPong = (message: Record<string, unknown>) => message["type"] === "pong";
    const opened = async (name: string, body: object, addr: string) => {
      const client = await typed(name);
      client.send([
        { type: "open", id: 1, session: body, ttlMs: 10_000, graceMs: 300 },
        { type: "register", id: 2, seq: 1, low: 1, application: "moved", protocol: "http", addr },
      ]);
      expect(await client.next((message) => message["id"] === 2)).toMatchObject({ ok: true });
      // Until the leader has heard of it, it may hear of another one first.
      client.send({ type: "ping", id: 9 });
      expect(await client.next(isPong)).toMatchObject({ confirmed: true });
      return client;
    };

    it("are denied it and told its number; neither is their end that of the session", async () => {
      const owner = await opened("n1", mine(5), "127.0.0.1:1");
      for (const [name, attach] of [
        ["n1", 5],
        ["n2", 4],
        ["n3", 5],
      ] as const) {
        const late = await typed(name, { ...HELLO, session: mine(attach) });
        expect(await late.next(isState)).toEqual({
          ...{ type: "session", id: mine(5).id, state: "denied", attach: 5 },
        });
        late.send([
          { type: "ping", id: 1 },
          { type: "bye", id: 2, seq: 2, low: 2 },
        ]);
        expect(await late.next(isPong)).toMatchObject({ confirmed: false });
        expect(await late.next()).toMatchObject({ id: 2, error: { code: "SESSION_UNKNOWN" } });
        await late.close();
      }
      // A break that the registry would count ends its session with that of another client, whose
      // connection breaks at the same moment and whose end is awaited.
      const other = await opened("n3", { ...mine(1), id: "8".repeat(32) }, "127.0.0.1:2");
      const early = await typed("n3", { ...HELLO, session: mine(5) });
      expect(await early.next((message) => message["type"] === "session")).toMatchObject({
        state: "unconfirmed",
      });
      const watcher = await typed("n2");
      watcher.send({ type: "subscribe", id: 1, subscribes: [{ application: "moved" }] });
      await watcher.next((message) => message["type"] === "snapshot");
      early.ws.terminate();
      other.ws.terminate();
      const isRemoval = (message: Record<string, unknown>) =>
        message["type"] === "delta" && (message["remove"] as unknown[]).length > 0;
      expect(await watcher.next(isRemoval)).toMatchObject({ remove: [{ addr: "127.0.0.1:2" }] });
      watcher.send({ type: "get", id: 2, selector: { application: "moved" } });
      expect(await watcher.next((message) => message["type"] === "reply")).toMatchObject({
        endpoints: [{ addr: "127.0.0.1:1" }],
      });
      owner.send({ type: "ping", id: 3 });
      expect(await owner.next(isPong)).toMatchObject({ confirmed: true });
      await Promise.all([owner.close(), watcher.close()]);
    });

    it("take it by a higher number, and the one that had it is told", async () => {
      const body = (attach: number) => ({ ...mine(attach), id: "9".repeat(32) });
      const first = await opened("n1", body(1), "127.0.0.1:3");
      const second = await typed("n2", { ...HELLO, session: body(2) });
      expect(await second.next(isState)).toMatchObject({ state: "resumed", owned: 1 });
      first.send({ type: "ping", id: 3 });
      const isEither = (message: Record<string, unknown>) => isPong(message) || isState(message);
      const heard = [await first.next(isEither), await first.next(isEither)];
      expect(heard.find(isPong)).toMatchObject({ confirmed: false });
      expect(heard.find(isState)).toMatchObject({ state: "denied", attach: 2 });
      await Promise.all([first.close(), second.close()]);
    });
  });

  it("are refused what they write behind the end of their session with SESSION_EXPIRED", async () => {
    const body = (attach: number) => ({ ...session(attach), id: "a".repeat(32) });
    const register = (id: number, seq: number) => ({
      ...{ type: "register", id, seq, low: seq },
      ...{ application: "late", protocol: "http", addr: "127.0.0.1:1" },
    });
    const client = await typed("n1");
    client.send([
      { type: "open", id: 1, session: body(1) },
      { type: "bye", id: 2, seq: 1, low: 1 },
    ]);
    expect(await client.next((message) => message["id"] === 2)).toMatchObject({ ok: true });
    client.send([register(3, 2), { type: "bye", id: 4, seq: 1, low: 1 }]);
    expect(await client.next()).toMatchObject({ id: 3, error: { code: "SESSION_EXPIRED" } });
    expect(await client.next()).toMatchObject({ id: 4, ok: true });
    const late = await typed("n2", { ...HELLO, session: body(2) });
    expect(await late.next(isState)).toMatchObject({ state: "expired", reason: "closed" });
    late.send([register(1, 2), { type: "open", id: 2, session: body(3) }]);
    expect(await late.next()).toMatchObject({ id: 1, error: { code: "SESSION_EXPIRED" } });
    expect(await late.next()).toMatchObject({ id: 2, error: { code: "SESSION_EXPIRED" } });
    await Promise.all([client.close(), late.close()]);
  });

  it("are refused a write without a session, an id in use, and a watch that is not there", async () => {
    const client = await typed("n1");
    await client.next();
    client.send({ type: "bye", id: 1, seq: 1, low: 1 });
    expect(await client.next()).toMatchObject({ id: 1, error: { code: "SESSION_UNKNOWN" } });
    client.send({ type: "unsubscribe", id: 2, watch: 99 });
    expect(await client.next()).toMatchObject({ id: 2, error: { code: "NOT_FOUND" } });
    const twice = { type: "get", id: 3, selector: { application: "x" } };
    client.send([twice, twice]);
    expect(await client.next()).toMatchObject({ id: 3, error: { code: "PROTOCOL", field: "id" } });
    expect(await client.next()).toMatchObject({ id: 3, ok: true });
    await client.close();
  });

  it("are refused more watches than a connection may have, with the limit", async () => {
    const client = await typed("n1");
    await client.next();
    const subscribes = Array.from({ length: 256 }, (_, i) => ({ application: `a${i}` }));
    for (let id = 1; id <= 5; id += 1) {
      client.send({ type: "subscribe", id, subscribes });
    }
    const last = await client.next((message) => message["id"] === 5);
    expect(last).toMatchObject({ error: { code: "LIMIT", limit: 1024, field: "subscribes" } });
    await client.close();
  });

  it("are answered OVERLOADED for requests over the limit of a connection", async () => {
    const client = await typed("n1");
    await client.next();
    const reads = (first: number, count: number) =>
      Array.from({ length: count }, (_, i) => ({
        ...{ type: "get", id: first + i, timeoutMs: 100 },
        ...{ selector: { application: "x" }, read: { atLeast: Number.MAX_SAFE_INTEGER } },
      }));
    client.send(reads(1, 1024));
    client.send(reads(1025, 1));
    expect(await client.next()).toMatchObject({
      id: 1025,
      error: { code: "OVERLOADED", limit: 1024, retryAfterMs: expect.any(Number) },
    });
    await client.next((message) => message["id"] === 1024);
    client.send({ type: "get", id: 2000, selector: { application: "x" } });
    expect(await client.next((message) => message["id"] === 2000)).toMatchObject({ ok: true });
    await client.close();
  });

  it.each([
    ["an origin that nobody allowed", { origin: "http://evil.example" }, "/", [], 403],
    ["an unknown path", {}, "/elsewhere", [], 404],
    ["only foreign subprotocols", {}, "/", ["graphql-ws"], 400],
    ["a page on the peers' path", { origin: "http://evil.example" }, "/peer", [], 403],
  ])("with %s are refused in the handshake", async (_, headers, path, subprotocols, status) => {
    const ws = new WebSocket(`ws://${cluster.address("n1")}${path}`, subprotocols, { headers });
    const error = await new Promise<Error>((resolve) => ws.once("error", resolve));
    expect(error.message).toContain(String(status));
  });

  it("of an allowed origin are let in", async () => {
    const allowed = await Cluster.make(1);
    try {
      await allowed.start("n1", { allowOrigin: ["http://console.example"] });
      await allowed.until(() => allowed.isReady("n1"));
      const origin = "http://console.example";
      const ws = new WebSocket(`ws://${allowed.address("n1")}`, [], { origin });
      await new Promise<void>((resolve, reject) => {
        ws.once("open", resolve);
        ws.once("error", reject);
      });
      ws.close();
    } finally {
      await allowed.close();
    }
  });
});
