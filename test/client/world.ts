import { expect } from "vitest";
import { RollcallClient } from "../../src/client/client.ts";
import { type ConnectOptions, checkConnectOptions } from "../../src/client/options.ts";
import type { Status } from "../../src/client/status.ts";
import type { Dialer, DialOptions, Frame, Socket } from "../../src/env/env.ts";
import type { ErrorCode } from "../../src/errors.ts";
import { CALL_TIMEOUT_MS_DEFAULT, TICK_MS } from "../../src/limits.ts";
import { msgpackCodec } from "../../src/wire/client-codec.ts";
import type {
  ClientMessage,
  DeltaMessage,
  NodeMessage,
  SelectorBody,
} from "../../src/wire/messages.ts";
import { type FakeChange, FakeRegistry, matches, type WriteMessage } from "./fake-registry.ts";
import { FakeTime, settle } from "./fake-time.ts";

/** A socket of the client's, whose other end is a fake node. */
class FakeSocket implements Socket {
  readonly subprotocol = msgpackCodec.subprotocol;
  readonly remote: string;
  readonly bufferedBytes = 0;
  readonly #link: NodeLink;
  onFrame: (frame: Frame) => void = () => {};
  onClose: Socket["onClose"] = () => {};
  onPong: () => void = () => {};

  constructor(remote: string, link: NodeLink) {
    this.remote = remote;
    this.#link = link;
  }

  send(frame: Frame): void {
    this.#link.receive(frame);
  }

  ping(): void {}

  close(): void {
    this.#link.clientLeft("close");
  }

  terminate(): void {
    this.#link.clientLeft("terminate");
  }
}

/** The node's end of one connection. */
export class NodeLink {
  readonly node: FakeNode;
  readonly socket: FakeSocket;
  readonly heard: ClientMessage[] = [];
  readonly watches = new Map<number, SelectorBody>();
  session: string | null = null;
  isOpen = true;
  leftBy: "close" | "terminate" | null = null;
  #lastWatch = 0;

  constructor(node: FakeNode) {
    this.node = node;
    this.socket = new FakeSocket(node.url, this);
  }

  /** Frames arrive later than they were sent, and in order. */
  receive(frame: Frame): void {
    const decoded = msgpackCodec.decode(frame);
    const messages = (Array.isArray(decoded) ? decoded : [decoded]) as ClientMessage[];
    queueMicrotask(() => {
      for (const message of messages) {
        if (this.isOpen) {
          this.heard.push(message);
          this.node.world.heard.push(message);
          this.node.onMessage(this, message);
        }
      }
    });
  }

  send(...messages: NodeMessage[]): void {
    const frame = msgpackCodec.join(messages.map((message) => msgpackCodec.encode(message)));
    queueMicrotask(() => {
      if (this.isOpen && !this.node.isFrozen) {
        this.socket.onFrame(frame);
      }
    });
  }

  sendRaw(frame: Frame): void {
    queueMicrotask(() => this.socket.onFrame(frame));
  }

  clientLeft(how: "close" | "terminate"): void {
    this.isOpen = false;
    this.leftBy = how;
  }

  /** The connection breaks, or the node closes it. */
  cut(reason = ""): void {
    if (this.isOpen) {
      this.isOpen = false;
      this.socket.onClose({ code: 1006, reason, byPeer: true });
    }
  }

  newWatch(selector: SelectorBody): number {
    this.#lastWatch += 1;
    this.watches.set(this.#lastWatch, selector);
    return this.#lastWatch;
  }

  ofType<T extends ClientMessage["type"]>(type: T): Extract<ClientMessage, { type: T }>[] {
    return this.heard.filter(
      (message): message is Extract<ClientMessage, { type: T }> => message.type === type,
    );
  }
}

/** A scripted node: it behaves, except where a test says otherwise. */
export class FakeNode {
  readonly world: World;
  readonly name: string;
  readonly url: string;
  readonly links: NodeLink[] = [];
  isReachable = true;
  /** Seconds of Retry-After with which handshakes are refused. */
  retryAfterMs: number | null = null;
  /** Takes connections and frames, and says nothing: a half-open connection. */
  isFrozen = false;
  /** Whether pings and resumes are confirmed (it has a leader). */
  confirms = true;
  lineage = "c1";
  /**
   * False: it was started while it was cut off. It serves what its disk knew to be committed to who
   * allows an unknown age, and leaves `leaderAgeMs` out of its pongs.
   */
  knowsAge = true;
  /** Says true to keep the node from its own answer. */
  intercept: (link: NodeLink, message: ClientMessage) => boolean = () => false;

