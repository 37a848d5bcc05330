import type { ConfState, LogIndex, MemberId } from "../../src/raft/types.ts";
import type { ReplicaStatus } from "../../src/replica/status.ts";
import { isQuorum } from "./quorums.ts";
import type { SimNode } from "./sim-node.ts";
import { demand } from "./violation.ts";
import type { World } from "./world.ts";

interface InForce {
  readonly conf: ConfState;
  /** What the node had applied by the end of the step that brought it. */
  readonly from: LogIndex;
}

/** A snapshot of a state that only a minority can have had at its index is nobody's current one. */
export class AgreedSnapshots {
  readonly #world: World;
  /** The most that each has ever applied. */
  readonly #applied = new Map<MemberId, LogIndex>();
  /** One after the other. A start may bring back an earlier one. */
  readonly #inForce = new Map<MemberId, InForce[]>();

  constructor(world: World) {
    this.#world = world;
  }

  configured(node: SimNode, conf: ConfState): void {
    const confs = this.#inForce.get(node.id) ?? [];
    this.#inForce.set(node.id, confs);
    if (confs.at(-1)?.conf !== conf) {
      confs.push({ conf, from: node.status()?.lastApplied ?? 0 });
    }
  }

  stepped(node: SimNode, { lastApplied, conf }: ReplicaStatus): void {
    const applied = Math.max(this.#applied.get(node.id) ?? 0, lastApplied);
    this.#applied.set(node.id, applied);
    this.configured(node, conf);
  }

  taken(node: SimNode, index: LogIndex): void {
    this.#agreed(node, index, this.#possible(node, index));
  }

  /** Somebody took it, who may have died before it said so. */
  installed(node: SimNode, index: LogIndex): void {
    const { nodes, configurations } = this.#world;
    const taken = nodes.flatMap((other) => this.#possible(other, index));
    this.#agreed(node, index, [...configurations.since(index), ...taken]);
  }

  /** In force at the node at some moment since it had applied `index`, when it may have heard. */
  #possible(node: SimNode, index: LogIndex): ConfState[] {
    const confs = this.#inForce.get(node.id) ?? [];
    const later = confs.filter((_, at) => (confs[at + 1]?.from ?? index) >= index);
    return later.map(({ conf }) => conf);
  }

  #agreed(node: SimNode, index: LogIndex, confs: readonly ConfState[]): void {
    const { checkpointEntries } = this.#world.options;
    const was = (id: MemberId): boolean => (this.#applied.get(id) ?? 0) >= index;
    demand(
      index % checkpointEntries === 0 && confs.some((conf) => isQuorum(conf, was)),
      () => `${node.id} has a snapshot at ${index}, where no majority of the voters was`,
    );
  }
}
