import type { ConfState, Entry, LogIndex, MemberId } from "../../src/raft/types.ts";
import { confCodec } from "../../src/wire/conf-codec.ts";
import { isNamed, overlap, votersOf } from "./quorums.ts";
import { demand } from "./violation.ts";

/** Committed changes, by what was different afterwards. */
export interface ChangeCounts {
  readonly added: number;
  readonly promoted: number;
  /** Voters and learners, without those that were replaced. */
  readonly removed: number;
  readonly replaced: number;
  readonly updated: number;
  /** Removed or replaced in the term in which they led. */
  readonly removedLeaders: number;
}

interface Committed {
  readonly index: LogIndex;
  readonly conf: ConfState;
  readonly text: string;
}

export const NO_CHANGES: ChangeCounts = {
  added: 0,
  promoted: 0,
  removed: 0,
  replaced: 0,
  updated: 0,
  removedLeaders: 0,
};

/** The configurations of the one log, read off the disks that hold it. */
export class Configurations {
  readonly #committed: Committed[];
  /** The last one that was not joint: what a change is told by. */
  #settled: ConfState;
  readonly #counts = { ...NO_CHANGES };
  readonly #inForce = new Map<MemberId, ConfState>();
  readonly #voters: Set<MemberId>;

  constructor(birth: ConfState) {
    this.#committed = [committedAt(0, birth)];
    this.#settled = birth;
    this.#voters = new Set(birth.voters);
  }

  get counts(): ChangeCounts {
    return this.#counts;
  }

  /** The last one that is committed. */
  get latest(): ConfState {
    return (this.#committed.at(-1) as Committed).conf;
  }

  /** Whatever a node goes by, or may find on its disk at its next start; committed or not. */
  get inForce(): readonly ConfState[] {
    return [this.latest, ...this.#inForce.values()];
  }

  configured(id: MemberId, conf: ConfState): void {
    this.#inForce.set(id, conf);
    for (const voter of votersOf(conf)) this.#voters.add(voter);
  }

  /** To anybody, if only for as long as it took to be overruled. */
  wasVoter(id: MemberId): boolean {
    return this.#voters.has(id);
  }

  isMember(id: MemberId): boolean {
    return isNamed(this.latest, id);
  }

  /** Of the first that names `id`; past every index for who was never a member. */
  joinedIndex(id: MemberId): LogIndex {
    const first = this.#committed.find(({ conf }) => isNamed(conf, id));
    return first?.index ?? Number.POSITIVE_INFINITY;
  }

  wasMember(id: MemberId): boolean {
    return this.#committed.some(({ conf }) => isNamed(conf, id));
  }

  /** In one, and then not in a later one. */
  wasRemoved(id: MemberId): boolean {
    const first = this.#committed.findIndex(({ conf }) => isNamed(conf, id));
    return first !== -1 && this.#committed.slice(first).some(({ conf }) => !isNamed(conf, id));
  }

  /** Committed ones: as of `index`, and all after it. */
  since(index: LogIndex): readonly ConfState[] {
    const from = this.#committed.findLastIndex((committed) => committed.index <= index);
    return this.#committed.slice(Math.max(0, from)).map(({ conf }) => conf);
  }

  /** What `entry`, the next to be committed, goes by: what it brings, or what was in force before. */
  asOf(entry: Entry): ConfState {
    return entry.kind === "conf" ? confCodec.decode(entry.data) : this.latest;
  }

  /** `leader`: of the entry's term. Returns whether another one is committed now. */
  committed(entry: Entry, leader: MemberId | null): boolean {
    if (entry.kind !== "conf") {
      return false;
    }
    const conf = confCodec.decode(entry.data);
    const before = this.latest;
    demand(overlap(before, conf), () => `${told(before)} and ${told(conf)} decide without another`);
    this.#committed.push(committedAt(entry.index, conf));
    if (conf.votersOutgoing.length === 0) {
      this.#count(this.#settled, conf, leader);
      this.#settled = conf;
    }
    return true;
  }

  /** A leader appends its next one. */
  follows(leader: MemberId, before: ConfState, next: ConfState): void {
    const text = textOf(before);
    demand(
      this.#committed.some((committed) => committed.text === text),
      () => `${leader} goes on to ${told(next)} from ${told(before)}, which is not committed`,
    );
    demand(
      overlap(before, next),
      () => `${leader} goes on from ${told(before)} to ${told(next)}: neither needs the other`,
    );
  }

  #count(before: ConfState, after: ConfState, leader: MemberId | null): void {
    const gone = before.members.filter(({ id }) => !isNamed(after, id)).map(({ id }) => id);
    const isPromoted = after.voters.some((id) => before.learners.includes(id));
    const isVoterGone = gone.some((id) => before.voters.includes(id));
    const counts = this.#counts;
    if (after.members.some(({ id }) => !isNamed(before, id))) counts.added += 1;
    if (isPromoted && isVoterGone) counts.replaced += 1;
    else if (isPromoted) counts.promoted += 1;
    else if (gone.length > 0) counts.removed += 1;
    if (leader !== null && gone.includes(leader)) counts.removedLeaders += 1;
    const isUpdated = after.members.some((member) =>
      before.members.some(({ id, address }) => id === member.id && address !== member.address),
    );
    if (isUpdated) counts.updated += 1;
  }
}

function committedAt(index: LogIndex, conf: ConfState): Committed {
  return { index, conf, text: textOf(conf) };
}

export function textOf({ voters, votersOutgoing, learners, members }: ConfState): string {
  const rows = members.map(({ id, name, address }) => [id, name, address]);
  return JSON.stringify([voters, votersOutgoing, learners, rows]);
}

/** For people: voters, those of the outgoing half, learners. */
export function told({ voters, votersOutgoing, learners }: ConfState): string {
  return `{${[voters, votersOutgoing, learners].map((ids) => ids.join(" ")).join(" | ")}}`;
}

export function isVoter(conf: ConfState, id: MemberId): boolean {
  return votersOf(conf).includes(id);
}
