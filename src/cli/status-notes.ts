import type { RollcallClient, Status } from "../client/index.ts";
import { unreachable } from "../util/assert.ts";
import type { Output } from "./output.ts";

/** Says on stderr what becomes of the connection and the session, until the client is closed. */
export function tellConnection(
  client: RollcallClient,
  output: Output,
  onStatus: (status: Status) => void = () => {},
): void {
  void (async () => {
    for await (const status of client.status()) {
      const text = statusText(status);
      if (text !== null) {
        output.note(text);
      }
      onStatus(status);
    }
  })();
}

/** Null where it is of no interest to a person. */
function statusText(status: Status): string | null {
  switch (status.type) {
    case "connected":
      return `connected to ${status.node} at ${status.url}`;
    case "disconnected":
      return `the connection to ${status.url} is gone: ${status.reason}`;
    case "reconnecting":
      return "looking for another node";
    case "sessionResumed":
      return `session resumed with ${status.owned} registered`;
    case "sessionUnconfirmed":
      return status.isLeaseOver
        ? "the registry has not confirmed the session for its whole TTL; it may have expired"
        : "the registry does not confirm the session at the moment";
    case "sessionExpired":
      return status.reason === "denied"
        ? "another process goes on with this session; registering again in a new one"
        : `the session has ended (${status.reason}); registering again`;
    case "superseded":
      return `another process registered ${status.key.application} at ${status.key.addr} later`;
    case "ageUnknown":
      return `${status.node} has heard no leader since its start: how old its copy is nobody knows`;
    case "ageKnown":
      return `${status.node} knows how old its copy is`;
    case "goaway":
      return `${status.url} asks to leave it: ${status.reason}`;
    case "lineageChanged":
      return "the registry was restored or recovered";
    case "closed":
      return status.isSessionOver
        ? null
        : "the registry has not confirmed the end of the session: what it owns stays until the registry has a leader and notices";
    case "sessionOpened":
      return null;
    default:
      return unreachable(status);
  }
}
