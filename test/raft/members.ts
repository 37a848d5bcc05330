import type { ConfChange } from "../../src/raft/conf-change.ts";
import type { RaftMessage } from "../../src/raft/messages.ts";
import type { Raft } from "../../src/raft/raft.ts";
import type { ConfMember, ConfState, Entry, MemberId, Term } from "../../src/raft/types.ts";
import { confCodec } from "../../src/wire/conf-codec.ts";
import { Cluster } from "./cluster.ts";
import { told } from "./conversation.ts";

/** How tests change and read configurations. */

export function named(id: MemberId, address = ""): ConfMember {
  return { id, name: id, address };
}

export const adds = (id: MemberId): ConfChange => ({ type: "addLearner", member: named(id) });
export const promotes = (id: MemberId): ConfChange => ({ type: "promote", id });
export const removes = (id: MemberId): ConfChange => ({ type: "remove", id });
export const replaces = (id: MemberId, by: MemberId): ConfChange => ({ type: "replace", id, by });

/** `n1 n2 n3`, joint `n1 n2 n3 + n1 n2`, learners behind a slash: the new voters first. */
export function shown({ voters, votersOutgoing, learners }: ConfState): string {
  const joint = votersOutgoing.length > 0 ? ` + ${votersOutgoing.join(" ")}` : "";
  const learning = learners.length > 0 ? ` / ${learners.join(" ")}` : "";
  return `${voters.join(" ")}${joint}${learning}`;
}

export function confEntry(
  index: number,
  term: Term,
  voters: readonly MemberId[],
  votersOutgoing: readonly MemberId[] = [],
  learners: readonly MemberId[] = [],
): Entry {
  const ids = [...new Set([...voters, ...votersOutgoing, ...learners])].sort();
  const members = ids.map((id) => named(id));
  const data = confCodec.encode({ voters, votersOutgoing, learners, members });
  return { index, term, kind: "conf", data };
}

/** Proposes, and lets the cluster come to rest. */
export function changes(cluster: Cluster, leader: Raft, change: ConfChange): void {
  const proposal = leader.proposeConf(change);
  if (!proposal.ok) throw new Error(`${change.type} was refused: ${JSON.stringify(proposal)}`);
  cluster.settle();
}

/** Adds, lets it catch up, and promotes. */
export function joins(cluster: Cluster, leader: Raft, id: MemberId): void {
  changes(cluster, leader, adds(id));
  cluster.tick(4);
  changes(cluster, leader, promotes(id));
}

/** The configurations that stand in the log of `raft`, in order. */
export function confsIn(raft: Raft): string[] {
  return raft.log.confEntries.map(({ data }) => shown(confCodec.decode(data)));
}

/** n1 of three, leading in term 1, and n4, n5 that are not members yet. */
export function three(spares = 2): Cluster {
  const cluster = Cluster.of(3, [], spares);
  cluster.elect("n1");
  return cluster;
}

/** The leader has crashed, and all others have given it up. */
export function without(cluster: Cluster, leader: string): Cluster {
  cluster.member(leader).crash("nothing");
  cluster.tick(10);
  return cluster;
}

export function appendConfs(term: number, prev: number, entries: readonly Entry[]): RaftMessage {
  return told({
    type: "appendEntries",
    term,
    prevLogIndex: prev,
    prevLogTerm: prev === 0 ? 0 : 1,
    entries,
    commitIndex: 0,
  });
}
