import { expect } from "vitest";
import type { ConfChange } from "../../src/raft/conf-change.ts";
import { describeMessage } from "../../src/raft/describe.ts";
import type { RaftMessage } from "../../src/raft/messages.ts";
import type { Raft } from "../../src/raft/raft.ts";
import type { MemberId } from "../../src/raft/types.ts";
import { Cluster, chanceFrom, configOf, dataOf, Member, votersConf } from "./cluster.ts";
import { Judge } from "./judge.ts";
import { named, shown } from "./members.ts";

/** Nodes where members come and go; those that are not members yet run and wait. */
const POOL = 7;

/** A cluster whose size, schedule and faults are all drawn from one seed. */
export class RandomCluster {
  readonly #chance: (bound: number) => number;
  readonly #cluster: Cluster;
  readonly judge: Judge;
  readonly trace: string[] = [];
  #isCut: (message: RaftMessage) => boolean = () => false;
  /** Out of 1000 steps, one more that changes the members. */
  readonly #changes: number;
  #proposals = 0;
  #reads = 0;
  sent = 0;
  /** Accepted, by kind. */
  readonly changed = new Map<ConfChange["type"], number>();
  /** Messages on the way; beyond it the network loses, so it is the delay as well. */
  readonly #bagMax: number;
  /** Out of 1000 steps. */
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
  readonly #born: readonly MemberId[];
  installed = 0;
  /** By members that the cluster was not born with, and with an empty log before. */
  installedByNew = 0;
  overtaken = 0;
  readonly #isReckless: boolean;
  /** Out of 1000 starts, those without the log. */
  readonly #logLosses: number;
  logsLost = 0;
  returned = 0;
  /** Disks that have become full. */
  filled = 0;

