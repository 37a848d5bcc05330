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
  | "link"
  | "storm"
  | "transfer"
  | "hang",
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
    storm: 0,
    transfer: 0,
    hang: 0,
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
    this.#repeat(faults.stormMs, () => this.#storm());
    this.#repeat(faults.transferMs, () => this.#transfer());
    this.#repeat(faults.hangMs, () => this.#hang());
  }

  /** Everybody up, every edge whole, no more faults. */
  heal(): void {
    this.#isActive = false;
    this.#world.network.calm();
    for (const node of this.#world.nodes) {
      this.#restart(node.id);
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
    this.#world.crash(node);
  }

  #restart(id: string): void {
    const node = this.#world.node(id);
    if (!node.isUp) {
      this.counts.restart += 1;
      node.start();
      this.#world.sockets.started(id);
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

  /** A socket between two nodes breaks. */
  #link(): void {
    const { prng, nodes, sockets } = this.#world;
    const from = prng.pick(nodes);
    const to = prng.pick(nodes);
    if (from !== to) {
      this.counts.link += 1;
      sockets.reset(from.id, to.id);
    }
  }

  #storm(): void {
    this.counts.storm += 1;
    this.#world.sockets.storm();
  }

  /** An operator's wish, told to whoever: mostly to the leader, mostly without a name. */
  #transfer(): void {
    const { prng, nodes } = this.#world;
    const leader = nodes.find((node) => node.status()?.role === "leader");
    const asked = leader !== undefined && prng.chance(900) ? leader : prng.pick(nodes);
    const to = prng.chance(700) ? null : prng.pick(nodes).id;
    this.counts.transfer += 1;
    asked.input({ type: "transferLeadership", to });
  }

  /** Half of the time it is the leader's disk. */
  #hang(): void {
    const { prng, nodes } = this.#world;
    const leader = nodes.find((node) => node.status()?.role === "leader");
    const node = leader !== undefined && prng.chance(500) ? leader : prng.pick(nodes);
    this.counts.hang += 1;
    node.hangDisk(prng.between(100, 5_000));
  }
}
