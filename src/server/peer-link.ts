import type { Clock, Dialer, Logger, Random, Socket, Timer, Timers } from "../env/env.ts";
import {
  CONNECT_TIMEOUT_MS_DEFAULT,
  PEER_ANSWER_MS,
  PEER_BUFFERED_BYTES_MAX,
  PEER_PATIENCE_MS_MAX,
  PEER_REDIAL_MS_MAX,
  PEER_REDIAL_MS_MIN,
  PEER_SILENCE_MS_MAX,
} from "../limits.ts";
import type { PeerMessage } from "../replica/peer-messages.ts";
import type {
  PeerAnswer,
  PeerCluster,
  PeerHello,
  PeerIdentity,
  PeerRefused,
} from "../wire/messages.ts";
import { encodePeerFrames } from "../wire/peer-codec.ts";
import { epochIn, type LaterEpoch } from "./lineage.ts";
import { Overdue } from "./overdue.ts";
import { CLOSE, dialPeer } from "./peer-handshake.ts";
import { Pulse } from "./pulse.ts";

/** Whatever answers at a peer's address may word each refusal anew. */
const REASONS_MAX = 16;

export interface PeerLinkOptions {
  readonly peer: PeerIdentity;
  readonly cluster: PeerCluster;
  /** Where to dial, best first; asked before every dial. */
  readonly addresses: () => readonly string[];
  readonly hello: () => PeerHello;
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly onUp: (advertise: string) => void;
  readonly onDown: () => void;
  /** A dial was refused, or was not answered within PEER_ANSWER_MS; it may still be. */
  readonly onUnanswered: () => void;
  /** The peer says that this node was removed from the cluster. */
  readonly onRemoved: (refusal: PeerRefused) => void;
  /** Whoever answers is of a later epoch of this node's cluster. */
  readonly onSuperseded: (told: LaterEpoch) => void;
}

interface Attempt {
  readonly sinceMs: number;
  readonly dial: AbortController;
  /** The handshake of WebSocket is over; the peer has not said yet who it is. */
  isOpen: boolean;
}

/** Every state with a socket or a timer holds it here, so that leaving the state lets go of it. */
type LinkState =
  | { readonly type: "stopped" }
  | { readonly type: "dialing"; readonly attempt: Attempt; readonly overdue: Overdue }
  | { readonly type: "waiting"; readonly timer: Timer }
  | { readonly type: "up"; readonly socket: Socket; readonly pulse: Pulse };

/**
 * What this node sends to one peer goes over the WebSocket that it dials itself; what the peer
 * sends comes over the peer's own dial. So an outbox belongs to a connection, and nothing that
 * was written for a broken one is sent behind a new one's back.
 */
export class PeerLink {
  readonly #options: PeerLinkOptions;
  #state: LinkState = { type: "stopped" };
  #failures = 0;
  /** Where it was up last: dialled first, since what broke there was perhaps the link alone. */
  #lastAddress: string | null = null;
  /** Why it could not be reached since it was last up; each reason is logged once. */
  readonly #reasons = new Set<string>();
  /** Messages that were not sent because the link was down or its buffer full. */
  dropped = 0;

  constructor(options: PeerLinkOptions) {
    this.#options = options;
  }

  get isUp(): boolean {
    return this.#state.type === "up";
  }

  get bufferedBytes(): number {
    return this.#state.type === "up" ? this.#state.socket.bufferedBytes : 0;
  }

  start(): void {
    if (this.#state.type === "stopped") {
      this.#dial();
    }
  }

  /**
   * The peer was heard from: dial now rather than at the end of the pause, and anew where a dial
   * waits longer than a peer that runs would let it.
   */
  wake(): void {
    const state = this.#state;
    if (state.type === "waiting") {
      state.timer.cancel();
      this.#dial();
    }
    if (state.type === "dialing" && this.#isLate(state.attempt)) {
      state.overdue.stop();
      state.attempt.dial.abort();
      this.#dial();
    }
  }

  /** The peer was said to be somewhere else: dial it there now, unless it is up where it is. */
  moved(): void {
    if (this.#state.type === "waiting" || this.#state.type === "dialing") {
      this.#leave(() => {});
      this.#failures = 0;
      this.#lastAddress = null;
      this.#dial();
    }
  }

  /** Says anew, from now on, whether the peer answers a dial: `onUp` or `onUnanswered` follows. */
  probe(): void {
    this.wake();
    if (this.#state.type === "dialing") {
      this.#state.overdue.start();
    }
  }

  stop(): void {
    this.#leave((socket) => socket.close(CLOSE.goingAway, "the node stops"));
  }

  abandon(): void {
    this.#leave((socket) => socket.terminate());
  }

  /**
   * Dropped where the link is down, and sent again when it is up. A link that takes nothing any
   * more is broken: only its end makes what was forwarded on it go out again.
   */
  send(messages: readonly PeerMessage[]): void {
    const state = this.#state;
    if (state.type !== "up" || state.socket.bufferedBytes > PEER_BUFFERED_BYTES_MAX) {
      this.dropped += messages.length;
      if (state.type === "up") {
        state.socket.terminate();
      }
      return;
    }
    for (const frame of encodePeerFrames(messages)) {
      state.socket.send(frame);
    }
  }

