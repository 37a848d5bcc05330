import type { PeerMessage } from "../../src/replica/peer-messages.ts";
import type { World } from "./world.ts";

/** Between nodes: loses, doubles, delays and so reorders messages; edges can be cut one way. */
export class SimNetwork {
  readonly #world: World;
  readonly #cut = new Set<string>();
  #isFaulty = true;
  #sent = 0;

  constructor(world: World) {
    this.#world = world;
  }

  get sent(): number {
    return this.#sent;
  }

  cut(from: string, to: string): void {
    this.#cut.add(`${from}>${to}`);
  }

  heal(): void {
    this.#cut.clear();
  }

  /** From now on every message arrives once, soon. */
  calm(): void {
    this.#isFaulty = false;
    this.heal();
  }

  isCut(from: string, to: string): boolean {
    return this.#cut.has(`${from}>${to}`);
  }

  send(message: PeerMessage): void {
    const { prng, options, sockets } = this.#world;
    this.#sent += 1;
    if (this.isCut(message.from, message.to) || !sockets.isOpen(message.from, message.to)) {
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
        this.#world.node(message.to).input({ type: "peerMessage", message });
      }
    });
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
