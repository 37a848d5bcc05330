import { expect, test } from "vitest";
import { describeMessage } from "../../src/raft/describe.ts";
import type { RaftMessage } from "../../src/raft/messages.ts";
import { Cluster, chanceFrom, configOf, dataOf, Member } from "./cluster.ts";
import { Judge } from "./judge.ts";

const SEEDS = Number(process.env["RAFT_SEEDS"] ?? 250);
const FIRST_SEED = Number(process.env["RAFT_FIRST_SEED"] ?? 1);
const STEPS = 4000;

/** A cluster whose size, schedule and faults are all drawn from one seed. */
class RandomCluster {
  readonly #chance: (bound: number) => number;
  readonly #cluster: Cluster;
  readonly judge: Judge;
  readonly trace: string[] = [];
  #isCut: (message: RaftMessage) => boolean = () => false;
  #proposals = 0;
  #reads = 0;
  sent = 0;
  /** Out of 1000 steps. */
  /** Messages on the way; beyond it the network loses, so it is the delay as well. */
  readonly #bagMax: number;
  readonly #ticks: number;
  readonly #crashes: number;
  readonly #cuts: number;
  /** Eighths of the others' at which n1's clock runs. */
  readonly #pace: number;
  readonly #losses: number;
  readonly #repeats: number;
  /** Out of 1000 steps: of a snapshot that is taken, a cut, a chunk read for a peer. */
  readonly #snapshots: number;
  /** Of a log, when it is cut: all up to the snapshot, as much as peers allow, or some. */
  readonly #tail: "none" | "needed" | "some";
  installed = 0;
  overtaken = 0;