  #leave(end: (socket: Socket) => void): void {
    const state = this.#state;
    this.#state = { type: "stopped" };
    if (state.type === "waiting") {
      state.timer.cancel();
    }
    if (state.type === "dialing") {
      state.overdue.stop();
      state.attempt.dial.abort();
    }
    if (state.type === "up") {
      state.pulse.stop();
      end(state.socket);
    }
  }

  /**
   * n3 stands still (SIGSTOP, a long pause of its machine), but its kernel still takes connections.
   * A dial that is given up after two seconds and made again would leave one dead handshake after
   * the other in that queue, for n3 to work off when it goes on. So from failure to failure a dial
   * waits longer on the connection that it has, and is answered when n3 comes to it.
   */
  #dial(): void {
    const { dialer, timers, clock, hello, onUnanswered } = this.#options;
    const address = this.#nextAddress();
    if (address === undefined) {
      this.#failed("its address is not known");
      return;
    }
    const dial = new AbortController();
    const attempt: Attempt = { sinceMs: clock.monotonicMs(), dial, isOpen: false };
    const overdue = new Overdue(clock, timers, PEER_ANSWER_MS, onUnanswered);
    this.#state = { type: "dialing", attempt, overdue };
    overdue.start();
    const options = {
      signal: dial.signal,
      answerTimeoutMs: doubled(CONNECT_TIMEOUT_MS_DEFAULT, this.#failures, PEER_PATIENCE_MS_MAX),
      onOpen: () => {
        attempt.isOpen = true;
      },
    };
    dialPeer(dialer, timers, address, hello(), options).then(
      ({ socket, answer }) => {
        // The link may have been stopped meanwhile, or stopped and started again.
        if (this.#state.type !== "dialing" || this.#state.attempt !== attempt) {
          socket.terminate();
          return;
        }
        this.#answered(socket, address, answer);
      },
      (error: unknown) => {
        if (this.#state.type === "dialing" && this.#state.attempt === attempt) {
          this.#unanswered(`${address}: ${error instanceof Error ? error.message : String(error)}`);
        }
      },
    );
  }

  /** Older than the answer of a peer that runs can be. */
  #isLate({ isOpen, sinceMs }: Attempt): boolean {
    return !isOpen && this.#options.clock.monotonicMs() - sinceMs > CONNECT_TIMEOUT_MS_DEFAULT;
  }

  #nextAddress(): string | undefined {
    const addresses = this.#options.addresses();
    const last = this.#failures === 0 ? addresses.indexOf(this.#lastAddress ?? "") : -1;
    return addresses[last] ?? addresses[this.#failures % Math.max(1, addresses.length)];
  }

  #unanswered(why: string): void {
    this.#failed(why);
    this.#options.onUnanswered();
  }

  #answered(socket: Socket, address: string, answer: PeerAnswer): void {
    if (answer.type === "peerRefused" && answer.code === "REMOVED") {
      this.#options.onRemoved(answer);
    }
    const { cluster, peer } = this.#options;
    const epoch = epochIn(answer, cluster);
    if (epoch !== null) {
      this.#options.onSuperseded({ epoch, by: `${peer.name} at ${address}` });
    }
    const refusal = this.#refusal(answer);
    if (refusal !== null || answer.type !== "peerWelcome") {
      socket.close(CLOSE.normal, "not this peer");
      this.#unanswered(`${address}: ${refusal ?? ""}`);
      return;
    }
    const pulse = new Pulse(socket, this.#options.timers, PEER_SILENCE_MS_MAX, () => {
      socket.terminate();
    });
    if (this.#state.type === "dialing") {
      this.#state.overdue.stop();
    }
    this.#state = { type: "up", socket, pulse };
    this.#failures = 0;
    this.#lastAddress = address;
    this.#reasons.clear();
    this.#options.logger.info({ peer: this.#options.peer.name, address }, "peer link is up");
    this.#options.onUp(answer.advertise);
    socket.onClose = ({ code, reason }) => {
      pulse.stop();
      if (this.#state.type !== "up" || this.#state.socket !== socket) {
        return;
      }
      const fields = { peer: this.#options.peer.name, address, code, reason };
      this.#options.logger.info(fields, "peer link is down");
      // Dialled before it is told, so that a reset of a living peer's link is short.
      this.#dial();
      this.#options.onDown();
    };
  }

  #refusal(answer: PeerAnswer): string | null {
    const { peer, cluster } = this.#options;
    if (answer.type === "peerRefused") {
      return `refused: ${answer.code} ${answer.message}`;
    }
    if (answer.cluster === null) {
      return `${answer.name} is not born yet`;
    }
    if (answer.cluster.clusterId !== cluster.clusterId || answer.cluster.epoch !== cluster.epoch) {
      return `is of cluster ${answer.cluster.clusterId}.${answer.cluster.epoch}, this node of ${cluster.clusterId}.${cluster.epoch}`;
    }
    if (answer.name !== peer.name || answer.incarnation !== peer.incarnation) {
      return `${answer.name} (${answer.incarnation}) answers at the address of ${peer.name} (${peer.incarnation})`;
    }
    return null;
  }

  #failed(why: string): void {
    const { logger, timers, random, peer } = this.#options;
    if (!this.#reasons.has(why) && this.#reasons.size < REASONS_MAX) {
      this.#reasons.add(why);
      logger.warn({ peer: peer.name }, `peer cannot be reached: ${why}`);
    }
    const ceiling = doubled(PEER_REDIAL_MS_MIN, this.#failures, PEER_REDIAL_MS_MAX);
    if (this.#state.type === "dialing") {
      this.#state.overdue.stop();
    }
    this.#failures += 1;
    const delayMs = PEER_REDIAL_MS_MIN + random.below(Math.max(1, ceiling - PEER_REDIAL_MS_MIN));
    this.#state = { type: "waiting", timer: timers.after(delayMs, () => this.#dial()) };
  }
}

function doubled(startMs: number, times: number, maxMs: number): number {
  return Math.min(maxMs, startMs * 2 ** Math.min(times, 10));
}
