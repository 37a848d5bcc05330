import type {
  AppendEntries,
  AppendEntriesResponse,
  InstallSnapshot,
  InstallSnapshotResponse,
  RaftMessage,
} from "../raft/messages.ts";
import type { ConfState, Entry, EntryKind, ReadId, Snapshot } from "../raft/types.ts";
import type { DiskState, Intake } from "../replica/disk-states.ts";
import type {
  AttachedSession,
  Checkpoint,
  Forward,
  PeerMessage,
  Report,
  ReportConfirmed,
} from "../replica/peer-messages.ts";
import { assert, unreachable } from "../util/assert.ts";
import { confCodec } from "./conf-codec.ts";
import { DecodeError } from "./decode-error.ts";

/**
 * First in every message's tuple. A number is never used again for something else: before the first
 * release 12 and 14 were `report` and `reportConfirmed` without what they say of disks, and 13 the
 * latter without the sessions that are `superseded`.
 */
const TAG = {
  requestVote: 1,
  requestVoteResponse: 2,
  preVote: 3,
  preVoteResponse: 4,
  appendEntries: 5,
  appendEntriesResponse: 6,
  heartbeat: 7,
  heartbeatResponse: 8,
  readIndex: 9,
  readIndexResponse: 10,
  forward: 11,
  report: 20,
  reportConfirmed: 21,
  installSnapshot: 15,
  installSnapshotResponse: 16,
  timeoutNow: 17,
  checkpoint: 18,
  commit: 19,
} as const satisfies Record<PeerMessage["type"], number>;

const KINDS: readonly EntryKind[] = ["noop", "commands", "conf"];
const DISKS: readonly DiskState[] = ["ok", "low", "full"];
const INTAKES: readonly Intake[] = ["all", "removals", "nothing"];
const ID_LENGTH_MAX = 64;

/** Puts bytes behind the tuples of a frame; what stands in the tuple is their length. */
export type PutBlob = (bytes: Uint8Array) => number;
/** Takes the next `length` of those bytes. */
export type TakeBlob = (length: number) => Uint8Array;

export function peerTuple(message: PeerMessage, put: PutBlob): readonly unknown[] {
  const { from, to, term } = message;
  const head = [TAG[message.type], from, to, term];
  switch (message.type) {
    case "requestVote":
      return [...head, message.lastLogIndex, message.lastLogTerm, message.isTransfer];
    case "preVote":
      return [...head, message.lastLogIndex, message.lastLogTerm];
    case "requestVoteResponse":
    case "preVoteResponse":
      return [...head, message.granted];
    case "appendEntries":
      return [
        ...head,
        message.prevLogIndex,
        message.prevLogTerm,
        message.commitIndex,
        entryRow(message, put),
      ];
    case "appendEntriesResponse":
      return message.success
        ? [...head, true, message.matchIndex]
        : [
            ...[...head, false, message.prevLogIndex],
            ...[message.hintIndex, message.hintTerm, message.lostIndex],
          ];
    case "commit":
      return [...head, message.commitIndex];
    case "heartbeat":
      return [...head, message.commitIndex, message.round];
    case "heartbeatResponse":
      return [...head, message.round];
    case "readIndex":
      return [...head, message.id.start, message.id.counter];
    case "readIndexResponse":
      return [...head, message.id.start, message.id.counter, message.index];
    case "forward":
      return [...head, message.commands.map(put)];
    case "report": {
      const { start, counter, sentAtMs, touches, breaks, isUrgent, disk } = message;
      const rows = [sessionRow(touches), sessionRow(breaks)];
      return [...head, start, counter, sentAtMs, ...rows, isUrgent, DISKS.indexOf(disk)];
    }
    case "reportConfirmed": {
      const { start, counter, sentAtMs, commitIndex, refused, superseded, intake } = message;
      const rows = [refused, sessionRow(superseded)];
      return [...head, start, counter, sentAtMs, commitIndex, ...rows, INTAKES.indexOf(intake)];
    }
    case "checkpoint":
      return [...head, message.index, message.digest];
    case "timeoutNow":
      return [...head, message.lastLogIndex];
    case "installSnapshot": {
      const { snapshot, chain, chunk, data } = message;
      return [...head, snapshotRow(snapshot, put), chain, chunk, put(data)];
    }
    case "installSnapshotResponse": {
      const { id, next, received } = message;
      return [...head, id.index, id.nonce, next, received];
    }
    default:
      return unreachable(message);
  }
}

function snapshotRow(snapshot: Snapshot, put: PutBlob): unknown[] {
  const { index, term, conf, nonce, chunks, bytes, digest } = snapshot;
  return [index, term, nonce, chunks, bytes, digest, put(confCodec.encode(conf))];
}

