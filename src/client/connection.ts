import type { Clock, Dialer, Logger, Random, Socket, Timer, Timers } from "../env/env.ts";
import { CONNECT_TIMEOUT_MS_DEFAULT, NODE_FRAME_BYTES_MAX, RECONNECT_MS_MAX } from "../limits.ts";
import { unreachable } from "../util/assert.ts";
import {
  type GoAway,
  type Hello,
  type NodeMessage,
  type Pong,
  type ReplyMessage,
  SUBPROTOCOL_JSON,
  SUBPROTOCOL_MSGPACK,
  type Welcome,
} from "../wire/messages.ts";
import { Keepalive } from "./keepalive.ts";
import { Link } from "./link.ts";
import { reconnectDelayMs } from "./reconnect.ts";
import { Servers } from "./servers.ts";
import type { ConnectionView, Status } from "./status.ts";

export interface ConnectionWorld {
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
}

export interface ConnectionHandlers {
  /** Made anew for each link: the attach number counts up. */
  hello(): Hello;
  /** `helloAtMs`: when the hello was sent. */
  onUp(link: Link, welcome: Welcome, helloAtMs: number): void;
  onDown(): void;
  onMessage(message: Exclude<NodeMessage, ReplyMessage | Welcome | Pong | GoAway>): void;
  /** True: the registry has confirmed this client. */
  onPong(pong: Pong, sentAtMs: number): boolean;
  /** The node answers, but has not confirmed for too long. */
  onUnconfirmed(): void;
  /**
   * Whether some node that can be reached knows how old its copy is. Said when it changes, with the
   * name of the node of this link.
   */
  onAge(isKnown: boolean, node: string): void;
  onStatus(status: Status): void;
}

type State =
  /** No link; a dial, or the wait for one, is under way. */
  | { readonly tag: "disconnected" }
  /** The hello is sent. `timer`: how long the welcome may take. */
  | {
      readonly tag: "greeting";
      readonly link: Link;
      readonly helloAtMs: number;
      readonly timer: Timer;
    }
  /** `isMoving`: a dial to another node is under way; this link serves until that one stands. */
  | {
      readonly tag: "connected";
      readonly link: Link;
      readonly welcome: Welcome;
      readonly keepalive: Keepalive;
      readonly sinceMs: number;
      readonly isMoving: boolean;
    }
  | { readonly tag: "closed" };

type Attempt =
  | { readonly tag: "none" }
  | { readonly tag: "waiting"; readonly timer: Timer }
  | { readonly tag: "dialing"; readonly url: string };

/**
 * Keeps one link to some node, for ever. Invariants: an attempt is under way exactly while the
 * state is disconnected, or connected and moving. There is at most one link that has said hello:
 * the old socket is closed before the new one attaches, so two never fight over one session.
 */
export class Connection {
  readonly #world: ConnectionWorld;
  readonly #handlers: ConnectionHandlers;
  readonly #ttlMs: number;
  #state: State = { tag: "disconnected" };
  #attempt: Attempt = { tag: "none" };
  readonly #servers: Servers;
  /** Retries since a connection last held. */
  #tries = 0;
  #hops = 0;
  #isReconnectingSaid = false;
  #goawayTimer: Timer | null = null;
  #lastError: unknown;

  constructor(
    world: ConnectionWorld,
    servers: readonly string[],
    ttlMs: number,
    handlers: ConnectionHandlers,
  ) {
    this.#world = world;
    this.#handlers = handlers;
    this.#ttlMs = ttlMs;
    this.#servers = new Servers(servers, ttlMs, world.random);
  }

  get view(): ConnectionView {
    const state = this.#state;
    switch (state.tag) {
      case "disconnected":
      case "greeting":
        return { tag: "connecting" };
      case "connected":
        return { tag: "connected", url: state.link.url, node: state.welcome.node };
      case "closed":
        return { tag: "closed" };
      default:
        return unreachable(state);
    }
  }

  /** Why no node could be reached, for the cause of an error. */
  get lastError(): unknown {
    return this.#lastError;
  }

  start(): void {
    this.#dial();
  }

  /** The session was confirmed by what was sent at `atMs`. */
  confirmed(atMs: number): void {
    this.#hops = 0;
    if (this.#state.tag === "connected") {
      this.#state.keepalive.confirmed(atMs);
    }
  }

  /** Goes to another node; the present link serves until a new one stands. */
  move(reason: string): void {
    const state = this.#state;
    if (state.tag !== "connected" || state.isMoving || this.#servers.count === 1) {
      return;
    }
    this.#tries = 0;
    this.#world.logger.info({ url: state.link.url, reason }, "going to another node");
    this.#servers.left(state.link.url);
    this.#setState({ ...state, isMoving: true });
    this.#try();
  }

  /** Leaves a node that has refused what another might not. False: all of them have, lately. */
  elsewhere(reason: string): boolean {
    const state = this.#state;
    if (state.tag !== "connected") {
      return state.tag !== "closed";
    }
    if (!this.#servers.refused(state.link.url, this.#world.clock.monotonicMs())) {
      return false;
    }
    this.move(reason);
    return true;
  }

