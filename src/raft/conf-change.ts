import { assert, unreachable } from "../util/assert.ts";
import { byId, isJoint, isVoterOf, memberOf } from "./conf-state.ts";
import type { ConfMember, ConfState, MemberId } from "./types.ts";

/** What may be asked of a leader. */
export type ConfChange =
  /** Gets the log from now on, and decides nothing. */
  | { readonly type: "addLearner"; readonly member: ConfMember }
  | { readonly type: "promote"; readonly id: MemberId }
  /** A voter or a learner. */
  | { readonly type: "remove"; readonly id: MemberId }
  /** A voter by a learner, in one step: no moment has a voter more or less. */
  | { readonly type: "replace"; readonly id: MemberId; readonly by: MemberId }
  /** Another name or address of a member. */
  | { readonly type: "update"; readonly member: ConfMember };

/** Why a change has no meaning in this configuration. Nothing has happened. */
export type ConfMismatch =
  /** To be added or, with nothing new, updated. */
  | { readonly reason: "alreadyMember"; readonly id: MemberId }
  | { readonly reason: "notMember"; readonly id: MemberId }
  /** To be promoted, or to replace another. */
  | { readonly reason: "notLearner"; readonly id: MemberId }
  /** To be replaced. */
  | { readonly reason: "notVoter"; readonly id: MemberId }
  | { readonly reason: "lastVoter"; readonly id: MemberId };

export type ChangedConf =
  | { readonly ok: true; readonly conf: ConfState }
  | ({ readonly ok: false } & ConfMismatch);

/**
 * The configuration to append. Where the voters change, it is the joint one: old and new voters
 * have no majority without each other until it is left (§6).
 */
export function changedConf(conf: ConfState, change: ConfChange): ChangedConf {
  assert(!isJoint(conf), "a joint configuration is left before it is changed");
  switch (change.type) {
    case "addLearner":
      return withLearner(conf, change.member);
    case "promote":
      return withVoters(conf, change.id, null);
    case "remove":
      return conf.learners.includes(change.id)
        ? changed(withoutMember(conf, change.id))
        : withVoters(conf, null, change.id);
    case "replace":
      return withVoters(conf, change.by, change.id);
    case "update":
      return withMember(conf, change.member);
    default:
      return unreachable(change);
  }
}

/** Cnew after Cold,new: who is in no list any more is gone. */
export function leftJoint(conf: ConfState): ConfState {
  assert(isJoint(conf), "a simple configuration is not left");
  const { voters, learners } = conf;
  const members = conf.members.filter(({ id }) => voters.includes(id) || learners.includes(id));
  return { voters, votersOutgoing: [], learners, members };
}

function withLearner(conf: ConfState, member: ConfMember): ChangedConf {
  if (memberOf(conf, member.id) !== undefined) return refused("alreadyMember", member.id);
  return changed({
    ...conf,
    learners: [...conf.learners, member.id].sort(),
    members: [...conf.members, member].sort(byId),
  });
}

function withMember(conf: ConfState, member: ConfMember): ChangedConf {
  const known = memberOf(conf, member.id);
  if (known === undefined) return refused("notMember", member.id);
  if (known.name === member.name && known.address === member.address) {
    return refused("alreadyMember", member.id);
  }
  const members = conf.members.map((other) => (other.id === member.id ? member : other));
  return changed({ ...conf, members });
}

/** Either may be null; both are one step. */
function withVoters(conf: ConfState, coming: MemberId | null, going: MemberId | null): ChangedConf {
  for (const id of [coming, going]) {
    if (id !== null && memberOf(conf, id) === undefined) return refused("notMember", id);
  }
  if (going !== null && !isVoterOf(conf, going)) return refused("notVoter", going);
  if (coming !== null && isVoterOf(conf, coming)) return refused("notLearner", coming);
  const staying = conf.voters.filter((id) => id !== going);
  const voters = coming === null ? staying : [...staying, coming].sort();
  if (going !== null && voters.length === 0) return refused("lastVoter", going);
  return changed({
    voters,
    votersOutgoing: conf.voters,
    learners: conf.learners.filter((id) => id !== coming),
    members: conf.members,
  });
}

function withoutMember(conf: ConfState, gone: MemberId): ConfState {
  return {
    ...conf,
    learners: conf.learners.filter((id) => id !== gone),
    members: conf.members.filter(({ id }) => id !== gone),
  };
}

function changed(conf: ConfState): ChangedConf {
  return { ok: true, conf };
}

function refused(reason: ConfMismatch["reason"], id: MemberId): ChangedConf {
  return { ok: false, reason, id };
}
