import { ERRORS, type ErrorCode } from "../errors.ts";
import type { Reply } from "../registry/command.ts";
import type { Tombstone, Totals } from "../registry/digest.ts";
import type { Instance } from "../registry/instance.ts";
import type { RegistryItem, SessionImage } from "../registry/snapshot.ts";
import type { SnapshotCodec } from "../replica/snapshot-codec.ts";
import { assert, unreachable } from "../util/assert.ts";
import { endReasonNumber, readEndReason } from "./end-reason.ts";
import { integer, readSpec, specTuple, text, tupleOf } from "./instance-tuple.ts";
import { concatBytes, packTuple, unpackRow } from "./msgpack.ts";

/** First in every item's tuple. A later layout of an item is a new number beside the old one. */
const TAG = {
  totals: 1,
  tombstone: 2,
  session: 3,
  instance: 4,
} as const satisfies Record<RegistryItem["type"], number>;

/** Canonical MessagePack tuples, as in the log: equal items give equal bytes on every node. */
export const snapshotCodec: SnapshotCodec = {
  encodeItem: (item) => packTuple(itemTuple(item)),

  joinItems: concatBytes,

  decodeChunk: (chunk) => unpackRow(chunk).map(readItem),
};

function itemTuple(item: RegistryItem): readonly unknown[] {
  switch (item.type) {
    case "totals": {
      const { revision, stateVersion, clockMs, opened, evicted } = item.totals;
      return [TAG.totals, revision, stateVersion, clockMs, opened, evicted];
    }
    case "tombstone": {
      const { session, reason, revision, index } = item.tombstone;
      return [TAG.tombstone, session, endReasonNumber(reason), revision, index];
    }
    case "session":
      return [TAG.session, ...sessionFields(item.session)];
    case "instance":
      return [TAG.instance, ...instanceFields(item.instance)];
    default:
      return unreachable(item);
  }
}

function readItem(value: unknown): RegistryItem {
  assert(Array.isArray(value), "an item is missing");
  const [tag, ...fields] = value;
  switch (tag) {
    case TAG.totals:
      return { type: "totals", totals: readTotals(fields) };
    case TAG.tombstone:
      return { type: "tombstone", tombstone: readTombstone(fields) };
    case TAG.session:
      return { type: "session", session: readSession(fields) };
    case TAG.instance:
      return { type: "instance", instance: readInstance(fields) };
    default:
      throw new Error(`an item of the unknown kind ${tag}`);
  }
}

function readTotals(fields: readonly unknown[]): Totals {
  const [revision, stateVersion, clockMs, opened, evicted] = tupleOf(fields, 5);
  return {
    revision: integer(revision),
    stateVersion: integer(stateVersion),
    clockMs: integer(clockMs),
    opened: integer(opened),
    evicted: integer(evicted),
  };
}

function readTombstone(fields: readonly unknown[]): Tombstone {
  const [session, reason, revision, index] = tupleOf(fields, 4);
  return {
    session: text(session),
    reason: readEndReason(reason),
    revision: integer(revision),
    index: integer(index),
  };
}

function sessionFields(session: SessionImage): readonly unknown[] {
  return [
    session.id,
    session.secretHash,
    session.ttlMs,
    session.graceMs,
    session.client,
    session.order,
    session.openedRevision,
    session.openedAtMs,
    session.ownedRevision,
    session.ending === null ? null : endReasonNumber(session.ending),
    session.lastSeq,
    session.floor,
    session.replies.map(replyTuple),
  ];
}

function readSession(fields: readonly unknown[]): SessionImage {
  const tuple = tupleOf(fields, 13);
  const replies = tuple[12];
  assert(Array.isArray(replies), "a session without its replies");
  return {
    id: text(tuple[0]),
    secretHash: text(tuple[1]),
    ttlMs: integer(tuple[2]),
    graceMs: integer(tuple[3]),
    client: text(tuple[4]),
    order: integer(tuple[5]),
    openedRevision: integer(tuple[6]),
    openedAtMs: integer(tuple[7]),
    ownedRevision: integer(tuple[8]),
    ending: tuple[9] === null ? null : readEndReason(tuple[9]),
    lastSeq: integer(tuple[10]),
    floor: integer(tuple[11]),
    replies: replies.map(readReply),
  };
}

function replyTuple(reply: Reply): readonly unknown[] {
  return reply.ok
    ? [reply.revision]
    : [reply.revision, reply.code, reply.message, reply.field ?? null];
}

function readReply(value: unknown): Reply {
  assert(Array.isArray(value), "a reply is missing");
  if (value.length === 1) {
    return { ok: true, revision: integer(value[0]) };
  }
  const [revision, code, message, field] = tupleOf(value, 4);
  const reply = {
    ok: false as const,
    revision: integer(revision),
    code: readCode(code),
    message: text(message),
  };
  return field === null ? reply : { ...reply, field: text(field) };
}

function readCode(value: unknown): ErrorCode {
  const code = text(value);
  assert(Object.hasOwn(ERRORS, code), () => `a reply with the unknown code ${code}`);
  return code as ErrorCode;
}

/** A registered instance, but that it has an owner and a history. */
function instanceFields(instance: Instance): readonly unknown[] {
  const { session, createdRevision, modifiedRevision, createdAtMs, modifiedAtMs } = instance;
  return [
    specTuple(instance, session === null),
    session,
    createdRevision,
    modifiedRevision,
    createdAtMs,
    modifiedAtMs,
  ];
}

function readInstance(fields: readonly unknown[]): Instance {
  const [spec, session, createdRevision, modifiedRevision, createdAtMs, modifiedAtMs] = tupleOf(
    fields,
    6,
  );
  const content = readSpec(spec);
  assert(content.isPersistent === (session === null), "a persistent instance has no owner");
  // Written out: a million of them pass here at a start, and a spread takes as long as the rest.
  return {
    namespace: content.namespace,
    application: content.application,
    protocol: content.protocol,
    addr: content.addr,
    meta: content.meta,
    weight: content.weight,
    version: content.version,
    location: content.location,
    status: content.status,
    reason: content.reason,
    session: session === null ? null : text(session),
    createdRevision: integer(createdRevision),
    modifiedRevision: integer(modifiedRevision),
    createdAtMs: integer(createdAtMs),
    modifiedAtMs: integer(modifiedAtMs),
  };
}
