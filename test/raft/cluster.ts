import { confOf } from "../../src/raft/conf-state.ts";
import type { RaftConfig } from "../../src/raft/config.ts";
import type { RaftMessage } from "../../src/raft/messages.ts";
import { Raft } from "../../src/raft/raft.ts";
import { type ChunkRequest, isSameId, type Received } from "../../src/raft/snapshot.ts";
import type {
  Alarm,
  ConfState,
  Entry,
  LogIndex,
  MemberId,
  PersistRequest,
  ReadState,
  Snapshot,
  SnapshotWrite,
  Term,
} from "../../src/raft/types.ts";
import { confCodec } from "../../src/wire/conf-codec.ts";
import { chainAt, type Disk, EMPTY_DISK, snapshotOf, store } from "./disk.ts";
import { StateMachine } from "./state-machine.ts";

/** Integers in [0, bound), the same for the same seed (mulberry32). */
export function chanceFrom(seed: number): (bound: number) => number {
  let state = seed | 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}

/** Four bytes that say `value`, so that entries can be told apart. */
export function dataOf(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** The entries of these terms, from index 1 on. */
export function entriesOf(terms: readonly Term[], from: LogIndex = 1): Entry[] {
  return terms.map((term, at) => ({
    index: from + at,
    term,
    kind: "commands",
    data: dataOf(1000 * term + from + at),
  }));
}

/** The configuration that is born with these voters, each named as its id. */
export function votersConf(voters: readonly MemberId[]): ConfState {
  return confOf(voters.map((id) => ({ id, name: id, address: "" })));
}

const noChance = (): number => 0;

export function configOf(id: MemberId, overrides: Partial<RaftConfig> = {}): RaftConfig {
  return {
    id,
    heartbeatTicks: 2,
    electionTicksMin: 10,
    electionTicksMax: 20,
    inflightEntriesMax: 64,
    inflightBytesMax: 1 << 20,
    appendBytesMax: 1 << 16,
    learnerLagEntriesMax: 16,
    confCodec,
    random: noChance,
    inflightChunksMax: 4,
    ...overrides,
  };
}

/** What a member's own snapshot still lacks on the way to its disk. */
interface Taking {
  readonly snapshot: Snapshot;
  readonly writes: SnapshotWrite[];
}

export class Member {
  readonly id: MemberId;
  readonly disk: Disk;
  readonly #voters: readonly MemberId[];
  readonly #config: RaftConfig;
  /** Null while crashed. */
  raft: Raft | null = null;
  writing: PersistRequest | null = null;
  /** Since the start. */
  committed: Entry[] = [];
  readStates: ReadState[] = [];
  /** The last one that was asked for. */
  alarm: Alarm | null = null;
  received: Received[] = [];
  snapshotWritten: SnapshotWrite[] = [];
  state = new StateMachine();
  /** To be read from the disk for a peer. */
  loading: ChunkRequest[] = [];
  taking: Taking | null = null;

  constructor(config: RaftConfig, voters: readonly MemberId[], disk: Partial<Disk> = {}) {
    this.id = config.id;
    this.#config = config;
    this.#voters = voters;
    this.disk = structuredClone({ ...EMPTY_DISK, ...disk });
    this.start();
  }

  get up(): Raft {
    if (this.raft === null) throw new Error(`${this.id} is down`);
    return this.raft;
  }

  start(): void {
    this.committed = [];
    this.readStates = [];
    this.alarm = null;
    this.received = [];
    this.snapshotWritten = [];
    this.loading = [];
    this.taking = null;
    this.state = new StateMachine();
    const { disk } = this;
    // At a start what no switch made current is gone.
    disk.staged = null;
    disk.former = [];
    if (disk.current !== null) this.state.restore(disk.current.snapshot, disk.current.chunks);
    this.raft = new Raft(this.#config, {
      hardState: disk.hardState,
      snapshot: disk.current?.snapshot ?? { index: 0, term: 0, conf: votersConf(this.#voters) },
      logStart: disk.logStart,
      entries: [...disk.entries],
      commitIndex: disk.commitIndex,
      lostEnd: disk.lost?.end ?? null,
    });
  }

  /** What was on its way to the disk is lost, or only its first part has arrived, or all of it. */
  crash(survives: "nothing" | "hardState" | "everything"): void {
    if (this.writing !== null && survives !== "nothing") {
      this.#store(this.writing, survives === "everything");
    }
    this.writing = null;
    this.raft = null;
  }

  /** After a crash: log and snapshot are gone, term and vote are not. */
  loseLog(): void {
    if (this.raft !== null) throw new Error(`${this.id} is up`);
    const { hardState, entries, logStart, lost } = this.disk;
    const { index, term } = entries.at(-1) ?? logStart;
    const before = lost?.end ?? { index: 0, term: 0 };
    const isLater = term > before.term || (term === before.term && index > before.index);
    Object.assign(this.disk, structuredClone(EMPTY_DISK), {
      hardState,
      lost: {
        end: isLater ? { index, term } : before,
        cutIndex: Math.max(lost?.cutIndex ?? 0, logStart.index),
        entries: [...(lost?.entries ?? []), ...entries],
      },
    });
  }

  /** It counts as back as soon as it may. */
  endReturnWhenRefilled(): boolean {
    if (this.up.lostEnd === null || !this.up.isRefilled) return false;
    this.up.endReturn();
    this.disk.lost = null;
    return true;
  }

  /** Takes what there is to do; the messages are the caller's to carry. */
  drain(): readonly RaftMessage[] {
    const { persist, messages, committed, readStates, alarm, ...snapshots } = this.up.ready();
    if (alarm !== null) this.alarm = alarm;
    if (persist !== null) {
      if (this.writing !== null) throw new Error(`${this.id} has two writes in flight`);
      this.writing = persist;
    }
    for (const event of snapshots.received) {
      this.received.push(event);
      this.state.received(event);
    }
    for (const entry of committed) {
      this.committed.push(entry);
      this.state.apply(entry);
    }
    for (const read of readStates) this.readStates.push(read);
    for (const write of snapshots.snapshotWritten) this.#written(write);
    for (const request of snapshots.chunkRequests) this.loading.push(request);
    return messages;
  }

  /** Completes the write in flight. False where there is none. */
  persist(): boolean {
    const { writing } = this;
    if (writing === null) return false;
    this.writing = null;
    this.#store(writing, true);
    this.up.persisted(writing.write);
    return true;
  }

  /** Answers the first request for a chunk. False where there is none. */
  load(): boolean {
    const request = this.loading.shift();
    if (request === undefined) return false;
    const { current, former } = this.disk;
    const stored = [current, ...former].find(
      (one) => one !== null && isSameId(one.snapshot, request.id),
    );
    const data = stored?.chunks[request.chunk];
    if (stored == null || data === undefined) this.up.chunkMissing(request);
    else this.up.chunkLoaded({ ...request, data, chain: chainAt(stored.snapshot) });
    return true;
  }

  /** Freezes the state as it is now. False where that is the current snapshot's already. */
  beginSnapshot(chunks: number, nonce: number): boolean {
    const { index } = this.state;
    if (index <= (this.up.snapshot?.index ?? 0)) return false;
    const term = this.up.log.termAt(index) ?? -1;
    const snapshot = snapshotOf(index, term, { conf: this.up.confAt(index), nonce, chunks });
    const id = { index, nonce };
    const writes: SnapshotWrite[] = this.state
      .chunks(snapshot)
      .map((data, first) => ({ type: "stage", id, first, chunks: [data] }));
    this.taking = { snapshot, writes: [...writes, { type: "switch", snapshot, chain: null }] };
    return true;
  }

  /** Hands out the next step of what is being taken; gives up where it came to nothing. */
  takeStep(): void {
    const write = this.taking?.writes.shift();
    if (write !== undefined && !this.up.writeSnapshot(write)) this.taking = null;
  }

  /** Takes a snapshot of what is applied, all at once. */
  takeSnapshot(chunks = 3, nonce = this.state.index): Snapshot {
    if (!this.beginSnapshot(chunks, nonce) || this.taking === null) throw new Error("none to take");
    const { snapshot, writes } = this.taking;
    for (let left = writes.length; left > 0; left--) this.takeStep();
    this.settle();
    return snapshot;
  }

  dropFormer(): void {
    for (const { snapshot } of this.disk.former) {
      const { index, nonce } = snapshot;
      this.up.writeSnapshot({ type: "drop", id: { index, nonce } });
    }
  }

  /** Drains, persists and loads until there is nothing more to do. */
  settle(): RaftMessage[] {
    const messages = [...this.drain()];
    while (this.persist() || this.load()) messages.push(...this.drain());
    return messages;
  }

  tick(count = 1): void {
    for (let tick = 0; tick < count; tick++) this.up.tick();
  }

  /** The time of its alarm has come. */
  ring(): void {
    if (this.alarm === null) throw new Error(`${this.id} has asked for no alarm`);
    const { number } = this.alarm;
    this.alarm = null;
    this.up.alarm(number);
  }

  #written(write: SnapshotWrite): void {
    const { taking } = this;
    this.snapshotWritten.push(write);
    if (write.type === "switch" && taking !== null && isSameId(taking.snapshot, write.snapshot)) {
      this.taking = null;
    }
  }

  #store(request: PersistRequest, hasBatch: boolean): void {
    if (request.hardState !== null) this.disk.hardState = request.hardState;
    if (hasBatch) store(this.disk, request);
  }
}

