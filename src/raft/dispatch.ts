import { unreachable } from "../util/assert.ts";
import {
  handlePreVote,
  handlePreVoteResponse,
  handleRequestVote,
  handleRequestVoteResponse,
} from "./election.ts";
import { handleInstallSnapshot, handleInstallSnapshotResponse } from "./install-snapshot.ts";
import type { RaftMessage } from "./messages.ts";
import { handleHeartbeatResponse, handleReadIndex, handleReadIndexResponse } from "./read-index.ts";
import {
  handleAppendEntries,
  handleAppendEntriesResponse,
  handleCommit,
  handleHeartbeat,
} from "./replication.ts";
import type { RaftState } from "./state.ts";
import { handleTimeoutNow } from "./transfer.ts";

/** To whom a message belongs that has passed the term gate. */
export function dispatch(state: RaftState, message: RaftMessage): void {
  switch (message.type) {
    case "requestVote":
      handleRequestVote(state, message);
      break;
    case "requestVoteResponse":
      handleRequestVoteResponse(state, message);
      break;
    case "preVote":
      handlePreVote(state, message);
      break;
    case "preVoteResponse":
      handlePreVoteResponse(state, message);
      break;
    case "appendEntries":
      handleAppendEntries(state, message);
      break;
    case "appendEntriesResponse":
      handleAppendEntriesResponse(state, message);
      break;
    case "commit":
      handleCommit(state, message);
      break;
    case "heartbeat":
      handleHeartbeat(state, message);
      break;
    case "heartbeatResponse":
      handleHeartbeatResponse(state, message);
      break;
    case "readIndex":
      handleReadIndex(state, message);
      break;
    case "readIndexResponse":
      handleReadIndexResponse(state, message);
      break;
    case "timeoutNow":
      handleTimeoutNow(state, message);
      break;
    case "installSnapshot":
      handleInstallSnapshot(state, message);
      break;
    case "installSnapshotResponse":
      handleInstallSnapshotResponse(state, message);
      break;
    default:
      unreachable(message);
  }
}