/** Term, kind and length of each entry; its index follows from where the row begins. */
function entryRow(message: AppendEntries, put: PutBlob): readonly number[] {
  const row: number[] = [];
  let index = message.prevLogIndex;
  for (const entry of message.entries) {
    index += 1;
    assert(entry.index === index, () => `entry ${entry.index} stands at the place of ${index}`);
    row.push(entry.term, KINDS.indexOf(entry.kind), put(entry.data));
  }
  return row;
}

function sessionRow(sessions: readonly AttachedSession[]): readonly unknown[] {
  const row: unknown[] = [];
  for (const { session, attach } of sessions) {
    row.push(session, attach);
  }
  return row;
}

export function readPeerMessage(value: unknown, take: TakeBlob): PeerMessage {
  const tuple = new TupleReader(value);
  const tag = tuple.integer();
  const head = { from: tuple.id(), to: tuple.id(), term: tuple.integer() };
  const message = readBody(tag, head, tuple, take);
  tuple.end();
  return message;
}

interface Head {
  readonly from: string;
  readonly to: string;
  readonly term: number;
}

function readBody(tag: number, head: Head, tuple: TupleReader, take: TakeBlob): PeerMessage {
  switch (tag) {
    case TAG.forward: {
      const commands = tuple.list().map((length) => take(integerOf(length)));
      return { type: "forward", ...head, commands } satisfies Forward;
    }
    case TAG.report:
      return {
        type: "report",
        ...head,
        start: tuple.integer(),
        counter: tuple.integer(),
        sentAtMs: tuple.integer(),
        touches: readSessions(tuple.list()),
        breaks: readSessions(tuple.list()),
        isUrgent: tuple.boolean(),
        disk: tuple.oneOf(DISKS),
      } satisfies Report;
    case TAG.reportConfirmed:
      return {
        type: "reportConfirmed",
        ...head,
        start: tuple.integer(),
        counter: tuple.integer(),
        sentAtMs: tuple.integer(),
        commitIndex: tuple.integer(),
        refused: tuple.list().map(idOf),
        superseded: readSessions(tuple.list()),
        intake: tuple.oneOf(INTAKES),
      } satisfies ReportConfirmed;
    case TAG.checkpoint:
      return {
        type: "checkpoint",
        ...head,
        index: tuple.integer(),
        digest: tuple.id(),
      } satisfies Checkpoint;
    default:
      return readRaftBody(tag, head, tuple, take);
  }
}

function readRaftBody(tag: number, head: Head, tuple: TupleReader, take: TakeBlob): RaftMessage {
  switch (tag) {
    case TAG.requestVote:
      return {
        type: "requestVote",
        ...head,
        lastLogIndex: tuple.integer(),
        lastLogTerm: tuple.integer(),
        isTransfer: tuple.boolean(),
      };
    case TAG.preVote:
      return {
        type: "preVote",
        ...head,
        lastLogIndex: tuple.integer(),
        lastLogTerm: tuple.integer(),
      };
    case TAG.requestVoteResponse:
    case TAG.preVoteResponse: {
      const type = tag === TAG.requestVoteResponse ? "requestVoteResponse" : "preVoteResponse";
      return { type, ...head, granted: tuple.boolean() };
    }
    case TAG.appendEntries:
      return readAppendEntries(head, tuple, take);
    case TAG.appendEntriesResponse:
      return readAppendEntriesResponse(head, tuple);
    case TAG.commit:
      return { type: "commit", ...head, commitIndex: tuple.integer() };
    case TAG.heartbeat:
      return {
        type: "heartbeat",
        ...head,
        commitIndex: tuple.integer(),
        round: tuple.integer(),
      };
    case TAG.heartbeatResponse:
      return { type: "heartbeatResponse", ...head, round: tuple.integer() };
    case TAG.readIndex:
      return { type: "readIndex", ...head, id: readId(tuple) };
    case TAG.readIndexResponse:
      return { type: "readIndexResponse", ...head, id: readId(tuple), index: tuple.integer() };
    case TAG.timeoutNow:
      return { type: "timeoutNow", ...head, lastLogIndex: tuple.integer() };
    case TAG.installSnapshot:
      return readInstallSnapshot(head, tuple, take);
    case TAG.installSnapshotResponse:
      return readInstallSnapshotResponse(head, tuple);
    default:
      throw new DecodeError("PROTOCOL", `a peer message of the unknown kind ${tag}`);
  }
}

function readAppendEntries(head: Head, tuple: TupleReader, take: TakeBlob): AppendEntries {
  const prevLogIndex = tuple.integer();
  const prevLogTerm = tuple.integer();
  const commitIndex = tuple.integer();
  const row = tuple.list();
  if (row.length % 3 !== 0) {
    throw refused();
  }
  const entries: Entry[] = [];
  let lastTerm = prevLogTerm;
  for (let at = 0; at < row.length; at += 3) {
    const term = integerOf(row[at]);
    const kind = KINDS[integerOf(row[at + 1])];
    // Terms never fall along a log, and no log has an entry of a term to come (§5.3).
    if (kind === undefined || term < lastTerm || term > head.term) {
      throw refused();
    }
    lastTerm = term;
    const index = prevLogIndex + 1 + at / 3;
    entries.push({ index, term, kind, data: take(integerOf(row[at + 2])) });
  }
  const { from, to, term } = head;
  const type = "appendEntries";
  return { type, from, to, term, prevLogIndex, prevLogTerm, commitIndex, entries };
}

