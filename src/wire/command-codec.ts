import type { Command, EndReason } from "../registry/command.ts";
import type { InstanceSpec } from "../registry/instance.ts";
import type { CommandCodec } from "../replica/command-codec.ts";
import { assert, unreachable } from "../util/assert.ts";
import { endReasonNumber, readEndReason } from "./end-reason.ts";
import {
  contentTuple,
  integer,
  keyTuple,
  readContent,
  readKey,
  readSpec,
  specTuple,
  text,
  tupleOf,
} from "./instance-tuple.ts";
import { concatBytes, packTuple, unpackRow } from "./msgpack.ts";

/** First in the header of every batch. A later layout is a new number beside this one. */
const BATCH_LAYOUT = 1;

/** First in every command's tuple. A number is never used again for something else. */
const TAG = {
  openSession: 1,
  register: 2,
  update: 3,
  deregister: 4,
  closeSession: 5,
  expireSessions: 6,
  reapSession: 7,
  raiseStateVersion: 8,
} as const satisfies Record<Command["type"], number>;

/**
 * Canonical MessagePack tuples: the same command gives the same bytes on every node. A batch is
 * the header `[layout, atMs, count]` and the commands behind it, as they came from their nodes.
 */
export const commandCodec: CommandCodec = {
  encode: (command) => packTuple(commandTuple(command)),

  encodeBatch: (atMs, commands) =>
    concatBytes([packTuple([BATCH_LAYOUT, atMs, commands.length]), ...commands]),

  decodeBatch: (data) => {
    const row = unpackRow(data);
    const [layout, atMs, count] = tupleOf(row[0], 3);
    assert(layout === BATCH_LAYOUT, () => `a batch of layout ${layout}`);
    assert(count === row.length - 1, () => `${row.length - 1} commands where ${count} were packed`);
    const commands: Command[] = [];
    for (let index = 1; index < row.length; index++) {
      commands.push(readCommand(row[index]));
    }
    return { atMs: integer(atMs), commands };
  },
};

function instanceTuple(spec: InstanceSpec): readonly unknown[] {
  return specTuple(spec, spec.isPersistent);
}

function commandTuple(command: Command): readonly unknown[] {
  switch (command.type) {
    case "openSession":
      return [
        TAG.openSession,
        command.session,
        command.secretHash,
        command.ttlMs,
        command.graceMs,
        command.appliedIndex,
        command.client,
      ];
    case "register": {
      const { session, seq, floor } = command;
      return [TAG.register, session, seq, floor, command.instances.map(instanceTuple)];
    }
    case "update": {
      const { session, seq, floor, key, set, ifRevision } = command;
      return [TAG.update, session, seq, floor, keyTuple(key), contentTuple(set), ifRevision];
    }
    case "deregister": {
      const { session, seq, floor } = command;
      return [TAG.deregister, session, seq, floor, command.keys.map(keyTuple)];
    }
    case "closeSession":
      return [TAG.closeSession, command.session, command.seq, command.floor];
    case "expireSessions": {
      const row: unknown[] = [];
      for (const { session, reason } of command.sessions) {
        row.push(session, endReasonNumber(reason));
      }
      return [TAG.expireSessions, command.term, row];
    }
    case "reapSession":
      return [TAG.reapSession, command.session];
    case "raiseStateVersion":
      return [TAG.raiseStateVersion, command.version];
    default:
      return unreachable(command);
  }
}

function readCommand(value: unknown): Command {
  assert(Array.isArray(value), "a command is no tuple");
  switch (value[0]) {
    case TAG.openSession: {
      const [, session, secretHash, ttlMs, graceMs, appliedIndex, client] = tupleOf(value, 7);
      return {
        type: "openSession",
        session: text(session),
        secretHash: text(secretHash),
        ttlMs: integer(ttlMs),
        graceMs: integer(graceMs),
        appliedIndex: integer(appliedIndex),
        client: text(client),
      };
    }
    case TAG.register: {
      const { session, seq, floor } = numbers(value, 5);
      return { type: "register", session, seq, floor, instances: list(value[4]).map(readSpec) };
    }
    case TAG.update:
      return {
        type: "update",
        ...numbers(value, 7),
        key: readKey(value[4]),
        set: readContent(value[5]),
        ifRevision: value[6] === null ? null : integer(value[6]),
      };
    case TAG.deregister:
      return { type: "deregister", ...numbers(value, 5), keys: list(value[4]).map(readKey) };
    case TAG.closeSession:
      return { type: "closeSession", ...numbers(value, 4) };
    case TAG.expireSessions: {
      const [, term, row] = tupleOf(value, 3);
      return { type: "expireSessions", term: integer(term), sessions: readExpiries(row) };
    }
    case TAG.reapSession:
      return { type: "reapSession", session: text(tupleOf(value, 2)[1]) };
    case TAG.raiseStateVersion:
      return { type: "raiseStateVersion", version: integer(tupleOf(value, 2)[1]) };
    default:
      assert(false, () => `a command of the unknown kind ${JSON.stringify(value[0])}`);
  }
}

function numbers(value: unknown, length: number): { session: string; seq: number; floor: number } {
  const [, session, seq, floor] = tupleOf(value, length);
  return { session: text(session), seq: integer(seq), floor: integer(floor) };
}

function list(value: unknown): readonly unknown[] {
  assert(Array.isArray(value), "a list is missing");
  return value;
}

function readExpiries(value: unknown): { session: string; reason: EndReason }[] {
  const row = list(value);
  assert(row.length % 2 === 0, "expiries are not in pairs");
  const expiries: { session: string; reason: EndReason }[] = [];
  for (let at = 0; at < row.length; at += 2) {
    expiries.push({ session: text(row[at]), reason: readEndReason(row[at + 1]) });
  }
  return expiries;
}
