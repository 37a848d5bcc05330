import type { SimClient } from "./sim-client.ts";
import type { SimWatcher } from "./sim-watcher.ts";
import type { World } from "./world.ts";

export type FaultCounts = Record<
  | "crash"
  | "restart"
  | "partition"
  | "pause"
  | "clientKill"
  | "clientVanish"
  | "clientCut"
  | "link",
  number
>;

/** What goes wrong during the safety phase, each kind at its own mean rate. */
export class Faults {
  readonly #world: World;
  readonly #clients: readonly SimClient[];
  readonly #watchers: readonly SimWatcher[];
  #isActive = true;
  readonly counts: FaultCounts = {
    crash: 0,
    restart: 0,
    partition: 0,
    pause: 0,
    clientKill: 0,
    clientVanish: 0,
    clientCut: 0,
    link: 0,
  };

  constructor(world: World, clients: readonly SimClient[], watchers: readonly SimWatcher[]) {
    this.#world = world;
    this.#clients = clients;
    this.#watchers = watchers;
  }

  start(): void {
    const { faults } = this.#world.options;
    this.#repeat(faults.crashMs, () => this.#crash());
    this.#repeat(faults.partitionMs, () => this.#partition());
    this.#repeat(faults.pauseMs, () => this.#pause());
    this.#repeat(faults.clientMs, () => this.#client());
    this.#repeat(faults.linkMs, () => this.#link());
  }

  /** Everybody up, every edge whole, no more faults. */
  heal(): void {
    this.#isActive = false;
    this.#world.network.calm();
    for (const node of this.#world.nodes) {
      this.#restart(node.id);
    }
    for (const node of this.#world.nodes) {
      this.#links(node.id, true);
    }
    for (const client of this.#clients) {
      client.revive();
    }
  }

  #repeat(meanMs: number, inject: () => void): void {
    if (meanMs === 0) {
      return;
    }
    this.#world.schedule.after(this.#world.prng.between(1, 2 * meanMs), () => {
      if (this.#isActive) {
        inject();
        this.#repeat(meanMs, inject);
      }
    });
  }

  /** Half of the time it is the leader; now and then everybody at once. */
  #crash(): void {
    const { prng, nodes, schedule } = this.#world;
    const leader = nodes.find((node) => node.status()?.role === "leader");
    const target = leader !== undefined && prng.chance(500) ? leader : prng.pick(nodes);
    const victims = prng.chance(100) ? nodes : [target];
    for (const { id } of victims) {
      this.#crashNode(id);
      schedule.after(prng.between(0, 3_000), () => this.#restart(id));
    }
  }

  #crashNode(id: string): void {
    const node = this.#world.node(id);
    if (!node.isUp) {
      return;
    }
    this.counts.crash += 1;
    node.crash();
    this.#world.invariants.crashed(node);
    this.#world.resetClientsOf(node);
    this.#links(id, false);
  }

  #restart(id: string): void {
    const node = this.#world.node(id);
    if (!node.isUp) {
      this.counts.restart += 1;
      node.start();
      this.#links(id, true);
    }
  }

  /** What the ends of `id`'s links notice, a moment later. */
  #links(id: string, isUp: boolean): void {
    const { nodes, schedule, prng } = this.#world;
    for (const other of nodes) {
      if (other.id !== id) {
        schedule.after(prng.below(20), () => {
          other.input({ type: "peerLink", peer: id, isUp: isUp && this.#world.node(id).isUp });
          if (isUp && other.isUp) {
            this.#world.node(id).input({ type: "peerLink", peer: other.id, isUp: true });
          }
        });
      }
    }
  }

  #partition(): void {
    const { prng, nodes, network, schedule } = this.#world;
    this.counts.partition += 1;
    const isOneWay = prng.chance(300);
    const side = new Set(nodes.filter(() => prng.chance(500)).map((node) => node.id));
    for (const from of nodes) {
      for (const to of nodes) {
        const isAcross = side.has(from.id) !== side.has(to.id);
        if (isAcross && (!isOneWay || side.has(from.id))) {
          network.cut(from.id, to.id);
        }
      }
    }
    schedule.after(prng.between(100, 4_000), () => network.heal());
  }

  #pause(): void {
    const { prng, nodes } = this.#world;
    this.counts.pause += 1;
    const node = prng.pick(nodes);
    if (!node.isPaused) {
      node.pause(prng.between(50, 4_000));
    }
  }

  #client(): void {
    const { prng, schedule } = this.#world;
    const client = prng.pick(this.#clients);
    const kind = prng.below(4);
    if (kind === 0) {
      this.counts.clientKill += 1;
      client.kill();
      schedule.after(prng.between(100, 5_000), () => client.revive());
    } else if (kind === 1) {
      this.counts.clientVanish += 1;
      client.vanish();
      schedule.after(prng.between(100, 5_000), () => client.revive());
    } else if (kind === 2) {
      this.counts.clientCut += 1;
      client.cut();
    } else {
      const watcher = prng.pick(this.#watchers);
      if (prng.chance(500)) {
        watcher.cut();
      } else {
        watcher.reconnect();
      }
    }
  }

  /** A socket between two nodes breaks and is dialled again. */
  #link(): void {
    const { prng, nodes, schedule } = this.#world;
    const from = prng.pick(nodes);
    const to = prng.pick(nodes);
    if (from === to) {
      return;
    }
    this.counts.link += 1;
    from.input({ type: "peerLink", peer: to.id, isUp: false });
    schedule.after(prng.between(1, 500), () => {
      from.input({ type: "peerLink", peer: to.id, isUp: to.isUp });
    });
  }
}