  /** Asks the node now how old its copy is, unless it was asked on this link before. */
  askAge(): void {
    if (this.#state.tag === "connected") {
      this.#state.keepalive.ask();
    }
  }

  /** Breaks the present link, which is not to be trusted, and reconnects. */
  abandon(reason: string): void {
    const state = this.#state;
    if (state.tag !== "connected" && state.tag !== "greeting") {
      return;
    }
    state.link.end("terminate", reason);
    this.#linkLost(state.link, reason);
  }

  close(): void {
    const state = this.#state;
    if (state.tag === "closed") {
      return;
    }
    this.#setState({ tag: "closed" });
    this.#setAttempt({ tag: "none" });
    if (state.tag === "greeting" || state.tag === "connected") {
      state.link.end("close", "bye");
    }
    if (state.tag === "connected") {
      this.#handlers.onDown();
    }
  }

  #setState(next: State): void {
    const previous = this.#state;
    this.#state = next;
    if (previous.tag === "greeting") {
      previous.timer.cancel();
    }
    const isSameLink =
      previous.tag === "connected" && next.tag === "connected" && previous.link === next.link;
    if (previous.tag === "connected" && !isSameLink) {
      previous.keepalive.stop();
      this.#goawayTimer?.cancel();
      this.#goawayTimer = null;
    }
  }

  #setAttempt(next: Attempt): void {
    if (this.#attempt.tag === "waiting") {
      this.#attempt.timer.cancel();
    }
    this.#attempt = next;
  }

  /** The next retry: the first one at once, later ones after their delay. */
  #try(): void {
    const { clock, random, timers } = this.#world;
    const jitterMs = reconnectDelayMs(this.#tries, (bound) => random.below(bound));
    this.#tries += 1;
    const delayMs = Math.max(jitterMs, this.#servers.choose(clock.monotonicMs()).waitMs);
    if (delayMs === 0) {
      this.#dial();
      return;
    }
    const timer = timers.after(delayMs, () => this.#dial());
    this.#setAttempt({ tag: "waiting", timer });
  }

  #dial(): void {
    const { url } = this.#servers.choose(this.#world.clock.monotonicMs());
    this.#servers.tried(url);
    const attempt: Attempt = { tag: "dialing", url };
    this.#setAttempt(attempt);
    const options = {
      subprotocols: [SUBPROTOCOL_MSGPACK, SUBPROTOCOL_JSON],
      timeoutMs: CONNECT_TIMEOUT_MS_DEFAULT,
      frameLimit: { name: "NODE_FRAME_BYTES_MAX", bytes: NODE_FRAME_BYTES_MAX },
    };
    // A dial that was overtaken (closed meanwhile) must not leave a socket behind.
    new Promise<Socket>((resolve) => resolve(this.#world.dialer.dial(url, options))).then(
      (socket) => {
        if (this.#attempt === attempt) {
          this.#guarded(() => this.#dialed(url, socket));
        } else {
          socket.terminate();
        }
      },
      (error: unknown) => {
        if (this.#attempt === attempt) {
          this.#guarded(() => this.#dialFailed(url, error));
        }
      },
    );
  }

  #dialed(url: string, socket: Socket): void {
    this.#setAttempt({ tag: "none" });
    const previous = this.#state;
    if (previous.tag === "connected") {
      previous.link.end("close", "moved");
      this.#linkOver(previous.link, previous.welcome.node, "moved");
    }
    const nowMs = (): number => this.#world.clock.monotonicMs();
    const link: Link = new Link(
      url,
      socket,
      {
        onMessage: (message) => this.#onMessage(link, message),
        onClosed: ({ code, reason }) =>
          this.#guarded(() => this.#linkLost(link, reason === "" ? `closed with ${code}` : reason)),
        onFault: (error) => this.#onFault(error),
      },
      nowMs,
    );
    const timer = this.#world.timers.after(CONNECT_TIMEOUT_MS_DEFAULT, () =>
      this.abandon("no welcome in time"),
    );
    this.#setState({ tag: "greeting", link, helloAtMs: nowMs(), timer });
    link.send(this.#handlers.hello());
  }

  #dialFailed(url: string, error: unknown): void {
    this.#lastError = new Error(`${url}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
    this.#world.logger.debug({ url, error: String(error) }, "a node cannot be reached");
    this.#servers.notReached(url, error, this.#world.clock.monotonicMs());
    if (this.#state.tag !== "connected") {
      this.#servers.left(url);
      this.#sayReconnecting();
    }
    this.#judgeAge();
    this.#try();
  }

  #onAge(link: Link, { leaderAgeMs }: Pong): void {
    const isKnown = leaderAgeMs !== undefined;
    this.#servers.toldAge(link.url, isKnown);
    this.#judgeAge();
    if (!isKnown && this.#servers.isLeftForAge(link.url)) {
      this.move("the node cannot tell how old its copy is");
    }
  }

  #judgeAge(): void {
    const state = this.#state;
    const isKnown = state.tag === "connected" ? this.#servers.ageNews() : null;
    if (state.tag === "connected" && isKnown !== null) {
      this.#handlers.onAge(isKnown, state.welcome.node);
    }
  }

  #onMessage(link: Link, message: Exclude<NodeMessage, ReplyMessage>): void {
    const state = this.#state;
    if ((state.tag !== "greeting" && state.tag !== "connected") || state.link !== link) {
      return;
    }
    switch (message.type) {
      case "welcome":
        if (state.tag === "greeting") {
          this.#welcomed(link, message, state.helloAtMs);
        }
        return;
      case "pong":
        if (state.tag === "connected") {
          state.keepalive.onPong(message);
        }
        return;
      case "goaway":
        this.#onGoAway(link, message);
        return;
      default:
        if (state.tag === "connected") {
          this.#handlers.onMessage(message);
        }
    }
  }

  #welcomed(link: Link, welcome: Welcome, helloAtMs: number): void {
    const scheme = link.url.startsWith("wss:") ? "wss" : "ws";
    const members = welcome.members.map(({ address }) => `${scheme}://${address}`);
    this.#servers.welcomed(members);
    this.#isReconnectingSaid = false;
    const options = { ttlMs: this.#ttlMs, hops: this.#hops, servers: this.#servers.count };
    const keepalive = new Keepalive(link, this.#world, options, helloAtMs, {
      onPong: (pong, sentAtMs) => {
        const isConfirmed = this.#handlers.onPong(pong, sentAtMs);
        this.#onAge(link, pong);
        if (isConfirmed) {
          this.#hops = 0;
        }
        return isConfirmed;
      },
      onDead: () => this.abandon("no answer to a ping"),
      onUnconfirmed: () => {
        this.#hops += 1;
        this.#handlers.onUnconfirmed();
        this.move("the node cannot confirm");
      },
      onStall: (stalledMs) =>
        this.#world.logger.warn({ stalledMs }, "this process did not run for a while"),
    });
    const sinceMs = this.#world.clock.monotonicMs();
    this.#setState({ tag: "connected", link, welcome, keepalive, sinceMs, isMoving: false });
    this.#world.logger.info({ url: link.url, node: welcome.node }, "connected");
    this.#handlers.onStatus({ type: "connected", url: link.url, node: welcome.node });
    keepalive.start();
    this.#handlers.onUp(link, welcome, helloAtMs);
  }

  /** A random moment within the spread, so that not everybody arrives elsewhere at once. */
  #onGoAway(link: Link, { reason, addresses, spreadMs }: GoAway): void {
    if (this.#goawayTimer !== null || this.#state.tag !== "connected") {
      return;
    }
    const scheme = link.url.startsWith("wss:") ? "wss" : "ws";
    const urls = addresses.map((address) => `${scheme}://${address}`);
    this.#world.logger.info({ url: link.url, reason, spreadMs }, "the node asks to go away");
    this.#handlers.onStatus({ type: "goaway", url: link.url, reason });
    const delayMs = this.#world.random.below(Math.max(0, Math.floor(spreadMs)) + 1);
    this.#goawayTimer = this.#world.timers.after(delayMs, () => {
      this.#servers.recommended(urls);
      this.move(reason);
    });
  }

  #linkLost(link: Link, reason: string): void {
    const state = this.#state;
    if ((state.tag !== "greeting" && state.tag !== "connected") || state.link !== link) {
      return;
    }
    this.#servers.left(link.url);
    this.#lastError = new Error(`${link.url}: ${reason}`);
    if (state.tag === "connected") {
      this.#linkOver(link, state.welcome.node, reason);
    } else {
      this.#setState({ tag: "disconnected" });
      this.#world.logger.debug({ url: link.url, reason }, "a node did not welcome this client");
    }
    this.#sayReconnecting();
    if (this.#attempt.tag === "none") {
      this.#try();
    }
  }

  /** A link that was up is over; the state is disconnected until the caller goes on from there. */
  #linkOver(link: Link, node: string, reason: string): void {
    const state = this.#state;
    // A node that drops every connection at once must not be dialled in a tight loop.
    const heldMs = state.tag === "connected" ? this.#world.clock.monotonicMs() - state.sinceMs : 0;
    if (heldMs >= RECONNECT_MS_MAX && this.#attempt.tag === "none") {
      this.#tries = 0;
    }
    this.#setState({ tag: "disconnected" });
    this.#world.logger.warn({ url: link.url, node, reason }, "disconnected");
    this.#handlers.onStatus({ type: "disconnected", url: link.url, reason });
    this.#handlers.onDown();
  }

  #sayReconnecting(): void {
    if (!this.#isReconnectingSaid) {
      this.#isReconnectingSaid = true;
      this.#handlers.onStatus({ type: "reconnecting" });
    }
  }

  /** Nothing throws out of an event: a fault of ours or of the node costs the link, not the process. */
  #guarded(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#onFault(error);
    }
  }

  #onFault(error: unknown): void {
    const stack = error instanceof Error ? error.stack : undefined;
    this.#world.logger.error({ error: String(error), stack }, "a fault while a node was heard");
    this.abandon("a fault while it was heard");
    if (this.#state.tag === "disconnected" && this.#attempt.tag === "none") {
      this.#try();
    }
  }
}
