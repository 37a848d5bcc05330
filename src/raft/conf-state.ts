import { assert } from "../util/assert.ts";
import type { ConfMember, ConfState, MemberId } from "./types.ts";

/** Questions to a configuration. */

/** The configuration in which these members vote, and there are no others. */
export function confOf(members: readonly ConfMember[]): ConfState {
  const sorted = [...members].sort(byId);
  const conf = {
    voters: sorted.map(({ id }) => id),
    votersOutgoing: [],
    learners: [],
    members: sorted,
  };
  checkConf(conf);
  return conf;
}

export function isJoint(conf: ConfState): boolean {
  return conf.votersOutgoing.length > 0;
}

/** In either half. */
export function isVoterOf(conf: ConfState, id: MemberId): boolean {
  return conf.voters.includes(id) || conf.votersOutgoing.includes(id);
}

export function memberOf(conf: ConfState, id: MemberId): ConfMember | undefined {
  return conf.members.find((member) => member.id === id);
}

export function isMemberOf(conf: ConfState, id: MemberId): boolean {
  return memberOf(conf, id) !== undefined;
}

/** `id` decides everything alone. */
export function isSoleVoter(conf: ConfState, id: MemberId): boolean {
  return conf.voters.length === 1 && conf.voters[0] === id && !isJoint(conf);
}

export function byId(one: { readonly id: MemberId }, other: { readonly id: MemberId }): number {
  if (one.id === other.id) return 0;
  return one.id < other.id ? -1 : 1;
}

export function checkConf(conf: ConfState): void {
  const { voters, votersOutgoing, learners, members } = conf;
  for (const ids of [voters, votersOutgoing, learners, members.map(({ id }) => id)]) {
    ids.forEach((id, at) => {
      assert(at === 0 || (ids[at - 1] ?? id) < id, () => `${id} does not follow ${ids[at - 1]}`);
    });
  }
  assert(voters.length > 0, "a configuration has voters");
  for (const id of learners) {
    assert(!isVoterOf(conf, id), () => `${id} is a voter and a learner`);
  }
  const everybody = new Set([...voters, ...votersOutgoing, ...learners]);
  assert(
    everybody.size === members.length && members.every(({ id }) => everybody.has(id)),
    "members are those in one of the lists",
  );
}
