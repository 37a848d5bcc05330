import { PEER_ANSWER_MS } from "../../src/limits.ts";
import { SimPeers } from "./peers.ts";
import type { World } from "./world.ts";

/** Between two dials of a peer that is not there. */
const REDIAL_MS_MIN = 50;
const REDIAL_MS_MAX = 1_000;
/** A process that runs answers a dial within this. */
const ANSWER_MS_MAX = 15;

/**
 * The sockets between nodes, one each way, as `PeerLinks` keeps them: what breaks is dialled again
 * at once, and a peer counts as gone when neither socket is left and a dial is refused, or not
 * answered in time. Which messages arrive is the network's affair; a socket only says what can be
 * sent, and what the replica is told.
 */
export class SimSockets {
  readonly #world: World;
  readonly #peers: SimPeers;
  /** `from>to`: dialled by `from`. */
  readonly #open = new Set<string>();
  /** `at>peer`: what `at` was told. */
  readonly #gone = new Set<string>();
  /** Dials by socket; one that was overtaken by a later one says nothing. */
  readonly #dials = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
    this.#peers = new SimPeers(world);
  }

  isOpen(from: string, to: string): boolean {
    return this.#open.has(`${from}>${to}`);
  }

  started(id: string): void {
    this.#peers.started(id);
    for (const other of this.#others(id)) {
      this.#gone.delete(`${id}>${other}`);
    }
    this.#dialAll(id);
  }

  /** Another configuration is in force at `id`. */
  configured(id: string): void {
    this.#peers.configured(id, (peer) => this.#letGo(id, peer));
    this.#dialAll(id);
  }

  died(id: string): void {
    for (const other of this.#others(id)) {
      this.#open.delete(`${id}>${other}`);
      this.#forget(`${id}>${other}`);
      this.reset(other, id);
    }
  }

  /** Both ends notice within a few milliseconds, each at its own time. */
  reset(from: string, to: string): void {
    const { prng, schedule } = this.#world;
    const wasOpen = this.#open.delete(`${from}>${to}`);
    this.#forget(`${from}>${to}`);
    schedule.after(prng.below(4), () => {
      // Where the other end was faster, it is whole again.
      if (wasOpen && !this.isOpen(from, to)) {
        this.#world.node(from).input({ type: "peerLink", peer: to, isUp: false });
      }
      this.#dial(from, to);
    });
    schedule.after(prng.below(4), () => {
      if (!this.isOpen(to, from)) {
        this.#dial(to, from);
      }
    });
  }

  /** Every socket there is, at once. */
  storm(): void {
    for (const { id } of this.#world.nodes) {
      for (const other of this.#peers.of(id)) {
        this.reset(id, other);
      }
    }
  }

  #dialAll(id: string): void {
    for (const peer of this.#peers.of(id)) {
      this.#dial(id, peer);
    }
  }

  /** Who is none any more is not dialled again, and what it dialled is closed. */
  #letGo(id: string, peer: string): void {
    this.#gone.delete(`${id}>${peer}`);
    this.reset(id, peer);
    this.reset(peer, id);
  }

  #dial(from: string, to: string): void {
    const { prng, schedule, network } = this.#world;
    if (!this.#peers.knows(from, to) || !this.#world.node(from).isUp || this.isOpen(from, to)) {
      return;
    }
    const name = `${from}>${to}`;
    const dial = this.#forget(name);
    const later = (delayMs: number, run: () => void): void =>
      schedule.after(delayMs, () => {
        if (this.#dials.get(name) === dial && this.#world.node(from).isUp) {
          run();
        }
      });
    const target = this.#world.node(to);
    later(prng.between(1, ANSWER_MS_MAX), () => {
      const isReached = !network.isCut(from, to) && !network.isCut(to, from);
      const isAnswered = isReached && target.isUp && !target.isPaused;
      if (isAnswered && this.#peers.admits(to, from)) {
        this.#opened(from, to);
        return;
      }
      if (isAnswered) {
        this.#world.toldRemoved(this.#world.node(from));
      }
      const isRefused = isReached && !target.isUp;
      if (!isAnswered) {
        later(isRefused ? 0 : PEER_ANSWER_MS, () => this.#unanswered(from, to));
      }
      const redialMs = prng.between(REDIAL_MS_MIN, REDIAL_MS_MAX);
      later(PEER_ANSWER_MS + redialMs, () => this.#dial(from, to));
    });
  }

  #opened(from: string, to: string): void {
    this.#open.add(`${from}>${to}`);
    this.#peers.reached(to, from);
    this.#answers(from, to);
    this.#answers(to, from);
    this.#world.node(from).input({ type: "peerLink", peer: to, isUp: true });
    // A peer that is heard from is dialled without waiting.
    if (!this.isOpen(to, from)) {
      this.#dial(to, from);
    }
  }

  #unanswered(at: string, peer: string): void {
    const name = `${at}>${peer}`;
    if (!this.isOpen(at, peer) && !this.isOpen(peer, at) && !this.#gone.has(name)) {
      this.#gone.add(name);
      this.#world.node(at).input({ type: "peerGone", peer, isGone: true });
    }
  }

  #answers(at: string, peer: string): void {
    if (this.#gone.delete(`${at}>${peer}`)) {
      this.#world.node(at).input({ type: "peerGone", peer, isGone: false });
    }
  }

  #forget(name: string): number {
    const dial = (this.#dials.get(name) ?? 0) + 1;
    this.#dials.set(name, dial);
    return dial;
  }

  #others(id: string): string[] {
    return this.#world.nodes.map((node) => node.id).filter((other) => other !== id);
  }
}
