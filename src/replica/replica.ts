import { Raft } from "../raft/raft.ts";
import type { Ready } from "../raft/ready.ts";
import type { Received } from "../raft/snapshot.ts";
import type { Entry, LogIndex, MemberId } from "../raft/types.ts";
import type { Registry } from "../registry/registry.ts";
import { assert } from "../util/assert.ts";
import { Applier } from "./applier.ts";
import { Attachments } from "./attachments.ts";
import { ClientRequests } from "./client-requests.ts";
import type { CommandCodec } from "./command-codec.ts";
import { Comparison } from "./comparison.ts";
import { Connections } from "./connections.ts";
import { DiskStates } from "./disk-states.ts";
import { Freshness } from "./freshness.ts";
import { Handovers } from "./handovers.ts";
import type { Input, Notice, Output } from "./inputs.ts";
import { LeaderDuties } from "./leader-duties.ts";
import { MemberChanges } from "./member-changes.ts";
import type { Now } from "./now.ts";
import { Packing } from "./packing.ts";
import type { PeerMessage } from "./peer-messages.ts";
import { Proposals } from "./proposals.ts";
import { raftOutputs } from "./raft-outputs.ts";
import { Reads } from "./reads.ts";
import { type ReplicaOptions, raftConfigOf } from "./replica-options.ts";
import { SNAPSHOT_LIMITS } from "./snapshot-taker.ts";
import { Snapshots } from "./snapshots.ts";
import { type ReplicaStatus, replicaStatus } from "./status.ts";
import { WATCH_LIMITS, Watches } from "./watches.ts";

const START_BOUND = 2 ** 48;

/**
 * A whole member without its I/O: inputs in, outputs out. It joins the consensus module, the state
 * machine, and what a node does for its clients. Any failed invariant throws and ends the node.
 */
export class Replica {
  readonly registry: Registry;
  readonly #raft: Raft;
  readonly #codec: CommandCodec;
  readonly #connections = new Connections();
  readonly #freshness: Freshness;
  readonly #proposals: Proposals;
  readonly #packing: Packing;
  readonly #reads: Reads;
  readonly #attachments: Attachments;
  readonly #watches: Watches;
  readonly #clients: ClientRequests;
  readonly #disks: DiskStates;
  readonly #handovers: Handovers;
  readonly #memberChanges: MemberChanges;
  readonly #snapshots: Snapshots;
  readonly #applier: Applier;
  readonly #comparison: Comparison;
  #duties: LeaderDuties | null = null;
  readonly #linksUp = new Set<MemberId>();
  #seen: Pick<Raft, "term" | "role" | "leader">;
  #lastApplied: LogIndex;
  #isPersisting = false;
  #outputs: Output[] = [];

