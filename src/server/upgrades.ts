import type { Socket, Timers, Upgrade, UpgradeDecision } from "../env/env.ts";
import { CLIENT_FRAME_BYTES_MAX, CONNECT_TIMEOUT_MS_DEFAULT, PEER_PATH } from "../limits.ts";
import { encodePeerHello } from "../wire/peer-codec.ts";
import type { Admission } from "./admission.ts";
import type { Birth } from "./birth.ts";
import { chooseSubprotocol } from "./clients.ts";
import { type HealthCheck, notServing } from "./http.ts";
import type { Member } from "./member.ts";
import { CLOSE, PEER_FRAME_LIMIT, receiveHello, showOut } from "./peer-handshake.ts";
import type { WebAccess } from "./web-access.ts";

/** A node, as whoever asks for a WebSocket sees it. */
export interface UpgradeHost {
  readonly access: WebAccess;
  readonly admission: Admission;
  readonly timers: Timers;
  /** All that there are, whatever they are. */
  readonly connections: number;
  /** Why it does not serve, where it does not. */
  readiness(): readonly HealthCheck[];
  /** Null unless it is being born. */
  birth(): Birth | null;
  /** Null unless it serves. */
  pages(): Member | null;
}

const CLIENT_FRAME_LIMIT = { name: "CLIENT_FRAME_BYTES_MAX", bytes: CLIENT_FRAME_BYTES_MAX };

export function decideUpgrade(host: UpgradeHost, upgrade: Upgrade): UpgradeDecision {
  switch (upgrade.path) {
    case "/":
      return decideClient(host, upgrade);
    case PEER_PATH:
      return decidePeer(host, upgrade);
    default:
      return { accept: false, status: 404, message: `there is no ${upgrade.path}` };
  }
}

function decideClient(host: UpgradeHost, upgrade: Upgrade): UpgradeDecision {
  const denied = host.access.originRefusal(upgrade.origin);
  if (denied !== null) {
    return { accept: false, status: 403, message: `DENIED: ${denied}` };
  }
  const member = host.pages();
  if (member === null || member.isClosed) {
    const message = `DRAINING: ${notServing(host.readiness())}`;
    return { accept: false, status: 503, message, retryAfterSeconds: 1 };
  }
  const crowded = host.admission.refusal(host.connections);
  if (crowded !== null) {
    return { accept: false, status: 503, message: crowded, retryAfterSeconds: 1 };
  }
  const subprotocol = chooseSubprotocol(upgrade.subprotocols);
  if (subprotocol === null && upgrade.subprotocols.length > 0) {
    const message = "VERSION: no subprotocol in common";
    return { accept: false, status: 400, message };
  }
  return {
    accept: true,
    subprotocol,
    frameLimit: CLIENT_FRAME_LIMIT,
    onSocket: (socket) => member.acceptClient(socket),
  };
}

function decidePeer(host: UpgradeHost, { origin }: Upgrade): UpgradeDecision {
  if (origin !== null) {
    return { accept: false, status: 403, message: "peers are no web pages" };
  }
  const accepted = (onSocket: (socket: Socket) => void): UpgradeDecision => ({
    ...{ accept: true, subprotocol: null, frameLimit: PEER_FRAME_LIMIT, onSocket },
  });
  const member = host.pages();
  if (member !== null) {
    return accepted((socket) => member.acceptPeer(socket));
  }
  const birth = host.birth();
  if (birth !== null) {
    return accepted((socket) => void answerNewborn(host.timers, birth, socket));
  }
  return { accept: false, status: 503, message: "starting", retryAfterSeconds: 1 };
}

/** Whoever asks a node that is being born has heard all with the answer. */
async function answerNewborn(timers: Timers, birth: Birth, socket: Socket): Promise<void> {
  try {
    const hello = await receiveHello(socket, timers, CONNECT_TIMEOUT_MS_DEFAULT);
    socket.send(encodePeerHello(birth.answer(hello)));
    showOut(socket, timers);
  } catch (error) {
    socket.close(CLOSE.policy, error instanceof Error ? error.message : String(error));
  }
}