  /**
   * `isReckless`: members lose their logs however many have, and while members change. Then nobody
   * need be elected any more, but nothing that was committed may be lost.
   */
  constructor(seed: number, hasChanges: boolean, isReckless = false) {
    this.#isReckless = isReckless;
    this.#chance = chanceFrom(seed);
    const size = this.#chance(3) === 0 ? 5 : 3;
    this.#bagMax = [8, 25, 80][this.#chance(3)] ?? 8;
    this.#ticks = 60 + this.#chance(250);
    this.#crashes = [0, 2, 12][this.#chance(3)] ?? 0;
    this.#cuts = [2, 6, 12][this.#chance(3)] ?? 2;
    this.#pace = [8, 4, 1][this.#chance(3)] ?? 8;
    this.#losses = [0, 20, 150][this.#chance(3)] ?? 0;
    this.#repeats = [0, 50, 300][this.#chance(3)] ?? 0;
    const ids = Array.from({ length: hasChanges ? POOL : size }, (_, at) => `n${at + 1}`);
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
    this.#logLosses = [isReckless ? 500 : 0, 300, 800][this.#chance(3)] ?? 0;
    this.#changes = hasChanges ? ([30, 150, 500][this.#chance(3)] ?? 30) : 0;
    // A cluster may be born with one, two or four as well.
    this.#born = ids.slice(0, hasChanges ? 1 + this.#chance(5) : size);
    this.#cluster = new Cluster(ids.map((id) => new Member(configOf(id, knobs), this.#born)));
    this.judge = new Judge(this.#cluster.members, votersConf(this.#born));
  }

  run(steps: number): void {
    for (let step = 0; step < steps; step++) this.#step();
  }

  #step(): void {
    if (this.#changes > 0) {
      // More nodes are sent more: without it most would be lost for want of room.
      this.#deliver();
      this.#write();
      if (this.#chance(1000) < this.#changes) this.#change();
    }
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
    else if (kind < 956) this.#onMember(() => {});
    else if (kind < 970) this.#disturb();
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
    const { isDiskFull, lastIndex } = member.up;
    act(member);
    // But for a snapshot of which all had come before.
    const { log } = member.up;
    if (
      isDiskFull &&
      member.up.isDiskFull &&
      log.lastIndex > Math.max(lastIndex, log.start.index)
    ) {
      fail(`${member.id} has taken ${log.lastIndex} on a full disk`);
    }
    this.judge.look(member);
    if (this.#chance(4) > 0) this.#drain(member);
  }

  #drain(member: Member): void {
    const served = member.readStates.length;
    const receivedBefore = member.received.length;
    const isNew = member.state.index === 0 && !this.#born.includes(member.id);
    for (const message of member.drain()) {
      this.judge.left(member, message);
      this.sent++;
      this.#cluster.bag.push(message);
    }
    if (member.endReturnWhenRefilled()) {
      this.returned++;
      this.trace.push(`${member.id} is back`);
    }
    for (const read of member.readStates.slice(served)) this.judge.readServed(read);
    for (const { type, snapshot } of member.received.slice(receivedBefore)) {
      if (type === "installed") this.installed++;
      if (type === "installed" && isNew) this.installedByNew++;
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

  /** Asks whoever leads, or believes to, for something that may or may not be in order. */
  #change(): void {
    const leaders = this.#cluster.leaders();
    const leader = leaders[this.#chance(leaders.length || 1)];
    if (leader === undefined || (this.#isReturning && !this.#isReckless)) return;
    this.#onMember(({ up }) => {
      const change = this.#drawChange(up);
      const proposal = up.proposeConf(change);
      this.trace.push(`${up.id} ${JSON.stringify(change)}: ${JSON.stringify(proposal)}`);
      if (proposal.ok) this.changed.set(change.type, (this.changed.get(change.type) ?? 0) + 1);
    }, this.#cluster.member(leader.id));
    // Else next to none would be cut off again.
    if (this.#chance(15) === 0) this.#isCut = ({ from, to }) => [from, to].includes(leader.id);
  }

  #drawChange({ id: leader, conf }: Raft): ConfChange {
    const one = this.#pick().id;
    const voter = this.#anyOf(conf.voters) ?? one;
    const learner = this.#anyOf(conf.learners) ?? one;
    const gone = [voter, voter, leader, learner, one][this.#chance(5)] ?? one;
    const changes: ConfChange[] = [
      { type: "addLearner", member: named(one) },
      { type: "addLearner", member: named(one) },
      { type: "promote", id: learner },
      { type: "promote", id: learner },
      { type: "promote", id: learner },
      { type: "replace", id: voter, by: learner },
      { type: "replace", id: voter, by: learner },
      { type: "replace", id: leader, by: learner },
      { type: "remove", id: gone },
      { type: "update", member: named(one, `port ${this.#chance(3)}`) },
    ];
    return changes[this.#chance(changes.length)] ?? fail();
  }

  #anyOf(ids: readonly MemberId[]): MemberId | undefined {
    return ids[this.#chance(ids.length || 1)];
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

  /**
   * What is not Raft's own to decide: transfers, processes that seem gone, alarms at any time, disks
   * that are full.
   */
  #disturb(): void {
    const peer = this.#pick().id;
    const kind = this.#chance(12);
    if (kind > 8) for (const member of this.#cluster.members) this.#setDiskFull(member, false);
    this.#onMember((member) => {
      if (kind === 8) this.#setDiskFull(member, true);
      else if (kind === 0) member.up.transferLeadership(this.#chance(2) === 0 ? null : peer);
      else if (kind < 4) member.up.peerGone(peer, kind < 3);
      else if (member.alarm !== null) member.ring();
    });
  }

  #setDiskFull({ id, raft }: Member, isFull: boolean): void {
    if (raft === null || raft.isDiskFull === isFull) return;
    this.trace.push(`the disk of ${id} ${isFull ? "is full" : "has room"}`);
    if (isFull) this.filled++;
    raft.setDiskFull(isFull);
  }

  #snapshotStep(): void {
    const kind = this.#chance(40);
    if (kind < 20) this.#onMember((member) => member.load(), this.#loading());
    else if (kind < 30) this.#onMember((member) => this.#takeStep(member));
    else if (kind < 37) this.#onMember((member) => this.#cut(member));
    else if (kind < 38) this.#interrupt();
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

  /** Who leads is cut off while somebody receives its snapshot: the next one may send entries. */
  #interrupt(): void {
    const leader = this.#cluster.leaders()[0]?.id;
    const isInstalling = this.#cluster.members.some(({ raft }) => raft?.isInstalling === true);
    if (leader === undefined || !isInstalling || this.#chance(4) > 0) return;
    this.trace.push(`${leader} is cut off while it sends a snapshot`);
    this.#isCut = ({ from, to }) => from === leader || to === leader;
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
      if (this.#chance(1000) < this.#logLosses && this.#mayLoseLog(member)) this.#loseLog(member);
      member.start();
      this.judge.started(member);
    } else {
      const fates = ["nothing", "hardState", "everything"] as const;
      member.crash(fates[this.#chance(3)] ?? "nothing");
    }
  }

  /** The others elect a leader without it, whatever was only in its log. */
  #mayLoseLog(member: Member): boolean {
    if (this.#isReckless) return true;
    return this.#cluster.members.every(
      ({ raft, disk }) =>
        disk.lost === null &&
        (disk === member.disk ||
          (raft !== null &&
            raft.conf.voters.length > 2 &&
            (raft.conf.votersOutgoing.length === 0 || raft.conf.votersOutgoing.length > 2))),
    );
  }

  get #isReturning(): boolean {
    return this.#cluster.members.some(({ disk }) => disk.lost !== null);
  }

  /** Its state had gone wrong, and it is to come back with that of another member. */
  #loseLog(member: Member): void {
    this.trace.push(`${member.id} sets its log aside`);
    this.logsLost++;
    member.loseLog();
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
      member.raft?.setDiskFull(false);
      if (member.raft !== null) continue;
      member.start();
      this.judge.started(member);
    }
    // What is on the way was judged when it left; a crash since then may have let go what was staged.
    const judged = new Set(cluster.bag);
    cluster.passes = (message) => {
      if (!judged.has(message)) this.judge.left(cluster.member(message.from), message);
      return true;
    };
    for (let tick = 0; tick < 60; tick++) this.#tickAll();
    const leader = cluster.leaders()[0] ?? fail("nobody leads");
    const { conf, term } = leader;
    // A change that was begun is complete, or gone with the leader that began it.
    if (conf.votersOutgoing.length > 0) fail(`${leader.id} has not left ${shown(conf)}`);
    if (!conf.voters.includes(leader.id)) fail(`${leader.id} leads, and is not of ${shown(conf)}`);
    const index = leader.propose("commands", dataOf(++this.#proposals));
    const members = cluster.members.filter(({ id }) => conf.members.some((of) => of.id === id));
    for (const { up } of members) {
      expect(up.readIndex({ start: 2, counter: ++this.#reads })).toBe(true);
    }
    for (let tick = 0; tick < 3; tick++) this.#tickAll();
    for (const member of members) {
      expect(member.up.commitIndex).toBe(index);
      expect(member.up.conf).toEqual(conf);
      expect(member.readStates.filter(({ id }) => id.start === 2)).toHaveLength(1);
    }
    // Nor does anybody who was removed, knowing it or not, put an end to that.
    for (let tick = 0; tick < 40; tick++) this.#tickAll();
    expect(cluster.leaders().map((raft) => `${raft.id} ${raft.term}`)).toEqual([
      `${leader.id} ${term}`,
    ]);
  }

  #tickAll(): void {
    const cluster = this.#cluster;
    cluster.tick();
    for (const { id } of cluster.leaders()) this.judge.look(cluster.member(id));
    for (const member of cluster.members) this.judge.look(member);
  }
}

function fail(message = "out of range"): never {
  throw new Error(message);
}