/** Members and the messages between them, moved only by the test. */
export class Cluster {
  readonly members: readonly Member[];
  readonly #byId: ReadonlyMap<MemberId, Member>;
  /** On the way, in the order of sending. */
  bag: RaftMessage[] = [];
  /** Delivered if true; dropped if not. */
  passes: (message: RaftMessage) => boolean = () => true;
  sent = 0;

  constructor(members: readonly Member[]) {
    this.members = members;
    this.#byId = new Map(members.map((member) => [member.id, member]));
  }

  /**
   * n1, n2, … with logs of these terms (default: empty). n1 times out first, then n2, … The last
   * ones, `spares`, are not members yet.
   */
  static of(size: number, logs: readonly (readonly Term[])[] = [], spares = 0): Cluster {
    const ids = Array.from({ length: size + spares }, (_, at) => `n${at + 1}`);
    const voters = ids.slice(0, size);
    return new Cluster(
      ids.map((id, at) => {
        const terms = logs[at] ?? [];
        const disk = {
          hardState: { term: terms.at(-1) ?? 0, vote: null },
          entries: entriesOf(terms),
        };
        return new Member(
          configOf(id, { random: (bound) => Math.min(2 * at, bound - 1) }),
          voters,
          disk,
        );
      }),
    );
  }

