import { unreachable } from "../util/assert.ts";
import type { RaftMessage } from "./messages.ts";
import type { Entry, SnapshotId } from "./types.ts";

/** `12@3 commands 400B`: index, term, kind, size. */
export function describeEntry(entry: Entry): string {
  return `${entry.index}@${entry.term} ${entry.kind} ${entry.data.byteLength}B`;
}

/** `100#beef`: index and nonce. */
export function describeSnapshot(id: SnapshotId): string {
  return `${id.index}#${id.nonce.toString(16)}`;
}

/** One line a message: `n1>n2 t3 appendEntries after 11@3 [12@3 commands 400B] commit 11`. */
export function describeMessage(message: RaftMessage): string {
  return `${message.from}>${message.to} t${message.term} ${message.type} ${contentOf(message)}`;
}

function lossOf({ lostIndex }: { readonly lostIndex: number }): string {
  return lostIndex > 0 ? `, lost ${lostIndex}` : "";
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
        : `no ${message.prevLogIndex}, perhaps ${message.hintIndex}@${message.hintTerm}${lossOf(message)}`;
    case "commit":
      return `up to ${message.commitIndex}`;
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
    case "installSnapshot": {
      const { snapshot, chunk, data } = message;
      const { index, term, nonce, chunks } = snapshot;
      const what = chunk === chunks ? "?" : `${chunk} of ${chunks} ${data.byteLength}B`;
      return `${describeSnapshot({ index, nonce })} of term ${term} chunk ${what}`;
    }
    case "installSnapshotResponse":
      return `${describeSnapshot(message.id)} next ${message.next}, received ${message.received}`;
    default:
      return unreachable(message);
  }
}