  constructor(seed: number) {
    this.#chance = chanceFrom(seed);
    const size = this.#chance(3) === 0 ? 5 : 3;
    this.#bagMax = [8, 25, 80][this.#chance(3)] ?? 8;
    this.#ticks = 60 + this.#chance(250);
    this.#crashes = [0, 2, 12][this.#chance(3)] ?? 0;
    this.#cuts = [2, 6, 12][this.#chance(3)] ?? 1;
    this.#pace = [8, 4, 1][this.#chance(3)] ?? 8;
    this.#losses = [0, 20, 150][this.#chance(3)] ?? 0;
    this.#repeats = [0, 50, 300][this.#chance(3)] ?? 0;
    const ids = Array.from({ length: size }, (_, at) => `n${at + 1}`);
    const knobs = {
      heartbeatTicks: 1,
      electionTicksMin: 4,
      electionTicksMax: 7,
      inflightEntriesMax: [1, 4, 64][this.#chance(3)] ?? 1,
      inflightBytesMax: [8, 1 << 20][this.#chance(2)] ?? 8,
      appendBytesMax: [4, 16, 1 << 16][this.#chance(3)] ?? 4,
      random: this.#chance,
      inflightChunksMax: [1, 3, 8][this.#chance(3)] ?? 1,
    };
    this.#snapshots = [0, 50, 200, 400][this.#chance(4)] ?? 0;
    this.#tail = (["none", "needed", "some"] as const)[this.#chance(3)] ?? "none";
    this.#cluster = new Cluster(ids.map((id) => new Member(configOf(id, knobs), ids)));
    this.judge = new Judge(this.#cluster.members);
  }

  run(steps: number): void {
    for (let step = 0; step < steps; step++) this.#step();
  }

  #step(): void {
    if (this.#chance(1000) < this.#snapshots) {
      this.#snapshotStep();
      return;
    }
    const kind = this.#chance(1000);
    if (kind < 450) this.#deliver();
    else if (kind < 590) this.#write();
    else if (kind < 590 + this.#ticks) this.#tick();
    else if (kind < 900) this.#propose();
    else if (kind < 950) this.#read();
    else if (kind < 970) this.#onMember(() => {});
    else if (kind < 975) this.#flipLink();
    else if (kind < 975 + this.#crashes) this.#crashOrStart();
    else if (kind >= 1000 - this.#cuts) this.#recut();
  }

  #pick(): Member {
    const { members } = this.#cluster;
    return members[this.#chance(members.length)] ?? fail();
  }

  /** Mostly drains at once, as a turn of its own; else leaves it to a later turn. */
  #onMember(act: (member: Member) => void, member = this.#pick()): void {
    if (member.raft === null) return;
    act(member);
    this.judge.look(member);
    if (this.#chance(4) > 0) this.#drain(member);
  }

  #drain(member: Member): void {
    const served = member.readStates.length;
    const receivedBefore = member.received.length;
    for (const message of member.drain()) {
      this.judge.left(member, message);
      this.sent++;
      this.#cluster.bag.push(message);
    }
    for (const read of member.readStates.slice(served)) this.judge.readServed(read);
    for (const { type, snapshot } of member.received.slice(receivedBefore)) {
      if (type === "installed") this.installed++;
      if (type === "abandoned") this.overtaken++;
      if (type !== "chunk") this.trace.push(`${member.id} ${type} ${snapshot.index}`);
    }
    this.judge.look(member);
    while (this.#cluster.bag.length > this.#bagMax) this.#take();
  }

  #take(): RaftMessage | undefined {
    const { bag } = this.#cluster;
    const at = this.#chance(3) > 0 ? 0 : this.#chance(bag.length || 1);
    const message = bag[at];
    bag.splice(at, 1);
    return message;
  }

  #deliver(): void {
    const message = this.#take();
    if (message === undefined || this.#isCut(message)) return;
    const fate = this.#chance(1000);
    if (fate < this.#losses) return;
    if (fate >= 1000 - this.#repeats) this.#cluster.bag.push(message);
    const target = this.#cluster.member(message.to);
    this.trace.push(describeMessage(message));
    this.#onMember((member) => member.up.step(message), target);
  }

  #write(): void {
    this.#onMember((member) => {
      this.trace.push(`${member.id} persists`);
      member.persist();
    });
  }

  /** One clock may be slow: a leader that has one goes on believing in itself. */
  #tick(): void {
    const member = this.#pick();
    const isSlow = member === this.#cluster.members[0] && this.#chance(8) >= this.#pace;
    if (!isSlow) this.#onMember(() => member.tick(), member);
  }

  #propose(): void {
    this.#onMember(({ up }) => {
      // As a replica does; the smallest windows let one entry through a round trip.
      const isFull = up.lastIndex - up.commitIndex > 60;
      if (up.role === "leader" && !isFull) up.propose("commands", dataOf(++this.#proposals));
    });
  }

  #read(): void {
    this.#onMember(({ up }) => {
      this.judge.readAsked(++this.#reads);
      up.readIndex({ start: 1, counter: this.#reads });
    });
  }

  #flipLink(): void {
    const peer = this.#pick().id;
    const isUp = this.#chance(2) === 0;
    this.#onMember(({ up }) => up.peerLink(peer, isUp));
  }

  #snapshotStep(): void {
    const kind = this.#chance(40);
    if (kind < 20) this.#onMember((member) => member.load(), this.#loading());
    else if (kind < 30) this.#onMember((member) => this.#takeStep(member));
    else if (kind < 38) this.#onMember((member) => this.#cut(member));
    else if (kind < 39) this.#leaveBehind();
    else this.#onMember((member) => member.dropFormer());
  }

  /** One is cut off while the others go on, and comes back when what it lacks is cut off the logs. */
  #leaveBehind(): void {
    const one = this.#pick().id;
    this.trace.push(`${one} is left behind`);
    this.#isCut = ({ from, to }) => from === one || to === one;
    for (let turn = 0; turn < 30; turn++) {
      this.#propose();
      for (let part = 0; part < 3; part++) {
        this.#deliver();
        this.#write();
      }
      this.#onMember((member) => this.#takeStep(member));
      this.#onMember((member) => this.#cut(member));
    }
    this.#isCut = () => false;
  }

