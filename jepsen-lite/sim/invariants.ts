import { ELECTION_TICKS_MIN } from "../../src/limits.ts";
import type { LogIndex, MemberId, Term } from "../../src/raft/types.ts";
import type { Divergence } from "../../src/replica/checkpoints.ts";
import type { Notice } from "../../src/replica/inputs.ts";
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
  readonly #leaders = new Map<Term, MemberId>();
  readonly #votes = new Map<string, MemberId>();
  readonly #durableTerm = new Map<MemberId, Term>();
  readonly #progress = new Map<MemberId, Progress>();
  /** Committed entries as `term/bytes` by index. */
  readonly #committed: { readonly term: Term; readonly data: Uint8Array }[] = [];
  readonly #snapshots = { taken: 0, installed: 0 };
  /** The most that each has ever applied. */
  readonly #applied = new Map<MemberId, LogIndex>();
  readonly #divergences: Divergence[] = [];
  #leaderChanges = 0;
  #returned = 0;
  #eventsAtSecond = 0;

  constructor(world: World) {
    this.#world = world;
  }

  get leaderChanges(): number {
    return this.#leaderChanges;
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
          this.#electionSafety(node.id, notice.term);
        }
        break;
      case "applied":
        if (!this.#isFaulty(node)) {
          this.#world.applied(node, notice.changes);
        }
        break;
      case "sessionEnded":
        this.#world.sessionEnded(notice.session, notice.reason);
        break;
      case "snapshot":
        this.#snapshots[notice.how] += 1;
        this.#agreedOn(node, notice.index);
        break;
      case "doubt":
        demand(
          notice.doubt === null,
          () => `${node.id} is in doubt: ${JSON.stringify(notice.doubt)}`,
        );
        break;
      case "returned":
        node.disk.returned();
        this.#returned += 1;
        break;
      case "caughtUp":
      case "snapshotWaits":
      case "membersChange":
      case "configuration":
      case "removed":
      case "massBreak":
      case "leadershipTransfer":
        break;
    }
  }

  /** After a node's outputs were taken. */
  stepped(node: SimNode): void {
    const status = node.status();
    if (status === null) {
      return;
    }
    this.#monotone(node, status.term, status.commitIndex);
    const applied = Math.max(this.#applied.get(node.id) ?? 0, status.lastApplied);
    this.#applied.set(node.id, applied);
    this.#committedIsDurable(node, status.lastApplied);
    if (!this.#isFaulty(node)) {
      this.#world.canon.digest(node.id, status.lastApplied, status.digest);
    }
  }

  /** After a write: a vote is given once a term, and never taken back by a crash. */
  durable(node: SimNode): void {
    const { term, vote } = node.disk.hardState;
    demand(
      term >= (this.#durableTerm.get(node.id) ?? 0),
      () => `${node.id} wrote term ${term} after ${this.#durableTerm.get(node.id)}`,
    );
    this.#durableTerm.set(node.id, term);
    if (vote !== null) {
      const key = `${node.id}/${term}`;
      const before = this.#votes.get(key) ?? vote;
      demand(before === vote, () => `${node.id} voted for ${before} and ${vote} in term ${term}`);
      this.#votes.set(key, vote);
    }
  }

  /**
   * A leader whose disk hangs gives way: it notices after an election timeout, and what it then
   * tries, or was at before, is over after another.
   */
  stuck(node: SimNode, ticks: number): void {
    demand(
      ticks <= 2 * ELECTION_TICKS_MIN + STUCK_SLACK_TICKS || this.#world.nodes.length === 1,
      () => `${node.id} leads with a disk that has hung for ${ticks} ticks`,
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
  }

  /** The storm detector: called once a simulated second. */
  second(): void {
    const { events } = this.#world.schedule;
    const inSecond = events - this.#eventsAtSecond;
    this.#eventsAtSecond = events;
    demand(inSecond < EVENTS_PER_SECOND_MAX, () => `${inSecond} events within a second`);
  }

  #electionSafety(node: MemberId, term: Term): void {
    const known = this.#leaders.get(term);
    demand(
      known === undefined || known === node,
      () => `${known} and ${node} are both leaders of term ${term}`,
    );
    if (known === undefined) {
      this.#leaderChanges += 1;
      this.#leaders.set(term, node);
    }
  }

  #monotone(node: SimNode, term: Term, commitIndex: LogIndex): void {
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

  /** A snapshot of a state that only a minority can have had at its index is nobody's current one. */
  #agreedOn(node: SimNode, index: LogIndex): void {
    const there = this.#world.nodes.filter(({ id }) => (this.#applied.get(id) ?? 0) >= index);
    demand(
      index % this.#world.options.checkpointEntries === 0 &&
        there.length * 2 > this.#world.nodes.length,
      () => `${node.id} has a snapshot at ${index}, where only ${there.length} members were`,
    );
  }

  /** What anybody applies is, or was, on the disks of a majority, and is what everybody else applies. */
  #committedIsDurable(node: SimNode, lastApplied: LogIndex): void {
    for (let index = this.#committed.length + 1; index <= lastApplied; index += 1) {
      const holders = new Map<string, { count: number; term: Term; data: Uint8Array }>();
      for (const { disk } of this.#world.nodes) {
        const entry = disk.vouchedEntry(index);
        if (entry !== undefined) {
          const key = `${entry.term}/${entry.data.length}`;
          const holder = holders.get(key) ?? { count: 0, term: entry.term, data: entry.data };
          holder.count += 1;
          holders.set(key, holder);
        }
      }
      const quorum = Math.floor(this.#world.nodes.length / 2) + 1;
      const durable = [...holders.values()].find((holder) => holder.count >= quorum);
      demand(
        durable !== undefined,
        () => `${node.id} applied index ${index}, which is on no majority of disks`,
      );
      this.#committed.push({ term: durable.term, data: durable.data });
    }
  }

  /** Leader completeness and log matching, over the disks, at the end of a run. */
  disksAgree(): void {
    for (const node of this.#world.nodes) {
      this.#committed.forEach((committed, position) => {
        const entry = node.disk.entry(position + 1);
        demand(
          entry === undefined ||
            (entry.term === committed.term && sameBytes(entry.data, committed.data)),
          () => `${node.id} holds another entry at committed index ${position + 1}`,
        );
      });
    }
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
