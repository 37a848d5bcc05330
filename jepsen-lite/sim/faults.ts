import { unreachable } from "../../src/util/assert.ts";
import type { Core, CutShape, Fault } from "./fault.ts";
import type { SimClient } from "./sim-client.ts";
import type { SimWatcher } from "./sim-watcher.ts";
import { demand } from "./violation.ts";
import type { World } from "./world.ts";

export type FaultCounts = Record<Exclude<Fault["type"], "cut"> | CutShape, number>;

/** Does to a world what faults say, and undoes it. */
export class Faults {
  readonly #world: World;
  readonly #clients: readonly SimClient[];
  readonly #watchers: readonly SimWatcher[];
  /** Nodes that nothing starts before the end of the core's time. */
  #keptDown: ReadonlySet<string> = new Set();
  #isHealed = false;
  readonly #injected: Fault[] = [];
  readonly counts: FaultCounts = {
    crash: 0,
    aside: 0,
    halves: 0,
    oneWay: 0,
    edge: 0,
    bridge: 0,
    ring: 0,
    pause: 0,
    hang: 0,
    link: 0,
    storm: 0,
    transfer: 0,
    clientKill: 0,
    clientVanish: 0,
    clientPause: 0,
    clientCut: 0,
    watcherCut: 0,
    watcherMove: 0,
  };

  constructor(world: World, clients: readonly SimClient[], watchers: readonly SimWatcher[]) {
    this.#world = world;
    this.#clients = clients;
    this.#watchers = watchers;
  }

  /** All that happened: what a transcript is made of. */
  get injected(): readonly Fault[] {
    return this.#injected;
  }

  inject(fault: Fault): void {
    this.#injected.push(fault);
    this.#world.trace("fault", fault);
    this.counts[fault.type === "cut" ? fault.shape : fault.type] += 1;
    const { schedule, network, sockets } = this.#world;
    switch (fault.type) {
      case "crash":
        this.#crash(fault.node);
        schedule.after(fault.forMs, () => this.#restart(fault.node));
        break;
      case "aside":
        this.#crash(fault.node);
        this.#setAside(fault.node);
        schedule.after(fault.forMs, () => this.#restart(fault.node));
        break;
      case "cut":
        schedule.after(fault.forMs, network.cut(fault.edges));
        break;
      case "pause":
        this.#pause(fault.node, fault.forMs, fault.isClockStopped);
        break;
      case "hang":
        this.#world.node(fault.node).hangDisk(fault.forMs);
        break;
      case "link":
        sockets.reset(fault.from, fault.to);
        break;
      case "storm":
        sockets.storm();
        break;
      case "transfer":
        this.#world.node(fault.asked).input({ type: "transferLeadership", to: fault.to });
        break;
      case "clientKill":
        this.#client(fault.client).kill();
        schedule.after(fault.forMs, () => this.#client(fault.client).revive());
        break;
      case "clientVanish":
        this.#client(fault.client).vanish();
        schedule.after(fault.forMs, () => this.#client(fault.client).revive());
        break;
      case "clientPause":
        this.#client(fault.client).pause(fault.forMs);
        break;
      case "clientCut":
        this.#client(fault.client).cut();
        break;
      case "watcherCut":
        this.#watcher(fault.watcher).cut();
        break;
      case "watcherMove":
        this.#watcher(fault.watcher).reconnect();
        break;
      default:
        unreachable(fault);
    }
  }

  /** A majority is whole from now on; the rest stays broken, each node in its way. */
  healCore({ rest }: Core): void {
    const { nodes, network } = this.#world;
    network.calm();
    const edges: string[] = [];
    for (const { node, how } of rest) {
      for (const { id } of nodes) {
        if (how === "deaf" || how === "isolated") edges.push(`${id}>${node}`);
        if (how === "mute" || how === "isolated") edges.push(`${node}>${id}`);
      }
      if (how === "down") this.#crash(node);
      if (how === "stalling") this.#stallAgain(node);
    }
    network.cut(edges);
    this.#keptDown = new Set(rest.filter(({ how }) => how === "down").map(({ node }) => node));
    const broken = new Set(rest.map(({ node }) => node));
    this.#world.reachable = nodes.filter(({ id }) => !broken.has(id));
    this.#everybodyUp();
    for (const end of [...this.#clients, ...this.#watchers]) {
      end.reconnect();
    }
  }

  /** Everybody up, every edge whole, no more faults. */
  heal(): void {
    this.#isHealed = true;
    this.#keptDown = new Set();
    this.#world.reachable = this.#world.nodes;
    this.#world.network.calm();
    this.#everybodyUp();
  }

  #everybodyUp(): void {
    for (const { id } of this.#world.nodes) {
      this.#restart(id);
    }
    for (const client of this.#clients) {
      client.revive();
    }
  }

  #crash(id: string): void {
    const node = this.#world.node(id);
    if (node.isUp) {
      this.#world.crash(node);
    }
  }

  /** Where two had lost their logs, nobody could be elected who need not have what was in them. */
  #setAside(id: string): void {
    const { nodes } = this.#world;
    if (nodes.length > 2 && !nodes.some(({ disk }) => disk.isReturning)) {
      this.#world.node(id).disk.setAside();
    }
  }

  #restart(id: string): void {
    const node = this.#world.node(id);
    if (!node.isUp && !this.#keptDown.has(id)) {
      node.start();
      this.#world.sockets.started(id);
    }
  }

  #pause(id: string, forMs: number, isClockStopped: boolean): void {
    const node = this.#world.node(id);
    if (node.isUp && !node.isPaused) {
      node.pause(forMs, isClockStopped);
    }
  }

  /** Awake for a moment, just long enough to be heard. */
  #stallAgain(id: string): void {
    const { prng, schedule } = this.#world;
    if (!this.#isHealed) {
      const stallMs = prng.between(500, 4_000);
      this.#pause(id, stallMs, false);
      schedule.after(stallMs + prng.between(50, 1_000), () => this.#stallAgain(id));
    }
  }

  #client(name: string): SimClient {
    const client = this.#clients.find((other) => other.name === name);
    demand(client !== undefined, () => `a fault for ${name}, who is nobody`);
    return client;
  }

  #watcher(name: string): SimWatcher {
    const watcher = this.#watchers.find((other) => other.name === name);
    demand(watcher !== undefined, () => `a fault for ${name}, who is nobody`);
    return watcher;
  }
}
