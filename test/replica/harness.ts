import { CHECKPOINT_ENTRIES, TICK_MS } from "../../src/limits.ts";
import { confOf } from "../../src/raft/conf-state.ts";
import type { MemberId, PersistRequest, Snapshot } from "../../src/raft/types.ts";
import { RegistryBuilder } from "../../src/registry/builder.ts";
import type { InstanceKey, InstanceSpec, Selector } from "../../src/registry/instance.ts";
import { Registry } from "../../src/registry/registry.ts";
import type { RegistryLimits } from "../../src/registry/state.ts";
import type { Divergence } from "../../src/replica/checkpoints.ts";
import type { CommandCodec } from "../../src/replica/command-codec.ts";
import type {
  ClientInput,
  ClientOutput,
  Input,
  Notice,
  ReadConsistency,
  SessionState,
  WriteCommand,
} from "../../src/replica/inputs.ts";
import type { PeerMessage } from "../../src/replica/peer-messages.ts";
import { Replica } from "../../src/replica/replica.ts";
import { SNAPSHOT_LIMITS, type SnapshotLimits } from "../../src/replica/snapshot-taker.ts";
import { WATCH_LIMITS, type WatchLimits } from "../../src/replica/watches.ts";
import { MemoryDisk, type MemoryLog } from "../../src/storage/memory-storage.ts";
import { commandCodec } from "../../src/wire/command-codec.ts";
import { confCodec } from "../../src/wire/conf-codec.ts";
import { snapshotCodec } from "../../src/wire/snapshot-codec.ts";

/** Ticks within which somebody has to win an election. */
const ELECTION_TICKS = 120;
const TURNS_MAX = 10_000;

type OutputOf<T extends ClientOutput["type"]> = Extract<ClientOutput, { readonly type: T }>;
type Unconnected<T> = T extends ClientInput ? Omit<T, "connection"> : never;

/** One member: a real replica, its disk, and a clock that only the test moves. */
export class Node {
  readonly id: MemberId;
  readonly #cluster: Cluster;
  readonly #position: number;
  readonly disk: MemoryDisk;
  /** Of this start of the node; null while it is down. */
  log: MemoryLog | null = null;
  readonly clients = new Map<number, Client>();
  readonly notices: Notice[] = [];
  replica: Replica | null = null;
  clockMs: number;
  writing: PersistRequest | null = null;
  /** Writes stay out until `completeWrite`. */
  isDiskHeld = false;
  /** Neither its clock nor its sockets move it. */
  isStalled = false;
  /** The last one that was asked for. */
  alarm: { readonly number: number; readonly atMs: number } | null = null;
  /** Of its next start. */
  joinedIndex = 0;
  /** Why it is down. */
  divergence: Divergence | null = null;
  #starts = 0;

  constructor(id: MemberId, position: number, cluster: Cluster) {
    this.id = id;
    this.disk = new MemoryDisk(id);
    this.#position = position;
    this.#cluster = cluster;
    this.clockMs = 1_000_000 * (position + 1);
  }

  get up(): Replica {
    if (this.replica === null) throw new Error(`${this.id} is down`);
    return this.replica;
  }

  get status() {
    return this.up.status(this.now);
  }