  constructor(world: World, name: string, url: string) {
    this.world = world;
    this.name = name;
    this.url = url;
  }

  get link(): NodeLink {
    const link = this.links.findLast(({ isOpen }) => isOpen);
    if (link === undefined) {
      throw new Error(`nobody is connected to ${this.name}`);
    }
    return link;
  }

  get isConnected(): boolean {
    return this.links.some(({ isOpen }) => isOpen);
  }

  die(): void {
    this.isReachable = false;
    for (const link of this.links) {
      link.cut("killed");
    }
  }

  /** Refuses the next messages of that type. */
  refuse(type: ClientMessage["type"], code: ErrorCode, times = 1, retryAfterMs?: number): void {
    let left = times;
    const before = this.intercept;
    this.intercept = (link, message) => {
      if (message.type !== type || left === 0 || !("id" in message)) {
        return before(link, message);
      }
      left -= 1;
      const error = { code, message: code, ...(retryAfterMs !== undefined && { retryAfterMs }) };
      link.send({ type: "reply", id: message.id, ok: false, error });
      return true;
    };
  }

  /** Swallows messages of that type, as if the connection were slow. */
  hold(type: ClientMessage["type"]): void {
    this.intercept = (_link, message) => message.type === type;
  }

  /** What needs a leader is refused by the first tick after its time is over. */
  loseLeader(): void {
    this.confirms = false;
    this.intercept = (link, message) => {
      if (message.type !== "get" && message.type !== "open") {
        return false;
      }
      const { id, timeoutMs = CALL_TIMEOUT_MS_DEFAULT } = message;
      const error = { code: "NO_LEADER", message: "no leader was known" } as const;
      this.world.time.after(timeoutMs + TICK_MS - 1, () =>
        link.send({ type: "reply", id, ok: false, error }),
      );
      return true;
    };
  }

  behave(): void {
    this.intercept = () => false;
  }

  onMessage(link: NodeLink, message: ClientMessage): void {
    if (this.isFrozen || this.intercept(link, message)) {
      return;
    }
    const { registry } = this.world;
    const { revision } = registry;
    switch (message.type) {
      case "hello":
        link.send(this.#welcome());
        if (message.session !== undefined) {
          this.attach(link, message.session);
        }
        return;
      case "open": {
        const session = registry.open(message.session.id, message.session.secret);
        if (session === null) {
          const error = { code: "SESSION_EXPIRED", message: "ended" } as const;
          link.send({ type: "reply", id: message.id, ok: false, error });
          return;
        }
        this.world.attached(message.session.attach, session);
        link.session = session.id;
        link.send({ type: "reply", id: message.id, ok: true, revision });
        return;
      }
      case "register":
      case "update":
      case "deregister":
      case "bye":
        this.write(link, message);
        return;
      case "get":
        link.send({
          ...{ type: "reply", id: message.id, ok: true, revision, ageMs: 0 },
          endpoints: registry.select(message.selector),
        });
        return;
      case "subscribe":
        this.#subscribe(link, message);
        return;
      case "unsubscribe":
        link.watches.delete(message.watch);
        link.send({ type: "reply", id: message.id, ok: true, revision });
        return;
      case "ping":
        this.#pong(link, message.id);
        return;
      case "ack":
        return;
    }
  }

  write(link: NodeLink, message: WriteMessage): void {
    const result = this.world.registry.write(link.session ?? "none", message);
    link.send({ type: "reply", id: message.id, ...result });
  }

  attach(link: NodeLink, body: { id: string; secret: string; attach: number }): void {
    const { registry } = this.world;
    const session = registry.sessions.get(body.id);
    if (session === undefined) {
      const reason = registry.ended.has(body.id) ? "ttl" : "unknown";
      const state = { state: "expired", reason, revision: registry.revision } as const;
      link.send({ type: "session", id: body.id, ...state });
      return;
    }
    this.world.attached(body.attach, session);
    link.session = body.id;
    link.send({ type: "session", id: body.id, state: "unconfirmed" });
    if (this.confirms) {
      this.confirm(link);
    }
  }

  confirm(link: NodeLink): void {
    const { registry } = this.world;
    const session = registry.sessions.get(link.session ?? "");
    if (session !== undefined) {
      link.send({
        ...{ type: "session", id: session.id, state: "resumed", revision: registry.revision },
        owned: registry.owned(session.id).length,
        ownedRevision: session.ownedRevision,
        lastSeq: session.lastSeq,
      });
    }
  }

  push(changes: readonly FakeChange[]): void {
    for (const link of this.links) {
      for (const [watch, selector] of link.watches) {
        const delta = deltaOf(watch, selector, changes);
        if (delta !== null) {
          link.send(delta);
        }
      }
    }
  }

  #welcome(): NodeMessage {
    const members = [...this.world.nodes.values()];
    return {
      ...{ type: "welcome", protocol: 1, node: this.name, leader: null, lineage: this.lineage },
      revision: this.world.registry.revision,
      members: members.map(({ name, url }) => ({ name, id: name, address: url.slice(5) })),
      limits: {
        ...{ frameBytesMax: 1 << 20, requestsInFlightMax: this.world.requestsInFlightMax },
        ...{ ttlMsMin: 3_000, ttlMsMax: 300_000 },
      },
    };
  }

