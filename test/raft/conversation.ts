import type { RaftConfig } from "../../src/raft/config.ts";
import type { RaftMessage } from "../../src/raft/messages.ts";
import type { LogIndex, MemberId, Snapshot, Term } from "../../src/raft/types.ts";
import { configOf, entriesOf, Member } from "./cluster.ts";
import { chainAt, type Disk } from "./disk.ts";
import { StateMachine } from "./state-machine.ts";

/** One member, n1 of three, and what n2 and n3 say to it. */

export function termsOf(member: Member): Term[] {
  const { log } = member.up;
  return Array.from({ length: log.lastIndex }, (_, at) => log.termAt(at + 1) ?? -1);
}

/** The one message of that type among these. */
export function only<T extends RaftMessage["type"]>(
  messages: readonly RaftMessage[],
  type: T,
): Extract<RaftMessage, { type: T }> {
  const found = allOf(messages, type);
  if (found.length !== 1 || found[0] === undefined) {
    throw new Error(`${found.length} messages of type ${type}, not one`);
  }
  return found[0];
}

export function allOf<T extends RaftMessage["type"]>(
  messages: readonly RaftMessage[],
  type: T,
): Extract<RaftMessage, { type: T }>[] {
  return messages.filter(
    (message): message is Extract<RaftMessage, { type: T }> => message.type === type,
  );
}

/** n1 of n1, n2, n3, with a log of these terms, in the last of them. */
export function memberOf(
  terms: readonly Term[] = [],
  disk: Partial<Disk> = {},
  overrides: Partial<RaftConfig> = {},
): Member {
  return new Member(configOf("n1", overrides), ["n1", "n2", "n3"], {
    hardState: { term: terms.at(-1) ?? 0, vote: null },
    entries: entriesOf(terms),
    ...disk,
  });
}

type Body<M> = M extends RaftMessage ? Omit<M, "from" | "to"> : never;

/** To n1, from n2 or another. */
export function told(body: Body<RaftMessage>, from: MemberId = "n2"): RaftMessage {
  return { ...body, from, to: "n1" } as RaftMessage;
}

/** n1 of three, elected with n2's vote in the term after that of its log; its no-op is index + 1. */
export function leaderOver(
  terms: readonly Term[] = [],
  overrides: Partial<RaftConfig> = {},
): Member {
  const member = memberOf(terms, {}, overrides);
  member.tick(overrides.electionTicksMin ?? 10);
  const term = member.up.term + 1;
  member.up.step(told({ type: "preVoteResponse", term, granted: true }));
  member.settle();
  member.up.step(told({ type: "requestVoteResponse", term, granted: true }));
  return member;
}

export function requestVote(
  term: Term,
  lastLogIndex: LogIndex,
  lastLogTerm: Term,
  from: MemberId = "n2",
): RaftMessage {
  const isTransfer = false;
  return told({ type: "requestVote", term, lastLogIndex, lastLogTerm, isTransfer }, from);
}

/** Of n2, leader of `term`: entries of these terms after the previous one. */
export function append(
  term: Term,
  prevLogIndex: LogIndex,
  prevLogTerm: Term,
  terms: readonly Term[],
  commitIndex: LogIndex = 0,
): RaftMessage {
  const entries = entriesOf(terms, prevLogIndex + 1);
  return told({ type: "appendEntries", term, prevLogIndex, prevLogTerm, entries, commitIndex });
}

export function heartbeat(term: Term, round = 1): RaftMessage {
  return told({ type: "heartbeat", term, commitIndex: 0, round });
}

export function acked(term: Term, matchIndex: LogIndex, from: MemberId = "n2"): RaftMessage {
  return told({ type: "appendEntriesResponse", term, success: true, matchIndex }, from);
}

export function beatAnswered(term: Term, round: number, from: MemberId = "n2"): RaftMessage {
  return told({ type: "heartbeatResponse", term, round }, from);
}

/** Something that says no more than that n2 is in `term`. */
export function ofTerm(term: Term): RaftMessage {
  return beatAnswered(term, 0);
}

/** Of n2, leader of `term`: that chunk of a snapshot of what n2 has applied. */
export function chunkOf(
  term: Term,
  snapshot: Snapshot,
  chunk: number,
  from: MemberId = "n2",
): RaftMessage {
  const state = new StateMachine();
  state.index = snapshot.index;
  const data = state.chunks(snapshot)[chunk] ?? new Uint8Array();
  const chain = chunk < snapshot.chunks ? chainAt(snapshot) : "";
  return told({ type: "installSnapshot", term, snapshot, chain, chunk, data }, from);
}

/** Asks what has come of it. */
export function questionOf(term: Term, snapshot: Snapshot, from: MemberId = "n2"): RaftMessage {
  return chunkOf(term, snapshot, snapshot.chunks, from);
}

/** Of n2: what has come of a snapshot, and what of it is durable. */
export function stored(
  term: Term,
  { index, nonce }: Snapshot,
  next: number,
  received: number = next,
): RaftMessage {
  return told({ type: "installSnapshotResponse", term, id: { index, nonce }, next, received });
}
