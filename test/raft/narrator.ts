import { describeEntry, describeSnapshot } from "../../src/raft/describe.ts";
import type { Entry, PersistRequest, SnapshotWrite } from "../../src/raft/types.ts";
import type { Member } from "./cluster.ts";
import { shown } from "./members.ts";

/** Tells what a member does, a line each, and nothing twice. */
export class Narrator {
  readonly #member: Member;
  isDiskSlow = false;
  #role: string;
  #conf: string;
  #committed = 0;
  #reads = 0;
  #received = 0;
  #alarm = 0;
  #write = 0;

  constructor(member: Member) {
    this.#member = member;
    this.#role = roleOf(member);
    this.#conf = confLineOf(member);
  }

  /** After a crash all is news. */
  forget(): void {
    this.#role = "";
    this.#conf = "";
    this.#committed = 0;
    this.#reads = 0;
    this.#received = 0;
    this.#alarm = 0;
    this.#write = 0;
  }

  /** Of role, term, leader and configuration. */
  changes(): string[] {
    const role = roleOf(this.#member);
    const conf = confLineOf(this.#member);
    const lines = [...(role === this.#role ? [] : [role]), ...(conf === this.#conf ? [] : [conf])];
    this.#role = role;
    this.#conf = conf;
    return lines;
  }

  /** What was handed out since the last time, but for messages. */
  work(): string[] {
    const { id, received, committed, readStates, alarm, writing } = this.#member;
    const lines: string[] = [];
    for (const event of received.slice(this.#received)) {
      const chunk = event.type === "chunk" ? ` ${event.chunk}` : "";
      lines.push(`${id} snapshot ${describeSnapshot(event.snapshot)} ${event.type}${chunk}`);
    }
    this.#received = received.length;
    const news = committed.slice(this.#committed);
    if (news.length > 0) lines.push(`${id} commits ${listOf(news)}`);
    this.#committed = committed.length;
    for (const read of readStates.slice(this.#reads)) {
      lines.push(`${id} reads ${read.id.start}.${read.id.counter} at ${read.index}`);
    }
    this.#reads = readStates.length;
    if (alarm !== null && alarm.number !== this.#alarm) {
      lines.push(`${id} sets an alarm in ${alarm.afterMs} ms`);
      this.#alarm = alarm.number;
    }
    if (writing !== null && writing.write !== this.#write) {
      const verb = this.isDiskSlow ? `begins write ${writing.write}:` : "writes";
      lines.push(`${id} ${verb} ${writeOf(writing)}`);
      this.#write = writing.write;
    }
    return lines;
  }
}

function listOf(entries: readonly Entry[]): string {
  return `[${entries.map(describeEntry).join(", ")}]`;
}

function roleOf({ id, up }: Member): string {
  const of = up.role === "follower" && up.leader !== null ? ` of ${up.leader}` : "";
  const target = up.transferTarget === null ? "" : `, handing over to ${up.transferTarget}`;
  return `${id} is ${up.role} t${up.term}${of}${target}`;
}

function confLineOf({ id, up }: Member): string {
  return `${id} conf ${shown(up.conf)}${up.isRemoved ? ", removed" : ""}`;
}

function snapshotWriteOf(write: SnapshotWrite): string {
  switch (write.type) {
    case "stage": {
      const last = write.first + write.chunks.length - 1;
      const chunks = last === write.first ? `${last}` : `${write.first} to ${last}`;
      return `stage ${describeSnapshot(write.id)} chunk ${chunks}`;
    }
    case "switch":
      return `switch to ${describeSnapshot(write.snapshot)}${write.chain === null ? "" : ", log anew"}`;
    case "cut":
      return `cut up to ${write.index}`;
    case "drop":
      return `drop ${describeSnapshot(write.id)}`;
  }
}

function writeOf({ hardState, entries, snapshot }: PersistRequest): string {
  const parts: string[] = [];
  if (hardState !== null) parts.push(`t${hardState.term} vote ${hardState.vote ?? "-"}`);
  if (entries.length > 0) parts.push(listOf(entries));
  if (snapshot !== null) parts.push(snapshotWriteOf(snapshot));
  return parts.join(", ");
}

/** `n1 refuses: inProgress`. */
export function refusalOf(id: string, refusal: { readonly reason: string }): string {
  return `${id} refuses: ${refusal.reason}`;
}

/** A line for the member, and where it leads one for each that it follows. */
export function statusOf(member: Member): string[] {
  const { id, raft } = member;
  if (raft === null) return [`${id} is down`];
  const { log, durableIndex, commitIndex } = raft;
  const ends = `log ${log.start.index}..${raft.lastIndex}, durable ${durableIndex}`;
  const lines = [`${roleOf(member)}, ${ends}, commit ${commitIndex}`];
  for (const { id: peer, state, matchIndex, nextIndex, snapshot } of raft.progress()) {
    const sent = snapshot === null ? "" : `, snapshot ${describeSnapshot(snapshot.id)}`;
    const chunks = snapshot === null ? "" : ` ${snapshot.next} of ${snapshot.chunks}`;
    lines.push(`  ${peer} ${state} match ${matchIndex} next ${nextIndex}${sent}${chunks}`);
  }
  return lines;
}

export function logOf({ id, up }: Member): string {
  const { log } = up;
  const first = log.start.index + 1;
  const entries = Array.from({ length: up.lastIndex - log.start.index }, (_, at) => {
    return `${first + at}@${log.termAt(first + at)}`;
  });
  return `${id} log ${log.start.index}@${log.start.term} [${entries.join(" ")}]`;
}