  #subscribe(link: NodeLink, message: Extract<ClientMessage, { type: "subscribe" }>): void {
    const { registry } = this.world;
    const numbered = message.subscribes.map((selector) => ({
      selector,
      watch: link.newWatch(selector),
    }));
    const watches = numbered.map(({ watch }) => watch);
    const { revision } = registry;
    link.send({ type: "reply", id: message.id, ok: true, revision, watches });
    if (!this.knowsAge && message.allowUnknownAge !== true) {
      return;
    }
    for (const { watch, selector } of numbered) {
      if (message.from === undefined || message.from < this.world.historyFrom) {
        const endpoints = registry.select(selector);
        const reset = message.from !== undefined;
        link.send({
          ...{ type: "snapshot", watch, revision, endpoints },
          ...(this.knowsAge && { ageMs: 0 }),
          ...(reset && { reset }),
        });
        continue;
      }
      const { from } = message;
      const missed = registry.changes.filter((change) => change.revision > from);
      for (const at of new Set(missed.map((change) => change.revision))) {
        const ofRevision = missed.filter((change) => change.revision === at);
        const delta = deltaOf(watch, selector, ofRevision);
        if (delta !== null) {
          link.send(delta);
        }
      }
    }
  }

  #pong(link: NodeLink, id: number): void {
    const { registry } = this.world;
    const session = registry.sessions.get(link.session ?? "");
    const confirmed = this.confirms && this.knowsAge && session !== undefined;
    const leaderAgeMs = this.confirms ? 10 : this.world.time.monotonicMs() + 60_000;
    link.send({
      ...{ type: "pong", id, confirmed, revision: registry.revision },
      ...(this.knowsAge && { leaderAgeMs }),
      ...(confirmed && {
        owned: registry.owned(session.id).length,
        ownedRevision: session.ownedRevision,
      }),
    });
  }
}

function deltaOf(
  watch: number,
  selector: SelectorBody,
  changes: readonly FakeChange[],
): DeltaMessage | null {
  const put = changes.flatMap(({ after }) =>
    after !== null && matches(selector, after) ? [after] : [],
  );
  const remove = changes.flatMap(({ before, after }) =>
    before !== null && matches(selector, before) && (after === null || !matches(selector, after))
      ? [before]
      : [],
  );
  const revision = changes.at(-1)?.revision ?? 0;
  return put.length + remove.length === 0 ? null : { type: "delta", watch, revision, put, remove };
}

