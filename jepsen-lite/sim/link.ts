import type { ClientInput, ClientOutput, ConnectionId } from "../../src/replica/inputs.ts";
import { CLOSE_NOTICE_MS_MAX } from "./setup.ts";
import type { SimNode } from "./sim-node.ts";
import type { World } from "./world.ts";

export interface ClientEnd {
  readonly node: SimNode;
  fromNode(node: SimNode, output: ClientOutput): void;
  nodeDied(node: SimNode): void;
}

type Unconnected<T> = T extends ClientInput ? Omit<T, "connection"> : never;

/** Called only while the client has the link open. */
export interface LinkHandlers {
  onOutput(output: ClientOutput): void;
  /** The socket broke; nothing comes any more. */
  onBroken(): void;
}

/** One client socket: in order both ways, with a delay; it can be cut without either end noticing. */
export class ClientLink implements ClientEnd {
  readonly id: ConnectionId;
  readonly node: SimNode;
  readonly #world: World;
  readonly #handlers: LinkHandlers;
  #isCut = false;
  #isOpen = true;
  #upFreeMs = 0;
  #downFreeMs = 0;

  /** To any node; null where the one that was picked is down. */
  static dial(world: World, floorRevision: number, handlers: LinkHandlers): ClientLink | null {
    const node = world.prng.pick(world.reachable);
    return node.isUp ? new ClientLink(world, node, floorRevision, handlers) : null;
  }

  private constructor(world: World, node: SimNode, floorRevision: number, handlers: LinkHandlers) {
    this.#world = world;
    this.node = node;
    this.#handlers = handlers;
    this.id = world.connect(this);
    this.send({ type: "connected", floorRevision });
  }

  send(input: Unconnected<ClientInput>): void {
    if (this.#isOpen) {
      this.#up({ ...input, connection: this.id } as ClientInput);
    }
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  cut(): void {
    this.#isCut = true;
  }

  /** The client's end is gone and nobody tells; its node waits for ever. */
  abandon(): void {
    this.#isCut = true;
    this.#isOpen = false;
  }

  /** The client's end closes; where the network is cut the node learns of it late. */
  close(): void {
    if (!this.#isOpen) {
      return;
    }
    this.#isOpen = false;
    const { prng, schedule } = this.#world;
    const delayMs =
      this.#isCut || prng.chance(300) ? prng.between(10, CLOSE_NOTICE_MS_MAX) : prng.below(3);
    const input: ClientInput = { type: "disconnected", connection: this.id, byClient: true };
    schedule.after(Math.max(delayMs, this.#upFreeMs - schedule.nowMs), () => {
      this.#world.disconnect(this.id);
      this.node.input(input);
    });
  }

  fromNode(_node: SimNode, output: ClientOutput): void {
    const { prng, schedule } = this.#world;
    this.#downFreeMs = Math.max(this.#downFreeMs, schedule.nowMs + prng.below(4));
    schedule.after(this.#downFreeMs - schedule.nowMs, () => {
      if (this.#isOpen && !this.#isCut) {
        this.#handlers.onOutput(output);
      }
    });
  }

  nodeDied(node: SimNode): void {
    if (node !== this.node) {
      return;
    }
    this.#world.disconnect(this.id);
    const wasOpen = this.#isOpen;
    this.#isOpen = false;
    if (wasOpen && !this.#isCut) {
      this.#world.schedule.after(this.#world.prng.below(5), () => this.#handlers.onBroken());
    }
  }

  #up(input: ClientInput): void {
    const { prng, schedule } = this.#world;
    this.#upFreeMs = Math.max(this.#upFreeMs, schedule.nowMs + prng.below(4));
    schedule.after(this.#upFreeMs - schedule.nowMs, () => {
      if (!this.#isCut) {
        this.node.input(input);
      }
    });
  }
}