function readAppendEntriesResponse(head: Head, tuple: TupleReader): AppendEntriesResponse {
  const type = "appendEntriesResponse";
  if (tuple.boolean()) {
    const { from, to, term } = head;
    return { type, from, to, term, success: true, matchIndex: tuple.integer() };
  }
  return {
    type,
    ...head,
    success: false,
    prevLogIndex: tuple.integer(),
    hintIndex: tuple.integer(),
    hintTerm: tuple.integer(),
    lostIndex: tuple.integer(),
  };
}

function readInstallSnapshot(head: Head, tuple: TupleReader, take: TakeBlob): InstallSnapshot {
  const snapshot = readSnapshot(new TupleReader(tuple.list()), take);
  const chain = tuple.text();
  const chunk = tuple.integer();
  const data = take(tuple.integer());
  const isQuestion = chunk === snapshot.chunks;
  const isFit = isQuestion ? chain === "" && data.length === 0 : chunk < snapshot.chunks;
  if (!isFit || snapshot.term > head.term) {
    throw refused();
  }
  return { type: "installSnapshot", ...head, snapshot, chain, chunk, data };
}

function readSnapshot(row: TupleReader, take: TakeBlob): Snapshot {
  const snapshot = {
    index: row.integer(),
    term: row.integer(),
    nonce: row.integer(),
    chunks: row.integer(),
    bytes: row.integer(),
    digest: row.text(),
    conf: readConf(take(row.integer())),
  };
  row.end();
  if (snapshot.index === 0 || snapshot.chunks === 0) {
    throw refused();
  }
  return snapshot;
}

function readConf(bytes: Uint8Array): ConfState {
  try {
    return confCodec.decode(bytes);
  } catch (cause) {
    throw new DecodeError("PROTOCOL", "a snapshot has no configuration", { cause });
  }
}

function readInstallSnapshotResponse(head: Head, tuple: TupleReader): InstallSnapshotResponse {
  const id = { index: tuple.integer(), nonce: tuple.integer() };
  const next = tuple.integer();
  const received = tuple.integer();
  if (next > received) {
    throw refused();
  }
  return { type: "installSnapshotResponse", ...head, id, next, received };
}

function readId(tuple: TupleReader): ReadId {
  return { start: tuple.integer(), counter: tuple.integer() };
}

function readSessions(row: readonly unknown[]): AttachedSession[] {
  if (row.length % 2 !== 0) {
    throw refused();
  }
  const sessions: AttachedSession[] = [];
  for (let at = 0; at < row.length; at += 2) {
    sessions.push({ session: idOf(row[at]), attach: integerOf(row[at + 1]) });
  }
  return sessions;
}

/** Reads a tuple from the front; what is missing, left over or of another type is refused. */
class TupleReader {
  readonly #tuple: readonly unknown[];
  #next = 0;

  constructor(value: unknown) {
    if (!Array.isArray(value)) {
      throw refused();
    }
    this.#tuple = value;
  }

  integer(): number {
    return integerOf(this.#tuple[this.#next++]);
  }

  id(): string {
    return idOf(this.#tuple[this.#next++]);
  }

  /** By its place among them. */
  oneOf<T>(values: readonly T[]): T {
    const value = values[this.integer()];
    if (value === undefined) {
      throw refused();
    }
    return value;
  }

  /** Of a checksum; may be empty. */
  text(): string {
    const value = this.#tuple[this.#next++];
    if (typeof value !== "string" || value.length > ID_LENGTH_MAX) {
      throw refused();
    }
    return value;
  }

  boolean(): boolean {
    const value = this.#tuple[this.#next++];
    if (typeof value !== "boolean") {
      throw refused();
    }
    return value;
  }

  list(): readonly unknown[] {
    const value = this.#tuple[this.#next++];
    if (!Array.isArray(value)) {
      throw refused();
    }
    return value;
  }

  end(): void {
    if (this.#next !== this.#tuple.length) {
      throw refused();
    }
  }
}

function integerOf(value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    throw refused();
  }
  return value as number;
}

function idOf(value: unknown): string {
  if (typeof value !== "string" || value.length === 0 || value.length > ID_LENGTH_MAX) {
    throw refused();
  }
  return value;
}

function refused(): DecodeError {
  return new DecodeError("PROTOCOL", "a peer message is not of the shape of its kind");
}
