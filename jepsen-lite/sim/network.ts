import type { PeerMessage } from "../../src/replica/peer-messages.ts";
import type { World } from "./world.ts";

/** A connection that was given up can hold a message this long. */
const LATE_MS_MIN = 500;
const LATE_MS_MAX = 8_000;

/** Between nodes: loses, doubles, delays and so reorders messages; edges can be cut one way. */
export class SimNetwork {
  readonly #world: World;
  readonly #cuts = new Set<ReadonlySet<string>>();
  #isFaulty = true;

  constructor(world: World) {
    this.#world = world;
  }

  /** Cuts edges (`from>to`) until the function that it returns is called, whatever else is cut. */
  cut(edges: readonly string[]): () => void {
    const cut = new Set(edges);
    this.#cuts.add(cut);
    return () => {
      this.#cuts.delete(cut);
    };
  }

  /** From now on every edge is whole, and every message arrives once, soon. */
  calm(): void {
    this.#isFaulty = false;
    this.#cuts.clear();
  }

  isCut(from: string, to: string): boolean {
    for (const cut of this.#cuts) {
      if (cut.has(`${from}>${to}`)) {
        return true;
      }
    }
    return false;
  }

  /** Some edge of it is cut. */
  isCutOff(id: string): boolean {
    return [...this.#cuts].some((cut) =>
      [...cut].some((edge) => edge.startsWith(`${id}>`) || edge.endsWith(`>${id}`)),
    );
  }

  send(message: PeerMessage): void {
    const { prng, options, sockets } = this.#world;
    if (!sockets.isOpen(message.from, message.to)) {
      return;
    }
    if (this.#isFaulty && prng.chance(options.network.lateChance)) {
      this.#arriveLate(message);
      return;
    }
    if (this.isCut(message.from, message.to)) {
      return;
    }
    if (this.#isFaulty && prng.chance(options.network.lossChance)) {
      return;
    }
    this.#deliver(message);
    if (this.#isFaulty && prng.chance(options.network.duplicateChance)) {
      this.#deliver(message);
    }
  }

  #deliver(message: PeerMessage): void {
    this.#world.schedule.after(this.#delayMs(), () => {
      if (!this.isCut(message.from, message.to)) {
        this.#arrive(message);
      }
    });
  }

  /** Out of a connection that is long gone, when cuts have come and gone and nodes have restarted. */
  #arriveLate(message: PeerMessage): void {
    const { prng, schedule } = this.#world;
    schedule.after(prng.between(LATE_MS_MIN, LATE_MS_MAX), () => this.#arrive(message));
  }

  #arrive(message: PeerMessage): void {
    this.#world.node(message.to).input({ type: "peerMessage", message });
  }

  #delayMs(): number {
    const { prng, options } = this.#world;
    const { delayMsMin, delayMsMax, tailChance } = options.network;
    if (!this.#isFaulty) {
      return prng.between(0, 3);
    }
    const delayMs = prng.between(delayMsMin, delayMsMax);
    return prng.chance(tailChance) ? delayMs * prng.between(2, 20) : delayMs;
  }
}
