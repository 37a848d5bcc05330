import { ELECTION_TICKS_MIN } from "../../src/limits.ts";
import type { ConfState, Entry, LogIndex, MemberId, Term } from "../../src/raft/types.ts";
import type { Divergence } from "../../src/replica/checkpoints.ts";
import type { Notice } from "../../src/replica/inputs.ts";
import type { ReplicaStatus } from "../../src/replica/status.ts";
import { AgreedSnapshots } from "./agreed-snapshots.ts";
import { type CommittedEntry, Leaders } from "./leaders.ts";
import { isQuorum } from "./quorums.ts";
import type { SimNode } from "./sim-node.ts";
import { demand } from "./violation.ts";
import type { World } from "./world.ts";

const STUCK_SLACK_TICKS = 5;
/** Events a simulated second past which something feeds itself. */
const EVENTS_PER_SECOND_MAX = 60_000;

interface Progress {
  readonly term: Term;
  readonly commitIndex: LogIndex;
}

/** What Raft promises, looked at after every step of every node (paper, Figure 3). */
export class Invariants {
  readonly #world: World;
  readonly #leaders: Leaders;
  readonly #progress = new Map<MemberId, Progress>();
  /** By index, from 1 on. */
  readonly #committed: (Entry & CommittedEntry)[] = [];
  readonly #snapshots = { taken: 0, installed: 0 };
  readonly #agreedSnapshots: AgreedSnapshots;
  readonly #divergences: Divergence[] = [];
  /** Say so in the step under way; looked at when all of it is known. */
  readonly #toldOut = new Set<MemberId>();
  #transfers = 0;
  #returned = 0;
  #eventsAtSecond = 0;

  constructor(world: World) {
    this.#world = world;
    this.#leaders = new Leaders(world);
    this.#agreedSnapshots = new AgreedSnapshots(world);
  }

  get leaderChanges(): number {
    return this.#leaders.count;
  }

  /**
   * What may change the leader where nothing goes wrong: it is asked to, it is removed, or it was
   * elected without being a voter any more, or yet, and has to go.
   */
  get reasonsToChange(): number {
    const { removedLeaders } = this.#world.configurations.counts;
    return 1 + this.#transfers + removedLeaders + this.#leaders.outsiders;
  }

  /** Members that came back without their logs, and have them again. */
  get returned(): number {
    return this.#returned;
  }

  get snapshots(): { readonly taken: number; readonly installed: number } {
    return this.#snapshots;
  }

  notice(node: SimNode, notice: Notice): void {
    switch (notice.type) {
      case "raftState":
        if (notice.role === "leader") {
          this.#leaders.elected(node.id, notice.term);
        }
        break;
      case "applied":
        if (!this.#isFaulty(node)) {
          this.#world.applied(node, notice.changes);
        }
        break;
      case "sessionEnded":
        this.#world.sessionEnded(notice.session, notice.reason, notice.revision);
        break;
      case "snapshot":
        this.#snapshots[notice.how] += 1;
        this.#agreedSnapshots[notice.how](node, notice.index);
        break;
      case "doubt":
        // With one that is wrong and one that was not heard, no state has a majority of three.
        demand(
          notice.doubt === null || this.#world.fault !== null,
          () => `${node.id} is in doubt: ${JSON.stringify(notice.doubt)}`,
        );
        break;
      case "membersChange":
        this.#world.operator.answered(node, notice.request, notice.outcome);
        break;
      case "configuration":
        this.#world.configurations.configured(node.id, notice.conf);
        this.#leaders.configured(node.id, notice.conf);
        this.#agreedSnapshots.configured(node, notice.conf);
        this.#world.sockets.configured(node.id);
        break;
      case "removed":
        this.#toldOut.add(node.id);
        break;
      case "leadershipTransfer":
        if (notice.outcome === "started" && notice.to !== null) {
          this.#transfers += 1;
          this.#leaders.handsOver(node.id, notice.to);
        }
        break;
      case "returned":
        node.disk.returned();
        this.#returned += 1;
        break;
      case "caughtUp":
      case "configurationCommitted":
      case "snapshotWaits":
      case "stranded":
      case "massBreak":
        break;
    }
  }

  /** After a write, and at a start. */
  durable(node: SimNode): void {
    this.#leaders.voted(node);
  }

  /** After a node's outputs were taken. */
  stepped(node: SimNode): void {
    const status = node.status();
    if (status === null) {
      return;
    }
    this.#committedIsDurable(node, status);
    this.#leaders.stepped(node, status, this.#committed);
    this.#monotone(node, status);
    this.#agreedSnapshots.stepped(node, status);
    if (this.#toldOut.delete(node.id)) {
      this.#removed(node);
    }
    this.#world.operator.stepped(node, this.#world.configurations.since(status.commitIndex));
    if (!this.#isFaulty(node)) {
      this.#world.canon.digest(node.id, status.lastApplied, status.digest);
    }
  }

