import fc from "fast-check";
import type { RaftMessage } from "../../src/raft/messages.ts";
import type { ConfState, Entry } from "../../src/raft/types.ts";
import type { Command, EndReason, Reply } from "../../src/registry/command.ts";
import type {
  Instance,
  InstanceContent,
  InstanceKey,
  InstanceSpec,
  Location,
  MetaPairs,
} from "../../src/registry/instance.ts";
import type { RegistryItem } from "../../src/registry/snapshot.ts";
import type { AttachedSession, PeerMessage } from "../../src/replica/peer-messages.ts";

export const count = fc.oneof(
  fc.nat(300),
  fc.maxSafeNat(),
  fc.constantFrom(0, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1),
);

/** Well-formed text of every length class of MessagePack, ASCII and beyond. */
export const text = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.string({ unit: "grapheme-ascii", maxLength: 300 }),
  fc.constantFrom(
    "",
    "constructor",
    "toString",
    "é".repeat(16),
    "€".repeat(11),
    "a".repeat(70_000),
  ),
);

const hex = (digits: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: digits, maxLength: digits });
export const member = hex(16);
export const session = hex(32);
const reason = fc.constantFrom<EndReason>("closed", "ttl", "grace", "killed");

const metaPairs: fc.Arbitrary<MetaPairs> = fc
  .uniqueArray(fc.tuple(text, text), { selector: ([key]) => key, maxLength: 5 })
  .filter((pairs) => pairs.every(([key]) => key !== "__proto__"))
  .map((pairs) => pairs.sort(([a], [b]) => (a < b ? -1 : 1)));

const location: fc.Arbitrary<Location> = fc.record(
  { region: text, zone: text, campus: text },
  { requiredKeys: [], noNullPrototype: true },
);

const key: fc.Arbitrary<InstanceKey> = fc.record({
  namespace: text,
  application: text,
  protocol: text,
  addr: text,
});

const contentModel = {
  meta: metaPairs,
  weight: fc.nat(1000),
  version: fc.option(text),
  location: fc.option(location),
  status: fc.constantFrom("up" as const, "down" as const, "draining" as const),
  reason: fc.option(text),
};

const content: fc.Arbitrary<Partial<InstanceContent>> = fc.record(contentModel, {
  requiredKeys: [],
});

export const spec: fc.Arbitrary<InstanceSpec> = fc
  .tuple(key, fc.record(contentModel), fc.boolean())
  .map(([ofKey, ofContent, isPersistent]) => ({ ...ofKey, ...ofContent, isPersistent }));

export const instance: fc.Arbitrary<Instance> = fc
  .tuple(
    key,
    fc.record(contentModel),
    fc.record({
      session: fc.option(session),
      createdRevision: count,
      modifiedRevision: count,
      createdAtMs: count,
      modifiedAtMs: count,
    }),
  )
  .map(([ofKey, ofContent, rest]) => ({ ...ofKey, ...ofContent, ...rest }));

const numbered = { session, seq: count, floor: count };

export const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({
    type: fc.constant("openSession" as const),
    session,
    secretHash: hex(64),
    ttlMs: count,
    graceMs: count,
    appliedIndex: count,
    client: text,
  }),
  fc.record({
    type: fc.constant("register" as const),
    ...numbered,
    instances: fc.array(spec, { maxLength: 4 }),
  }),
  fc.record({
    type: fc.constant("update" as const),
    ...numbered,
    key,
    set: content,
    ifRevision: fc.option(count),
  }),
  fc.record({
    type: fc.constant("deregister" as const),
    ...numbered,
    keys: fc.array(key, { maxLength: 20 }),
  }),
  fc.record({ type: fc.constant("closeSession" as const), ...numbered }),
  fc.record({
    type: fc.constant("expireSessions" as const),
    term: count,
    sessions: fc.array(fc.record({ session, reason }), { maxLength: 20 }),
  }),
  fc.record({ type: fc.constant("reapSession" as const), session }),
  fc.record({ type: fc.constant("raiseStateVersion" as const), version: count }),
);

const refused: fc.Arbitrary<Reply> = fc
  .record({
    revision: count,
    code: fc.constantFrom("TAKEN_OVER" as const, "NOT_FOUND" as const, "INVALID" as const),
    message: text,
    field: fc.option(text),
  })
  .map(({ field, ...rest }) => ({ ok: false, ...rest, ...(field === null ? {} : { field }) }));
const reply: fc.Arbitrary<Reply> = fc.oneof(
  count.map((revision) => ({ ok: true as const, revision })),
  refused,
);

export const registryItem: fc.Arbitrary<RegistryItem> = fc.oneof(
  fc.record({
    type: fc.constant("totals" as const),
    totals: fc.record({
      revision: count,
      stateVersion: count,
      clockMs: count,
      opened: count,
      evicted: count,
    }),
  }),
  fc.record({
    type: fc.constant("tombstone" as const),
    tombstone: fc.record({ session, reason, revision: count, index: count }),
  }),
  fc.record({
    type: fc.constant("session" as const),
    session: fc.record({
      id: session,
      secretHash: hex(64),
      ttlMs: count,
      graceMs: count,
      client: text,
      order: count,
      openedRevision: count,
      openedAtMs: count,
      ownedRevision: count,
      ending: fc.option(reason),
      lastSeq: count,
      floor: count,
      replies: fc.array(reply, { maxLength: 6 }),
    }),
  }),
  fc.record({ type: fc.constant("instance" as const), instance }),
);

const head = { from: member, to: member, term: count };
const bytes = fc.uint8Array({ maxLength: 300 });
const readId = fc.record({ start: count, counter: count });
const attached: fc.Arbitrary<AttachedSession[]> = fc.array(fc.record({ session, attach: count }), {
  maxLength: 20,
});