  get now() {
    return { monotonicMs: this.clockMs, wallMs: 1_700_000_000_000 + this.#cluster.elapsedMs };
  }

  start(): void {
    this.#starts += 1;
    const start = 1_000 * this.#position + this.#starts;
    const members = this.#cluster.ids.map((id) => ({ id, name: id, address: "" }));
    const { loaded, log } = this.disk.open();
    this.log = log;
    this.replica = new Replica(
      {
        id: this.id,
        restored: {
          ...loaded,
          lostEnd: this.disk.lostEnd,
          snapshot: loaded.snapshot ?? { index: 0, term: 0, conf: confOf(members) },
          registry: storedRegistry(loaded.snapshot, log, this.#cluster.registryLimits),
        },
        codec: this.#cluster.codecOf(this.id),
        confCodec,
        ...(this.joinedIndex > 0 && { joinedIndex: this.joinedIndex }),
        snapshotCodec,
        snapshotLimits: this.#cluster.snapshotLimits,
        checkpointEntries: this.#cluster.checkpointEntries,
        random: (bound) => (bound > 1e9 ? start : Math.min(2 * this.#position, bound - 1)),
        watchLimits: this.#cluster.watchLimits,
        registryLimits: this.#cluster.registryLimits,
      },
      this.now,
    );
    for (const peer of this.#cluster.ids) {
      if (peer !== this.id) this.step({ type: "peerLink", peer, isUp: true });
    }
  }

  /** What was being written is lost. */
  crash(): void {
    this.replica = null;
    this.log = null;
    this.writing = null;
    this.clients.clear();
  }

  step(input: Input): void {
    this.replica?.step(input, this.now);
  }

  tick(): void {
    this.clockMs += TICK_MS;
    if (this.isStalled) return;
    this.step({ type: "tick" });
    const { alarm } = this;
    if (alarm !== null && alarm.atMs <= this.clockMs) {
      this.alarm = null;
      this.step({ type: "alarm", number: alarm.number });
    }
  }

  /** Its link to `peer` breaks and is dialled again: what was on it is lost. */
  relink(peer: MemberId): void {
    this.step({ type: "peerLink", peer, isUp: false });
    this.step({ type: "peerLink", peer, isUp: true });
  }

  completeWrite(): void {
    const request = this.writing;
    if (request === null) throw new Error(`${this.id} writes nothing`);
    this.writing = null;
    this.log?.persist(request);
    this.step({ type: "persisted", write: request.write });
  }

  /** Takes the outputs of a turn; returns whether there were any. */
  turn(): boolean {
    if (this.replica === null || this.isStalled) return false;
    const outputs = [...this.replica.ready(this.now)].flat();
    for (const output of outputs) {
      switch (output.type) {
        case "persist":
          this.writing = output.request;
          break;
        case "readChunk": {
          const { request } = output;
          const chunk = this.log?.readChunk(request.id, request.chunk) ?? null;
          this.step({ type: "chunkRead", request, chunk });
          break;
        }
        case "send":
          this.#cluster.bag.push(output.message);
          break;
        case "client":
          this.clients.get(output.output.connection)?.outputs.push(output.output);
          break;
        case "alarm":
          this.alarm = { number: output.alarm.number, atMs: this.clockMs + output.alarm.afterMs };
          break;
        case "notice":
          this.notices.push(output.notice);
          if (output.notice.type === "returned") this.disk.returned();
          break;
        case "diverged":
          this.divergence = output.divergence;
          this.#cluster.crash(this.id);
          return true;
      }
    }
    if (this.writing !== null && !this.isDiskHeld) {
      this.completeWrite();
      return true;
    }
    return outputs.length > 0;
  }
}

function storedRegistry(
  snapshot: Snapshot | null,
  log: MemoryLog,
  limits: Partial<RegistryLimits>,
): Registry {
  if (snapshot === null) return new Registry(limits);
  const builder = new RegistryBuilder(limits);
  for (const chunk of log.chunks()) {
    for (const item of snapshotCodec.decodeChunk(chunk)) builder.add(item);
  }
  return builder.finish(snapshot.digest);
}

export interface ClusterOptions {
  /** Of one member, in place of the one that all share. */
  readonly codecOf?: (id: MemberId) => CommandCodec;
  readonly size?: number;
  readonly watchLimits?: Partial<WatchLimits>;
  readonly registryLimits?: Partial<RegistryLimits>;
  readonly snapshotLimits?: Partial<SnapshotLimits>;
  readonly checkpointEntries?: number;
}

/** Whole replicas and the messages between them, moved only by the test. */
export class Cluster {
  readonly ids: readonly MemberId[];
  readonly watchLimits: WatchLimits;
  readonly registryLimits: Partial<RegistryLimits>;
  readonly snapshotLimits: SnapshotLimits;
  readonly checkpointEntries: number;
  readonly codecOf: (id: MemberId) => CommandCodec;
  readonly #nodes: ReadonlyMap<MemberId, Node>;
  /** On the way between members, in the order of sending. */
  bag: PeerMessage[] = [];
  elapsedMs = 0;
  /** Lost where false. */
  passes: (message: PeerMessage) => boolean = () => true;
  /** Stays in the bag where true. */
  holds: (message: PeerMessage) => boolean = () => false;
  #connections = 0;

  constructor({
    size = 3,
    watchLimits = {},
    snapshotLimits = {},
    registryLimits = {},
    codecOf = () => commandCodec,
    checkpointEntries = CHECKPOINT_ENTRIES,
  }: ClusterOptions = {}) {
    this.ids = Array.from({ length: size }, (_, at) => `n${at + 1}`);
    this.watchLimits = { ...WATCH_LIMITS, ...watchLimits };
    this.snapshotLimits = { ...SNAPSHOT_LIMITS, ...snapshotLimits };
    this.registryLimits = registryLimits;
    this.checkpointEntries = checkpointEntries;
    this.codecOf = codecOf;
    this.#nodes = new Map(this.ids.map((id, at) => [id, new Node(id, at, this)]));
    for (const node of this.nodes) node.start();
  }

  /** n1 leads, and every node knows how old its copy is. */
  static led(options: ClusterOptions = {}): Cluster {
    const cluster = new Cluster(options);
    cluster.elect("n1");
    return cluster;
  }

  get nodes(): Node[] {
    return [...this.#nodes.values()];
  }

  node(id: MemberId): Node {
    const node = this.#nodes.get(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  /** Only messages between members that are both named, or both not, pass. */
  isolate(...ids: readonly MemberId[]): void {
    this.passes = ({ from, to }) => ids.includes(from) === ids.includes(to);
  }

  /** The node hears of its leader, and of what is committed, but gets no entries. */
  starve(id: MemberId): void {
    this.passes = ({ type, to }) => type !== "appendEntries" || to !== id;
  }

  /** Every edge is whole, and links that broke are dialled again. */
  heal(): void {
    this.passes = () => true;
    for (const node of this.nodes) {
      for (const peer of this.ids) if (peer !== node.id) node.relink(peer);
    }
  }

  /** Everything that is not held goes where it goes, until nothing moves. */
  deliver(): void {
    for (let turn = 0; turn < TURNS_MAX; turn += 1) {
      let isMoving = false;
      for (const node of this.nodes) isMoving = node.turn() || isMoving;
      const carried = this.bag.filter((message) => !this.holds(message));
      this.bag = this.bag.filter((message) => this.holds(message));
      for (const message of carried) this.#carry(message);
      if (!isMoving && carried.length === 0) return;
    }
    throw new Error("the cluster never comes to rest");
  }

  /** Delivers what is held and agrees, in the order given; the others stay. */
  release(agrees: (message: PeerMessage) => boolean = () => true): void {
    const released = this.bag.filter(agrees);
    this.bag = this.bag.filter((message) => !agrees(message));
    for (const message of released) this.#carry(message);
    this.deliver();
  }

  /** Time goes by for everybody, tick by tick. */
  pass(forMs: number): void {
    for (let ms = 0; ms < forMs; ms += TICK_MS) {
      this.elapsedMs += TICK_MS;
      for (const node of this.nodes) node.tick();
      this.deliver();
    }
  }

  /** Time goes by until `id` leads and its duties have begun; nobody else may ask for votes. */
  elect(id: MemberId): void {
    const { passes } = this;
    this.passes = (message) =>
      passes(message) &&
      ((message.type !== "preVote" && message.type !== "requestVote") || message.from === id);
    for (let ticks = 0; ticks < ELECTION_TICKS; ticks += 1) {
      if (this.node(id).status.role === "leader") break;
      this.pass(TICK_MS);
    }
    this.passes = passes;
    if (this.node(id).status.role !== "leader") throw new Error(`${id} was not elected`);
    this.pass(4 * TICK_MS);
  }

  crash(id: MemberId): void {
    this.node(id).crash();
    for (const node of this.nodes) node.step({ type: "peerLink", peer: id, isUp: false });
  }

  restart(id: MemberId): void {
    this.node(id).start();
    for (const node of this.nodes) {
      if (node.id !== id) node.step({ type: "peerLink", peer: id, isUp: true });
    }
  }

  connect(id: MemberId, floorRevision = 0): Client {
    this.#connections += 1;
    const client = new Client(this.node(id), this.#connections);
    this.node(id).clients.set(this.#connections, client);
    client.send({ type: "connected", floorRevision });
    return client;
  }

  #carry(message: PeerMessage): void {
    const node = this.node(message.to);
    if (node.isStalled) this.bag.push(message);
    else if (this.passes(message)) node.step({ type: "peerMessage", message });
  }
}

export interface OpenOptions {
  readonly secret?: string;
  readonly attach?: number;
  readonly ttlMs?: number;
  readonly graceMs?: number;
  readonly timeoutMs?: number;
}

/** One connection and what came over it. */
export class Client {
  readonly node: Node;
  readonly connection: number;
  outputs: ClientOutput[] = [];
  session = "";
  #requests = 0;
  #lastSeq = 0;
  #watches = 0;

  constructor(node: Node, connection: number) {
    this.node = node;
    this.connection = connection;
  }

  send(input: Unconnected<ClientInput>): void {
    this.node.step({ ...input, connection: this.connection } as ClientInput);
  }

  open(session = "s1", options: OpenOptions = {}): number {
    this.session = session;
    this.send({
      type: "open",
      request: this.#nextRequest(),
      session,
      secretHash: options.secret ?? secretOf(session),
      attach: options.attach ?? 1,
      ttlMs: options.ttlMs ?? 10_000,
      graceMs: options.graceMs ?? 2_000,
      client: "test",
      timeoutMs: options.timeoutMs ?? 5_000,
    });
    return this.#requests;
  }

  attach(session: string, attach: number, secret = secretOf(session)): void {
    this.session = session;
    this.send({ type: "attach", session, secretHash: secret, attach });
  }

  /** With the next number of this connection, and nothing below it awaited, unless they are given. */
  write(
    command: (numbers: { readonly seq: number; readonly floor: number }) => WriteCommand,
    { seq = this.#lastSeq + 1, floor = seq, timeoutMs = 5_000 }: WriteOptions = {},
  ): number {
    this.#lastSeq = seq;
    const request = this.#nextRequest();
    this.send({ type: "write", request, command: command({ seq, floor }), timeoutMs });
    return request;
  }

  register(addr: string, options: WriteOptions & Partial<InstanceSpec> = {}): number {
    const { seq, floor, timeoutMs, ...rest } = options;
    return this.write(
      (numbers) => ({ type: "register", ...numbers, instances: [spec(addr, rest)] }),
      { seq, floor, timeoutMs },
    );
  }

  registerMany(addrs: readonly string[], options: WriteOptions = {}): number {
    const instances = addrs.map((addr) => spec(addr));
    return this.write((numbers) => ({ type: "register", ...numbers, instances }), options);
  }

  deregister(addr: string, options: WriteOptions & { application?: string } = {}): number {
    const { application, ...numbering } = options;
    const keys = [key(addr, application)];
    return this.write((numbers) => ({ type: "deregister", ...numbers, keys }), numbering);
  }

  bye(options: WriteOptions = {}): number {
    return this.write((numbers) => ({ type: "closeSession", ...numbers }), options);
  }

  read(consistency: ReadConsistency, options: { timeoutMs?: number; of?: Selector } = {}): number {
    const request = this.#nextRequest();
    const { timeoutMs = 5_000, of = selector() } = options;
    this.send({ type: "read", request, selector: of, consistency, timeoutMs });
    return request;
  }

  subscribe(options: Partial<Extract<ClientInput, { type: "subscribe" }>> = {}): number {
    this.#watches += 1;
    this.send({
      type: "subscribe",
      watch: this.#watches,
      selector: selector(),
      from: null,
      mode: "delta",
      allowUnknownAge: false,
      ...options,
    });
    return this.#watches;
  }

  ping(): number {
    const request = this.#nextRequest();
    this.send({ type: "ping", request });
    return request;
  }

  close(byClient = true): void {
    this.send({ type: "disconnected", byClient });
    this.node.clients.delete(this.connection);
  }

  /** Of a write: "ok", or the code it was refused with; null while it waits. */
  answer(request: number): string | null {
    const answers = this.outputs.filter(
      (output) =>
        (output.type === "writeReply" || output.type === "refused") && output.request === request,
    );
    if (answers.length > 1) throw new Error(`request ${request} was answered twice`);
    const [output] = answers;
    if (output?.type === "refused") return output.refusal.code;
    if (output?.type !== "writeReply") return null;
    return output.reply.ok ? "ok" : output.reply.code;
  }

  replyTo(request: number) {
    return this.of("writeReply").find((output) => output.request === request)?.reply ?? null;
  }

  readOf(request: number) {
    return this.of("readReply").find((output) => output.request === request)?.answer ?? null;
  }

  pongOf(request: number): boolean | null {
    return this.of("pong").find((output) => output.request === request)?.confirmed ?? null;
  }

  get states(): SessionState["state"][] {
    return this.of("sessionState").map(({ state }) => state.state);
  }

  get lastState(): SessionState | null {
    return this.of("sessionState").at(-1)?.state ?? null;
  }

  /** Snapshots, deltas and marks in the order in which they came, as short texts. */
  get stream(): string[] {
    return this.outputs.flatMap((output) => {
      switch (output.type) {
        case "snapshot": {
          const { revision, instances, isReset } = output.body;
          const addrs = instances.map(({ addr }) => addr).join(" ");
          return [`${isReset ? "reset" : "snapshot"} ${revision}: ${addrs}`];
        }
        case "delta": {
          const { revision, put, remove, collapsed } = output.body;
          const parts = [
            ...put.map(({ addr }) => `+${addr}`),
            ...remove.map(({ addr }) => `-${addr}`),
          ];
          const range = collapsed === null ? `${revision}` : `${collapsed.from}..${revision}`;
          return [`delta ${range}: ${parts.join(" ")}`];
        }
        case "mark":
          return [`mark ${output.revision}`];
        default:
          return [];
      }
    });
  }

  of<T extends ClientOutput["type"]>(type: T): OutputOf<T>[] {
    return this.outputs.filter((output): output is OutputOf<T> => output.type === type);
  }

  #nextRequest(): number {
    this.#requests += 1;
    return this.#requests;
  }
}

export interface WriteOptions {
  readonly seq?: number | undefined;
  readonly floor?: number | undefined;
  readonly timeoutMs?: number | undefined;
}

export function secretOf(session: string): string {
  return `secret of ${session}`;
}

export function key(addr: string, application = "shop"): InstanceKey {
  return { namespace: "default", application, protocol: "http", addr };
}

export function spec(addr: string, rest: Partial<InstanceSpec> = {}): InstanceSpec {
  return {
    ...key(addr, rest.application),
    meta: [],
    weight: 100,
    version: null,
    location: null,
    status: "up",
    reason: null,
    isPersistent: false,
    ...rest,
  };
}

export function selector(rest: Partial<Selector> = {}): Selector {
  return { namespace: "default", application: "shop", protocol: null, meta: [], ...rest };
}

/** The commands that a message hands over, by session and number. */
export function forwarded(message: PeerMessage): string[] {
  if (message.type !== "forward") return [];
  const { commands } = commandCodec.decodeBatch(commandCodec.encodeBatch(0, message.commands));
  return commands.map((command) =>
    "seq" in command ? `${command.session}/${command.seq}` : `${command.type}`,
  );
}

/** The commands in the log of `node`, as `entry` by `entry`. */
export function logOf(node: Node): string[][] {
  const verdict = node.disk.read();
  if (verdict?.type !== "intact") throw new Error(`the log of ${node.id} is not intact`);
  return verdict.loaded.entries
    .filter(({ kind }) => kind === "commands")
    .map(({ data }) =>
      commandCodec
        .decodeBatch(data)
        .commands.map((command) => ("seq" in command ? `${command.seq}` : command.type)),
    );
}