  #loading(): Member {
    return this.#cluster.members.find(({ loading }) => loading.length > 0) ?? this.#pick();
  }

  #takeStep(member: Member): void {
    const steps = this.#chance(2) === 0 ? 1 : 7;
    if (member.taking !== null) for (let step = 0; step < steps; step++) member.takeStep();
    else if (member.beginSnapshot(1 + this.#chance(6), this.#chance(1 << 30))) {
      this.trace.push(`${member.id} takes a snapshot at ${member.state.index}`);
    }
  }

  #cut({ id, up }: Member): void {
    const { snapshot, log } = up;
    if (snapshot === null || snapshot.index <= log.start.index) return;
    const most = this.#tail === "needed" ? up.retainIndex() - 1 : snapshot.index;
    const span = Math.min(most, snapshot.index) - log.start.index;
    const index = log.start.index + (this.#tail === "some" ? this.#chance(span + 1) : span);
    this.trace.push(`${id} cuts its log up to ${index}`);
    up.compact(index);
  }

  #crashOrStart(): void {
    const down = this.#cluster.members.find(({ raft }) => raft === null);
    const member = down !== undefined && this.#chance(3) > 0 ? down : this.#pick();
    this.trace.push(`${member.id} ${member.raft === null ? "starts" : "crashes"}`);
    if (member.raft === null) {
      member.start();
      this.judge.started(member);
    } else {
      const fates = ["nothing", "hardState", "everything"] as const;
      member.crash(fates[this.#chance(3)] ?? "nothing");
    }
  }

  /** Two sides, one node that hears nothing, one direction of one link, or no cut at all. */
  #recut(): void {
    const side = new Set(
      this.#cluster.members.filter(() => this.#chance(2) === 0).map(({ id }) => id),
    );
    const leader = this.#cluster.leaders()[0]?.id ?? this.#pick().id;
    const one = this.#pick().id;
    const other = this.#pick().id;
    const cuts: ((message: RaftMessage) => boolean)[] = [
      () => false,
      () => false,
      ({ from, to }) => from === leader || to === leader,
      ({ from, to }) => from === leader || to === leader,
      ({ from, to }) => side.has(from) !== side.has(to),
      ({ to }) => to === one,
      ({ from, to }) => from === one || to === one,
      ({ from, to }) => from === one || to === one,
      ({ from, to }) => from === one || to === one,
      ({ from, to }) => from === one && to === other,
      (message) => Cluster.isBetween(message, one, other),
    ];
    this.#isCut = cuts[this.#chance(cuts.length)] ?? fail();
  }

  /** All run, nothing is lost any more: an entry and a read have to get through. */
  demandProgress(): void {
    const cluster = this.#cluster;
    for (const member of cluster.members) {
      if (member.raft !== null) continue;
      member.start();
      this.judge.started(member);
    }
    for (let tick = 0; tick < 60; tick++) {
      cluster.tick();
      for (const member of cluster.members) this.judge.look(member);
    }
    const leader = cluster.leaders()[0] ?? fail("nobody leads");
    const index = leader.propose("commands", dataOf(++this.#proposals));
    for (const { up } of cluster.members) {
      expect(up.readIndex({ start: 2, counter: ++this.#reads })).toBe(true);
    }
    cluster.tick(3);
    for (const member of cluster.members) {
      this.judge.look(member);
      expect(member.up.commitIndex).toBe(index);
      expect(member.readStates.filter(({ id }) => id.start === 2)).toHaveLength(1);
    }
  }
}

function fail(message = "out of range"): never {
  throw new Error(message);
}

test(
  "whatever is lost, repeated, reordered, cut or crashed, Raft's properties hold",
  () => {
    let elections = 0;
    let committed = 0;
    let reads = 0;
    let installed = 0;
    let overtaken = 0;
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
      const world = new RandomCluster(seed);
      try {
        world.run(STEPS);
        // Storms breed: every step brings one input, and an input is worth a few messages.
        expect(world.sent).toBeLessThan(4 * STEPS);
        world.demandProgress();
      } catch (cause) {
        const tail = world.trace.slice(-40).join("\n");
        throw new Error(`seed ${seed}: ${(cause as Error).message}\n${tail}`, { cause });
      }
      elections += world.judge.elections;
      committed += world.judge.committed.length;
      reads += world.judge.readsServed;
      installed += world.installed;
      overtaken += world.overtaken;
    }
    // A run that elects, commits or reads next to nothing has shown nothing.
    console.log(`${SEEDS} seeds: ${elections} elections, ${committed} entries, ${reads} reads`);
    console.log(`${installed} snapshots installed, ${overtaken} overtaken`);
    expect(elections).toBeGreaterThan(2 * SEEDS);
    expect(committed).toBeGreaterThan(20 * SEEDS);
    expect(reads).toBeGreaterThan(5 * SEEDS);
    expect(installed).toBeGreaterThan(SEEDS);
  },
  Math.max(60_000, 200 * SEEDS),
);