  member(id: MemberId): Member {
    const member = this.#byId.get(id);
    if (member === undefined) throw new Error(`no member ${id}`);
    return member;
  }

  raft(id: MemberId): Raft {
    return this.member(id).up;
  }

  /** Cuts both directions between `one` and `other`. */
  static isBetween(message: RaftMessage, one: MemberId, other: MemberId): boolean {
    return (
      (message.from === one && message.to === other) ||
      (message.from === other && message.to === one)
    );
  }

  isolate(...ids: readonly MemberId[]): void {
    this.passes = (message) => ids.includes(message.from) === ids.includes(message.to);
  }

  heal(): void {
    this.passes = () => true;
  }

  /** Delivers and persists everything until nothing moves. */
  settle(): void {
    for (let turn = 0; turn < 1000; turn++) {
      for (const member of this.members) {
        if (member.raft === null) continue;
        const messages = member.settle();
        this.sent += messages.length;
        this.bag.push(...messages);
      }
      const carried = this.bag;
      this.bag = [];
      if (carried.length === 0) return;
      for (const message of carried) {
        if (this.passes(message)) this.member(message.to).raft?.step(message);
      }
    }
    throw new Error("the cluster never comes to rest");
  }

  /** Ticks all that run, settling after each tick. */
  tick(count = 1): void {
    for (let tick = 0; tick < count; tick++) {
      for (const member of this.members) member.raft?.tick();
      this.settle();
    }
  }

  /** Lets only `id` time out, and expects it to win. */
  elect(id: MemberId): Raft {
    const raft = this.raft(id);
    for (let tick = 0; tick < 50 && raft.role !== "leader"; tick++) {
      raft.tick();
      this.settle();
    }
    if (raft.role !== "leader") throw new Error(`${id} was not elected`);
    return raft;
  }

  leaders(): Raft[] {
    return this.members.flatMap(({ raft }) => (raft?.role === "leader" ? [raft] : []));
  }
}
