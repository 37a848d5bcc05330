import type { ConfCodec } from "../raft/conf-codec.ts";
import type { ConfMember } from "../raft/types.ts";
import { assert } from "../util/assert.ts";
import { integer, text, tupleOf } from "./instance-tuple.ts";
import { concatBytes, packTuple, unpackRow } from "./msgpack.ts";

/** First in every configuration. A later layout is a new number beside this one. */
const LAYOUT = 1;

/**
 * Canonical MessagePack: `[layout, voters, votersOutgoing, learners, members]`, `members` being
 * id, name and address in turn. Raft keeps every list in the order of ids.
 */
export const confCodec: ConfCodec = {
  // A copy: it lives as long as its entry, and would keep the packer's whole buffer alive.
  encode: ({ voters, votersOutgoing, learners, members }) =>
    concatBytes([packTuple([LAYOUT, voters, votersOutgoing, learners, memberRow(members)])]),

  decode: (bytes) => {
    const row = unpackRow(bytes);
    assert(row.length === 1, "an entry holds one configuration");
    const [layout, voters, outgoing, learners, members] = tupleOf(row[0], 5);
    assert(integer(layout) === LAYOUT, () => `a configuration of layout ${layout}`);
    return {
      voters: texts(voters),
      votersOutgoing: texts(outgoing),
      learners: texts(learners),
      members: readMembers(texts(members)),
    };
  },
};

function memberRow(members: readonly ConfMember[]): readonly string[] {
  return members.flatMap(({ id, name, address }) => [id, name, address]);
}

function readMembers(row: readonly string[]): ConfMember[] {
  assert(row.length % 3 === 0, "members are id, name and address in turn");
  const members: ConfMember[] = [];
  for (let at = 0; at < row.length; at += 3) {
    members.push({ id: text(row[at]), name: text(row[at + 1]), address: text(row[at + 2]) });
  }
  return members;
}

function texts(value: unknown): readonly string[] {
  assert(Array.isArray(value), "a list is missing");
  return value.map(text);
}
