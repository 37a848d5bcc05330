import type { Dialer, DialOptions, Frame, Socket, Timers } from "../env/env.ts";
import { CONNECT_TIMEOUT_MS_DEFAULT, PEER_FRAME_BYTES_MAX, PEER_PATH } from "../limits.ts";
import { checkPeerAnswer, checkPeerHello } from "../schema/peer-hello.ts";
import {
  type PeerAnswer,
  type PeerHello,
  type PeerIdentity,
  PROTOCOL_VERSION,
} from "../wire/messages.ts";
import { decodePeerHello, encodePeerHello } from "../wire/peer-codec.ts";

export const CLOSE = {
  normal: 1000,
  goingAway: 1001,
  badData: 1007,
  policy: 1008,
  tooBig: 1009,
  overloaded: 1013,
} as const;

export const PEER_FRAME_LIMIT = { name: "PEER_FRAME_BYTES_MAX", bytes: PEER_FRAME_BYTES_MAX };

export interface AnsweredDial {
  readonly socket: Socket;
  readonly answer: PeerAnswer;
}

/** The other end left before it had said who it is. */
export class ClosedInHandshake extends Error {
  override readonly name = "ClosedInHandshake";
}

export type PeerDialOptions = Pick<DialOptions, "answerTimeoutMs" | "signal"> & {
  /** The WebSocket is open, and the hello is on its way. */
  readonly onOpen?: () => void;
};

/** What a node of no cluster says of itself, as far as it has no view of one either. */
export function introductionOf(self: PeerIdentity, advertise: string): Omit<PeerHello, "type"> {
  const { name, incarnation } = self;
  const protocol = PROTOCOL_VERSION;
  return { protocol, name, incarnation, advertise, cluster: null, memberAsOf: 0, view: [] };
}

/**
 * Dials `address`, says who this node is and waits for the answer. Rejects when it cannot be
 * reached, closes, answers something else, or takes too long.
 */
export async function dialPeer(
  dialer: Dialer,
  timers: Timers,
  address: string,
  hello: PeerHello,
  options: PeerDialOptions = {},
): Promise<AnsweredDial> {
  const { onOpen, ...rest } = options;
  const socket = await dialer.dial(`ws://${address}${PEER_PATH}`, {
    ...rest,
    subprotocols: [],
    timeoutMs: CONNECT_TIMEOUT_MS_DEFAULT,
    frameLimit: PEER_FRAME_LIMIT,
  });
  onOpen?.();
  try {
    socket.send(encodePeerHello(hello));
    const frame = await firstFrame(socket, timers, CONNECT_TIMEOUT_MS_DEFAULT);
    return { socket, answer: checkPeerAnswer(decodePeerHello(bytesOf(frame))) };
  } catch (error) {
    socket.terminate();
    throw error;
  }
}

export async function receiveHello(
  socket: Socket,
  timers: Timers,
  timeoutMs: number,
): Promise<PeerHello> {
  return checkPeerHello(decodePeerHello(bytesOf(await firstFrame(socket, timers, timeoutMs))));
}

/** Of a dial that has its answer and is to close now: it is closed where it does not. */
export function showOut(socket: Socket, timers: Timers): void {
  const timer = timers.after(CONNECT_TIMEOUT_MS_DEFAULT, () =>
    socket.close(CLOSE.normal, "answered"),
  );
  socket.onClose = () => timer.cancel();
}

function bytesOf(frame: Frame): Uint8Array {
  if (typeof frame === "string") {
    throw new Error("a peer sends binary frames only");
  }
  return frame;
}

function firstFrame(socket: Socket, timers: Timers, timeoutMs: number): Promise<Frame> {
  return new Promise((resolve, reject) => {
    const timer = timers.after(timeoutMs, () =>
      reject(new Error(`no handshake within ${timeoutMs} ms`)),
    );
    socket.onClose = ({ code, reason }) => {
      timer.cancel();
      const why = reason === "" ? "" : ` ${reason}`;
      reject(new ClosedInHandshake(`closed in the handshake (${code}${why})`));
    };
    socket.onFrame = (frame) => {
      timer.cancel();
      socket.onFrame = () => {};
      resolve(frame);
    };
  });
}