/** Nodes, network and time for one test. */
export class World {
  readonly time = new FakeTime();
  readonly registry = new FakeRegistry();
  readonly nodes = new Map<string, FakeNode>();
  readonly dials: { readonly url: string; readonly atMs: number }[] = [];
  readonly heard: ClientMessage[] = [];
  readonly logged: { readonly level: string; readonly message: string }[] = [];
  readonly statuses: Status[] = [];
  /** Times at which a session was attached with a number that was not higher than the last. */
  attachFaults = 0;
  requestsInFlightMax = 1024;
  /** The history of the nodes begins after this revision. */
  historyFrom = 0;
  #chance = 12_345;

  constructor(count = 3) {
    for (let number = 1; number <= count; number += 1) {
      const url = `ws://10.0.0.${number}:7420`;
      this.nodes.set(url, new FakeNode(this, `n${number}`, url));
    }
    this.registry.onChanges = (changes) => {
      for (const node of this.nodes.values()) {
        node.push(changes);
      }
    };
  }

  get all(): FakeNode[] {
    return [...this.nodes.values()];
  }

  /** The node that the client is connected to. */
  get node(): FakeNode {
    const node = this.all.find(({ isConnected }) => isConnected);
    if (node === undefined) {
      throw new Error("the client is connected to no node");
    }
    return node;
  }

  get isConnected(): boolean {
    return this.all.some(({ isConnected }) => isConnected);
  }

  client(options: ConnectOptions = {}): RollcallClient {
    const checked = checkConnectOptions({ servers: [...this.nodes.keys()], ...options });
    const log = (level: string) => (_fields: object, message: string) => {
      this.logged.push({ level, message });
    };
    const dialer: Dialer = { dial: (url, dialOptions) => this.#dial(url, dialOptions) };
    const client = new RollcallClient(checked, {
      dialer,
      clock: this.time,
      timers: this.time,
      random: { below: (bound) => this.#below(bound), bytes: (count) => this.#bytes(count) },
      logger: {
        ...{ debug: log("debug"), info: log("info") },
        ...{ warn: log("warn"), error: log("error") },
      },
    });
    void this.#follow(client);
    return client;
  }

  attached(attach: number, session: { attach: number }): void {
    if (attach <= session.attach) {
      this.attachFaults += 1;
    }
    session.attach = Math.max(attach, session.attach);
  }

  /** Lets time pass until it is so; fails when it is not within the bound. */
  async until(what: string, isSo: () => boolean, withinMs = 60_000): Promise<void> {
    await settle();
    for (let passedMs = 0; !isSo(); passedMs += 10) {
      if (passedMs > withinMs) {
        expect.fail(`not within ${withinMs} ms: ${what}`);
      }
      await this.time.advance(10);
    }
  }

  /** Waits for a promise of the SDK, letting time pass; fails beyond the bound. */
  async wait<T>(promise: Promise<T>, withinMs = 60_000): Promise<T> {
    let isOver = false;
    const over = (): void => {
      isOver = true;
    };
    promise.then(over, over);
    await this.until("a call is answered", () => isOver, withinMs);
    return promise;
  }

  typesOf(): string[] {
    return this.statuses.map(({ type }) => type);
  }

  async #dial(url: string, _options: DialOptions): Promise<Socket> {
    this.dials.push({ url, atMs: this.time.monotonicMs() });
    const node = this.nodes.get(url);
    await null;
    if (node === undefined || !node.isReachable) {
      throw new Error("connect ECONNREFUSED");
    }
    if (node.retryAfterMs !== null) {
      throw Object.assign(new Error("503"), { retryAfterMs: node.retryAfterMs });
    }
    const link = new NodeLink(node);
    node.links.push(link);
    return link.socket;
  }

  async #follow(client: RollcallClient): Promise<void> {
    for await (const status of client.status()) {
      this.statuses.push(status);
    }
  }

  #below(bound: number): number {
    this.#chance = (this.#chance * 48_271) % 2_147_483_647;
    return this.#chance % bound;
  }

  #bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.#below(256));
  }
}