const appendEntries: fc.Arbitrary<RaftMessage> = fc
  .record({
    from: member,
    to: member,
    terms: fc.array(fc.nat(1000), { minLength: 2, maxLength: 8 }),
    prevLogIndex: fc.nat(2 ** 40),
    commitIndex: count,
    data: fc.array(bytes, { minLength: 6, maxLength: 6 }),
    kinds: fc.array(fc.constantFrom("commands", "conf"), { minLength: 6, maxLength: 6 }),
  })
  .map(({ from, to, terms, prevLogIndex, commitIndex, data, kinds }) => {
    const rising = [...terms].sort((a, b) => a - b);
    const entries: Entry[] = rising.slice(1, -1).map((term, offset) => ({
      index: prevLogIndex + 1 + offset,
      term,
      kind: data[offset]!.length === 0 ? "noop" : kinds[offset]!,
      data: data[offset]!,
    }));
    return {
      type: "appendEntries",
      from,
      to,
      term: rising.at(-1)!,
      prevLogIndex,
      prevLogTerm: rising[0]!,
      commitIndex,
      entries,
    };
  });

const ids = fc.array(member, { maxLength: 7 });
/** What the codec carries, whether it makes sense to Raft or not. */
export const confState: fc.Arbitrary<ConfState> = fc.record({
  voters: ids,
  votersOutgoing: ids,
  learners: ids,
  members: fc.array(fc.record({ id: member, name: fc.string(), address: fc.string() }), {
    maxLength: 20,
  }),
});

const installSnapshot: fc.Arbitrary<RaftMessage> = fc
  .record({
    from: member,
    to: member,
    terms: fc.tuple(count, count),
    index: fc.integer({ min: 1, max: 2 ** 40 }),
    nonce: fc.nat(2 ** 48 - 1),
    chunks: fc.integer({ min: 1, max: 10_000 }),
    chunk: fc.nat(),
    bytes: count,
    digest: hex(16),
    chain: hex(16),
    conf: confState,
    data: fc.uint8Array({ maxLength: 300 }),
  })
  .map(({ from, to, terms, chunk, chunks, conf, chain, data, ...rest }) => {
    const isQuestion = chunk % (chunks + 1) === chunks;
    return {
      type: "installSnapshot",
      from,
      to,
      term: Math.max(...terms),
      snapshot: {
        index: rest.index,
        term: Math.min(...terms),
        conf,
        nonce: rest.nonce,
        chunks,
        bytes: rest.bytes,
        digest: rest.digest,
      },
      chain: isQuestion ? "" : chain,
      chunk: chunk % (chunks + 1),
      data: isQuestion ? new Uint8Array() : data,
    };
  });

const election: fc.Arbitrary<RaftMessage> = fc.oneof(
  fc.record({
    type: fc.constant("requestVote" as const),
    ...head,
    lastLogIndex: count,
    lastLogTerm: count,
    isTransfer: fc.boolean(),
  }),
  fc.record({
    type: fc.constant("preVote" as const),
    ...head,
    lastLogIndex: count,
    lastLogTerm: count,
  }),
  fc.record({ type: fc.constant("timeoutNow" as const), ...head, lastLogIndex: count }),
  fc.record({
    type: fc.constantFrom("requestVoteResponse" as const, "preVoteResponse" as const),
    ...head,
    granted: fc.boolean(),
  }),
);

export const peerMessage: fc.Arbitrary<PeerMessage> = fc.oneof(
  fc.record({ type: fc.constant("checkpoint" as const), ...head, index: count, digest: hex(16) }),
  appendEntries,
  installSnapshot,
  fc
    .record({
      ...head,
      id: fc.record({ index: count, nonce: fc.nat(2 ** 48 - 1) }),
      counts: fc.tuple(count, count),
    })
    .map(({ counts, ...rest }) => ({
      type: "installSnapshotResponse" as const,
      ...rest,
      next: Math.min(...counts),
      received: Math.max(...counts),
    })),
  election,
  fc.record({
    type: fc.constant("appendEntriesResponse" as const),
    ...head,
    success: fc.constant(true as const),
    matchIndex: count,
  }),
  fc.record({
    type: fc.constant("appendEntriesResponse" as const),
    ...head,
    success: fc.constant(false as const),
    prevLogIndex: count,
    hintIndex: count,
    hintTerm: count,
    lostIndex: count,
  }),
  fc.record({ type: fc.constant("commit" as const), ...head, commitIndex: count }),
  fc.record({ type: fc.constant("heartbeat" as const), ...head, commitIndex: count, round: count }),
  fc.record({ type: fc.constant("heartbeatResponse" as const), ...head, round: count }),
  fc.record({ type: fc.constant("readIndex" as const), ...head, id: readId }),
  fc.record({ type: fc.constant("readIndexResponse" as const), ...head, id: readId, index: count }),
  fc.record({
    type: fc.constant("forward" as const),
    ...head,
    commands: fc.array(bytes, { maxLength: 10 }),
  }),
  fc.record({
    type: fc.constant("report" as const),
    ...head,
    start: count,
    counter: count,
    sentAtMs: count,
    isUrgent: fc.boolean(),
    touches: attached,
    breaks: attached,
    disk: fc.constantFrom("ok" as const, "low" as const, "full" as const),
  }),
  fc.record({
    type: fc.constant("reportConfirmed" as const),
    ...head,
    start: count,
    counter: count,
    sentAtMs: count,
    commitIndex: count,
    refused: fc.array(session, { maxLength: 10 }),
    superseded: attached,
    intake: fc.constantFrom("all" as const, "removals" as const, "nothing" as const),
  }),
);