  /**
   * A leader whose disk hangs gives way: it notices after an election timeout, and what it then
   * tries, or was at before, is over after another.
   */
  stuck(node: SimNode, ticks: number): void {
    demand(
      ticks <= 2 * ELECTION_TICKS_MIN + STUCK_SLACK_TICKS || this.#isSoleVoter(node),
      () => `${node.id} leads with a disk that has hung for ${ticks} ticks`,
    );
  }

  /** But a snapshot of which all had come before, which the log then begins with. */
  tookNothingOnFullDisk(node: SimNode, before: ReplicaStatus): void {
    const now = node.status();
    if (before.disk !== "full" || now?.disk !== "full") return;
    demand(
      now.lastIndex <= Math.max(before.lastIndex, now.firstIndex - 1),
      () => `${node.id} took ${now.lastIndex} on a full disk`,
    );
  }

  /** Nobody is stopped whose program and memory are whole. */
  diverged(node: SimNode, divergence: Divergence): void {
    demand(this.#isFaulty(node), () => `${node.id} diverged: ${JSON.stringify(divergence)}`);
    this.#divergences.push(divergence);
  }

  get divergences(): readonly Divergence[] {
    return this.#divergences;
  }

  #isFaulty(node: SimNode): boolean {
    return this.#world.fault?.node === node.id;
  }

  crashed(node: SimNode): void {
    this.#progress.delete(node.id);
    this.#leaders.crashed(node.id);
  }

  /** The storm detector: called once a simulated second. */
  second(): void {
    const { events } = this.#world.schedule;
    const inSecond = events - this.#eventsAtSecond;
    this.#eventsAtSecond = events;
    demand(inSecond < EVENTS_PER_SECOND_MAX, () => `${inSecond} events within a second`);
    this.#leaders.second();
  }

  /** It has nobody to leave anything to. */
  #isSoleVoter(node: SimNode): boolean {
    const conf = node.status()?.conf;
    return conf?.voters.length === 1 && conf.votersOutgoing.length === 0;
  }

  /** It says that it is committed that it is no member any more. */
  #removed(node: SimNode): void {
    const { configurations } = this.#world;
    demand(
      configurations.wasRemoved(node.id),
      () => `${node.id} takes itself for removed, and was not`,
    );
    this.#world.toldRemoved(node);
  }

  #monotone(node: SimNode, { term, commitIndex }: ReplicaStatus): void {
    const before = this.#progress.get(node.id);
    if (before !== undefined) {
      demand(before.term <= term, () => `${node.id} went from term ${before.term} to ${term}`);
      demand(
        before.commitIndex <= commitIndex,
        () => `${node.id} took its commit index back from ${before.commitIndex} to ${commitIndex}`,
      );
    }
    this.#progress.set(node.id, { term, commitIndex });
  }

  /**
   * What anybody applies is, or was, on the disks of a majority, and is what everybody else applies. The
   * majority is that of the configuration as of the entry, or of the next one, which the leader has
   * in its log already.
   */
  #committedIsDurable(node: SimNode, { lastApplied, conf, term }: ReplicaStatus): void {
    for (let index = this.#committed.length + 1; index <= lastApplied; index += 1) {
      const entry = this.#durableEntry(index, conf);
      demand(
        entry !== undefined,
        () => `${node.id} applied index ${index}, which is on no majority of disks`,
      );
      this.#committed.push({ ...entry, inTerm: term });
      this.#world.committed(entry, this.#leaders.of(entry.term));
    }
  }

  #durableEntry(index: LogIndex, inForce: ConfState): Entry | undefined {
    const { nodes, configurations } = this.#world;
    const kinds = new Map<string, Entry>();
    const held = new Map<MemberId, string>();
    for (const { id, disk } of nodes) {
      const entry = disk.vouchedEntry(index);
      if (entry !== undefined) {
        const kind = `${entry.term}/${entry.data.length}`;
        kinds.set(kind, entry);
        held.set(id, kind);
      }
    }
    for (const [kind, entry] of kinds) {
      const has = (id: MemberId): boolean => held.get(id) === kind;
      if (isQuorum(configurations.asOf(entry), has) || isQuorum(inForce, has)) {
        return entry;
      }
    }
    return undefined;
  }

  /**
   * Leader completeness and log matching, over the disks, at the end of a run; of who was removed,
   * as far as it knows it to be committed: behind that nobody has told it any better.
   */
  disksAgree(): void {
    for (const node of this.#world.nodes) {
      const isMember = this.#world.configurations.isMember(node.id);
      const upTo = isMember ? this.#committed.length : (node.status()?.commitIndex ?? 0);
      for (const committed of this.#committed.slice(0, upTo)) {
        const entry = node.disk.entry(committed.index);
        demand(
          entry === undefined ||
            (entry.term === committed.term && sameBytes(entry.data, committed.data)),
          () => `${node.id} holds another entry at committed index ${committed.index}`,
        );
      }
    }
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