  constructor(options: ReplicaOptions, now: Now) {
    const { restored, codec, random, checkpointEntries, watchLimits = WATCH_LIMITS } = options;
    const { joinedIndex = 0 } = options;
    this.#codec = codec;
    this.registry = restored.registry;
    this.#raft = new Raft(raftConfigOf(options), restored);
    this.#lastApplied = restored.snapshot.index;
    const emit = (output: Output): void => {
      this.#outputs.push(output);
    };
    const start = random(START_BOUND);
    this.#disks = new DiskStates(this.#raft, (notice) => this.#notice(notice));
    this.#handovers = new Handovers(this.#raft, this.#disks, (notice) => this.#notice(notice));
    this.#memberChanges = new MemberChanges(this.#raft, joinedIndex, (n) => this.#notice(n));
    this.#freshness = new Freshness(joinedIndex);
    this.#packing = new Packing(codec);
    this.#proposals = new Proposals(emit, (session) => this.registry.ended(session) !== null);
    this.#reads = new Reads(this.registry, this.#freshness, emit, start);
    this.#attachments = new Attachments({
      registry: this.registry,
      freshness: this.#freshness,
      emit,
      start,
      onVerified: () => this.#proposals.released(),
    });
    this.#watches = new Watches(this.registry, this.#freshness, emit, watchLimits);
    this.#clients = new ClientRequests({
      registry: this.registry,
      connections: this.#connections,
      proposals: this.#proposals,
      reads: this.#reads,
      attachments: this.#attachments,
      watches: this.#watches,
      codec,
      emit,
      lastApplied: () => this.#lastApplied,
      refusalOf: (type) => this.#disks.refusalOf(type),
    });
    this.#applier = new Applier({
      registry: this.registry,
      codec,
      clients: this.#clients,
      attachments: this.#attachments,
      watches: this.#watches,
      emit,
    });
    const shared = { raft: this.#raft, registry: this.registry, emit };
    this.#comparison = new Comparison({ ...shared, linksUp: this.#linksUp }, checkpointEntries);
    this.#snapshots = new Snapshots({
      ...shared,
      codec: options.snapshotCodec,
      limits: options.snapshotLimits ?? SNAPSHOT_LIMITS,
      registryLimits: options.registryLimits ?? {},
      random,
      agreedIndex: () => this.#comparison.status.agreedIndex,
    });
    this.#seen = { term: this.#raft.term, role: "follower", leader: null };
    const early = [...this.#advance(now)].flat();
    this.#outputs = early.concat(this.#outputs);
  }

  step(input: Input, now: Now): void {
    if (this.#comparison.isDiverged) {
      return;
    }
    switch (input.type) {
      case "tick":
        this.#tick(now);
        break;
      case "persisted":
        this.#isPersisting = false;
        this.#raft.persisted(input.write);
        break;
      case "chunkRead":
        this.#snapshots.chunkRead(input);
        break;
      case "peerMessage":
        this.#peerMessage(input.message, now);
        break;
      case "peerLink":
        this.#peerLink(input.peer, input.isUp);
        break;
      case "peerGone":
        this.#raft.peerGone(input.peer, input.isGone);
        break;
      case "alarm":
        this.#raft.alarm(input.number);
        break;
      case "disk":
        this.#disks.setOwn(input.state);
        break;
      case "transferLeadership":
        this.#handovers.ask(input.to);
        break;
      case "changeMembers":
        this.#memberChanges.ask(input.request, input.change);
        break;
      default:
        this.#clients.step(input, now);
    }
    this.#observe(now);
  }

  /**
   * What there is to do, once after a turn of inputs: a turn's writes share an entry. It comes in
   * parts, to be carried out one after the other and all of them before the next input: disk and
   * peers are at work while what is committed is applied.
   */
  *ready(now: Now): Generator<readonly Output[], void> {
    yield* this.#advance(now);
    yield this.#taken();
  }

  #taken(): readonly Output[] {
    const outputs = this.#outputs;
    this.#outputs = [];
    return this.#comparison.passed(outputs);
  }

  status(now: Now): ReplicaStatus {
    const { agreedIndex, doubt } = this.#comparison.status;
    return replicaStatus(this.#raft, this.registry, this.#linksUp, {
      agreedIndex,
      doubt,
      snapshots: this.#snapshots,
      disks: this.#disks,
      lastApplied: this.#lastApplied,
      watches: this.#watches.count,
      isCaughtUp: this.#freshness.state === "current",
      ageMs: this.#freshness.ageMs(now.monotonicMs),
    });
  }

  #tick(now: Now): void {
    const nowMs = now.monotonicMs;
    this.#raft.tick();
    this.#observe(now);
    const { leader, lostEnd } = this.#raft;
    this.#proposals.tick(nowMs);
    this.#reads.tick(nowMs, leader !== null);
    this.#attachments.tick(nowMs);
    this.#duties?.tick(nowMs);
    this.#handovers.tick();
    this.#watches.tick();
    this.#comparison.tick();
    // What is there while it returns is no copy of anything, however old.
    if (lostEnd === null && this.#freshness.tick(leader, this.#lastApplied)) {
      this.#caughtUp(false, now);
    }
  }

  #peerMessage(message: PeerMessage, now: Now): void {
    if (message.to !== this.#raft.id) {
      return;
    }
    switch (message.type) {
      case "forward":
        if (message.term === this.#raft.term && this.#mayTake()) {
          this.#packing.add(message.term, message.commands);
        }
        break;
      case "report":
        if (message.term === this.#raft.term) {
          this.#disks.reported(message.from, message.disk);
          this.#duties?.report(message);
        }
        break;
      case "reportConfirmed":
        this.#reportConfirmed(message, now);
        break;
      case "checkpoint":
        this.#comparison.heard(message);
        break;
      default:
        this.#raft.step(message);
    }
  }

  /** On full disks it would wait without end, and more of it for every time that it is sent again. */
  #mayTake(): boolean {
    return this.#raft.role === "leader" && this.#disks.intake !== "nothing";
  }

  #reportConfirmed(message: Extract<PeerMessage, { type: "reportConfirmed" }>, now: Now): void {
    if (!this.#attachments.isOwn(message)) {
      return;
    }
    const proof = { asOfMs: message.sentAtMs, commitIndex: message.commitIndex };
    if (this.#freshness.confirmed(proof, this.#lastApplied)) {
      this.#caughtUp(true, now);
    }
    this.#disks.told(message);
    this.#attachments.confirmed(message, this.#lastApplied, now.monotonicMs);
  }

  #peerLink(peer: MemberId, isUp: boolean): void {
    this.#raft.peerLink(peer, isUp);
    if (!isUp) {
      this.#linksUp.delete(peer);
      return;
    }
    this.#linksUp.add(peer);
    this.#comparison.linkUp(peer);
    if (peer === this.#raft.leader) {
      this.#leaderChanged();
    }
  }

  /** Whatever a leader was asked is asked again: of another one, or over another link. */
  #leaderChanged(): void {
    this.#packing.clear();
    this.#proposals.leaderChanged();
    this.#reads.leaderChanged();
    this.#attachments.leaderChanged();
  }

  #observe(now: Now): void {
    const { term, role, leader } = this.#raft;
    const before = this.#seen;
    if (before.term !== term || before.role !== role || before.leader !== leader) {
      this.#seen = { term, role, leader };
      this.#notice({ type: "raftState", role, term, leader });
      if (before.term !== term || role !== "leader") {
        this.#duties = null;
      }
      if (leader !== null) {
        this.#leaderChanged();
      }
    }
    this.#handovers.observe();
    this.#memberChanges.observe();
    const isReady = role === "leader" && this.#raft.isLeaderReady;
    if (isReady && this.#duties === null && this.#lastApplied === this.#raft.commitIndex) {
      this.#duties = new LeaderDuties(this.#raft, this.registry, this.#codec, now.monotonicMs);
    }
  }

  /** Goes round until nothing more follows from anything. */
  *#advance(now: Now): Generator<readonly Output[], void> {
    let isMore = true;
    while (isMore && !this.#comparison.isDiverged) {
      this.#handOver(now);
      this.#lead(now);
      this.#ask(now);
      const isTold = this.#report(now);
      this.#snapshots.switchWhenAgreed();
      const ready = this.#raft.ready();
      assert(ready.persist === null || !this.#isPersisting, "one write is out at a time");
      this.#isPersisting ||= ready.persist !== null;
      this.#outputs = this.#outputs.concat(raftOutputs(ready));
      if (ready.committed.length > 0 && this.#outputs.length > 0) {
        yield this.#taken();
      }
      isMore = this.#carryOn(ready, now) || isTold;
      this.#observe(now);
    }
    this.#watches.flush(now.monotonicMs);
  }

  /** The address of the leader, where this node can speak to it now. */
  #reachableLeader(): MemberId | null {
    const { leader, id } = this.#raft;
    return leader === id || (leader !== null && this.#linksUp.has(leader)) ? leader : null;
  }

  #handOver(now: Now): void {
    const leader = this.#reachableLeader();
    if (leader === null || !this.#proposals.hasQueued) {
      return;
    }
    const { id, term } = this.#raft;
    for (const commands of this.#proposals.takeQueued()) {
      this.#deliver({ type: "forward", from: id, to: leader, term, commands }, now);
    }
  }

  #lead(now: Now): void {
    const raft = this.#raft;
    if (raft.role !== "leader") {
      return;
    }
    const { intake } = this.#disks;
    for (const confirmed of this.#duties?.confirmations(intake) ?? []) {
      this.#deliver(confirmed, now);
    }
    // What comes while the leadership is handed over waits here, and goes from the nodes that took
    // it to the next leader, or into the log of this one where nothing comes of it. While in doubt,
    // it would be applied to states of which nobody knows which is right.
    if (!raft.takesProposals || this.#comparison.isInDoubt || intake === "nothing") {
      return;
    }
    const commands = this.#duties?.commands() ?? [];
    if (commands.length > 0) {
      this.#packing.add(raft.term, commands);
    }
    this.#packing.proposeTo(raft, this.#isPersisting, now.wallMs);
  }

  #ask(now: Now): void {
    if (!this.#reads.hasUnasked || this.#reachableLeader() === null) {
      return;
    }
    const id = this.#reads.ask(now.monotonicMs);
    if (id !== null && !this.#raft.readIndex(id)) {
      this.#reads.notAsked(id);
    }
  }

  /** Returns whether this node, as leader, has told itself. */
  #report(now: Now): boolean {
    const leader = this.#reachableLeader();
    const { id, term } = this.#raft;
    if (leader === null || (leader === id && this.#duties === null)) {
      return false;
    }
    const target = { id, leader, term, disk: this.#disks.own };
    const report = this.#attachments.report(target, now.monotonicMs);
    if (report !== null) {
      this.#deliver(report, now);
    }
    return report !== null && leader === id;
  }

  /** Sends it, or takes it at once where it is for this node itself. */
  #deliver(message: PeerMessage, now: Now): void {
    if (message.to === this.#raft.id) {
      this.#peerMessage(message, now);
    } else {
      this.#outputs.push({ type: "send", message });
    }
  }

  #carryOn(ready: Ready, now: Now): boolean {
    const { persist, messages, received, committed, readStates } = ready;
    const isInstalled = this.#install(received, now);
    this.#snapshots.written(ready);
    for (const entry of committed) {
      this.#apply(entry, now);
    }
    for (const readState of readStates) {
      this.#reads.confirmed(readState);
    }
    const hasAdvanced = committed.length > 0 || isInstalled;
    if (hasAdvanced && this.#freshness.applied(this.#lastApplied)) {
      this.#caughtUp(true, now);
    }
    if (hasAdvanced || readStates.length > 0) {
      this.#attachments.applied(this.#lastApplied, now.monotonicMs);
      this.#reads.applied(this.#lastApplied, now.monotonicMs);
    }
    const hasTold = messages.length > 0 || readStates.length > 0;
    return persist !== null || hasAdvanced || hasTold || ready.snapshotWritten.length > 0;
  }

  /** Returns whether the state has leapt to that of another member's snapshot. */
  #install(received: readonly Received[], now: Now): boolean {
    const installed = this.#snapshots.received(received);
    if (installed === null) {
      return false;
    }
    const { index, bytes } = installed.snapshot;
    assert(index > this.#lastApplied, "a snapshot leads on");
    this.#lastApplied = index;
    this.registry.become(installed.state);
    this.#comparison.installed(index);
    this.#clients.installed(this.registry, now);
    this.#notice({ type: "snapshot", how: "installed", index, bytes });
    return true;
  }

  #apply(entry: Entry, now: Now): void {
    assert(entry.index === this.#lastApplied + 1, "entries are applied in order");
    this.#lastApplied = entry.index;
    this.#snapshots.applied(entry.data.byteLength);
    this.#applier.apply(entry, this.#duties, now);
    if (this.#comparison.applied(entry.index)) {
      this.#snapshots.checkpoint(entry.index);
    }
  }

  #caughtUp(ageKnown: boolean, now: Now): void {
    this.#reads.applied(this.#lastApplied, now.monotonicMs);
    this.#notice({ type: "caughtUp", index: this.#lastApplied, ageKnown });
  }

  #notice(notice: Notice): void {
    this.#outputs.push({ type: "notice", notice });
  }
}
