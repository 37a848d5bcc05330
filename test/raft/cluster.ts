import { confOf } from "../../src/raft/conf-state.ts";
import type { RaftConfig } from "../../src/raft/config.ts";
import type { RaftMessage } from "../../src/raft/messages.ts";
import { Raft } from "../../src/raft/raft.ts";
import type {
  ConfState,
  Entry,
  HardState,
  LogIndex,
  MemberId,
  PersistRequest,
  ReadState,
  Term,
} from "../../src/raft/types.ts";
import { confCodec } from "../../src/wire/conf-codec.ts";

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
    ...overrides,
  };
}

/** What survives a crash. `entries[i]` has index `i + 1`. */
export interface Disk {
  hardState: HardState;
  entries: Entry[];
  commitIndex: LogIndex;
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

  constructor(config: RaftConfig, voters: readonly MemberId[], disk: Partial<Disk> = {}) {
    this.id = config.id;
    this.#config = config;
    this.#voters = voters;
    this.disk = { hardState: { term: 0, vote: null }, entries: [], commitIndex: 0, ...disk };
    this.start();
  }

  get up(): Raft {
    if (this.raft === null) throw new Error(`${this.id} is down`);
    return this.raft;
  }

  start(): void {
    this.committed = [];
    this.readStates = [];
    this.raft = new Raft(this.#config, {
      hardState: this.disk.hardState,
      snapshot: { index: 0, term: 0, conf: votersConf(this.#voters) },
      entries: [...this.disk.entries],
      commitIndex: this.disk.commitIndex,
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

  /** Takes what there is to do; the messages are the caller's to carry. */
  drain(): readonly RaftMessage[] {
    const { persist, messages, committed, readStates } = this.up.ready();
    if (persist !== null) {
      if (this.writing !== null) throw new Error(`${this.id} has two writes in flight`);
      this.writing = persist;
    }
    for (const entry of committed) this.committed.push(entry);
    for (const read of readStates) this.readStates.push(read);
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

  /** Drains and persists until there is nothing more to write. */
  settle(): RaftMessage[] {
    const messages = [...this.drain()];
    while (this.persist()) messages.push(...this.drain());
    return messages;
  }

  tick(count = 1): void {
    for (let tick = 0; tick < count; tick++) this.up.tick();
  }

  #store(request: PersistRequest, hasEntries: boolean): void {
    if (request.hardState !== null) this.disk.hardState = request.hardState;
    const first = request.entries[0];
    if (!hasEntries || first === undefined) return;
    this.disk.entries.length = Math.min(this.disk.entries.length, first.index - 1);
    for (const entry of request.entries) this.disk.entries.push(entry);
    this.disk.commitIndex = request.commitIndex;
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
