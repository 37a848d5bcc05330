import { unreachable } from "../util/assert.ts";
import type { RaftMessage } from "./messages.ts";
import type { Entry } from "./types.ts";

/** `12@3 commands 400B`: index, term, kind, size. */
export function describeEntry(entry: Entry): string {
  return `${entry.index}@${entry.term} ${entry.kind} ${entry.data.byteLength}B`;
}

/** One line a message: `n1>n2 t3 appendEntries after 11@3 [12@3 commands 400B] commit 11`. */
export function describeMessage(message: RaftMessage): string {
  return `${message.from}>${message.to} t${message.term} ${message.type} ${contentOf(message)}`;
}

function contentOf(message: RaftMessage): string {
  switch (message.type) {
    case "requestVote":
      return `log ends ${message.lastLogIndex}@${message.lastLogTerm}${message.isTransfer ? ", transfer" : ""}`;
    case "preVote":
      return `log ends ${message.lastLogIndex}@${message.lastLogTerm}`;
    case "requestVoteResponse":
    case "preVoteResponse":
      return message.granted ? "granted" : "refused";
    case "appendEntries": {
      const entries = message.entries.map(describeEntry).join(", ");
      const after = `${message.prevLogIndex}@${message.prevLogTerm}`;
      return `after ${after} [${entries}] commit ${message.commitIndex}`;
    }
    case "appendEntriesResponse":
      return message.success
        ? `match ${message.matchIndex}`
        : `no ${message.prevLogIndex}, perhaps ${message.hintIndex}@${message.hintTerm}`;
    case "heartbeat":
      return `round ${message.round} commit ${message.commitIndex}`;
    case "heartbeatResponse":
      return `round ${message.round}`;
    case "readIndex":
      return `read ${message.id.start}.${message.id.counter}`;
    case "readIndexResponse":
      return `read ${message.id.start}.${message.id.counter} at ${message.index}`;
    case "timeoutNow":
      return `log ends ${message.lastLogIndex}`;
    default:
      return unreachable(message);
  }
}
