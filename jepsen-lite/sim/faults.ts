import type { ConfChange } from "../../src/raft/conf-change.ts";
import { unreachable } from "../../src/util/assert.ts";
import type { Prng } from "../prng.ts";
import { drawCore } from "./core.ts";
import type { Asked, Core, CutShape, Fault } from "./fault.ts";
import { isQuorum } from "./quorums.ts";
import type { SimClient } from "./sim-client.ts";
import type { SimNode } from "./sim-node.ts";
import type { SimWatcher } from "./sim-watcher.ts";
import { demand } from "./violation.ts";
import type { World } from "./world.ts";

export type FaultCounts = Record<Exclude<Fault["type"], "cut"> | CutShape, number>;

/** Of clients and watchers. */
type EndFault = Extract<Fault, { readonly type: `client${string}` | `watcher${string}` }>;

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
    fill: 0,
    link: 0,
    storm: 0,
    transfer: 0,
    clientKill: 0,
    clientVanish: 0,
    clientPause: 0,
    clientCut: 0,
    watcherCut: 0,
    watcherMove: 0,
    add: 0,
    change: 0,
    retire: 0,
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
        this.#onNode(fault.node, (node) => {
          this.#crash(node, fault.isPowerCut);
          schedule.after(fault.forMs, () => this.#restart(node));
        });
        break;
      case "aside":
        this.#onNode(fault.node, (node) => {
          this.#crash(node, fault.isPowerCut);
          this.#setAside(node);
          schedule.after(fault.forMs, () => this.#restart(node));
        });
        break;
      case "cut":
        schedule.after(fault.forMs, network.cut(fault.edges));
        break;
      case "pause":
        this.#onNode(fault.node, (node) => {
          this.#pause(node, fault.forMs, fault.isClockStopped);
        });
        break;
      case "hang":
        this.#onNode(fault.node, (node) => node.hangDisk(fault.forMs));
        break;
      case "fill":
        this.#onNode(fault.node, (node) => node.fillDisk(fault.state, fault.forMs));
        break;
      case "link":
        this.#onNode(fault.from, () => {
          this.#onNode(fault.to, () => sockets.reset(fault.from, fault.to));
        });
        break;
      case "storm":
        sockets.storm();
        break;
      case "transfer":
        this.#onNode(fault.asked, (node) => {
          node.input({ type: "transferLeadership", to: fault.to });
        });
        break;
      case "clientKill":
      case "clientVanish":
      case "clientPause":
      case "clientCut":
      case "watcherCut":
      case "watcherMove":
        this.#injectEnd(fault);
        break;
      case "add":
        this.#add(fault);
        break;
      case "change":
        this.#ask(fault, fault.change);
        break;
      case "retire":
        this.#onNode(fault.node, (node) => this.#retire(node));
        break;
      default:
        unreachable(fault);
    }
  }

  #injectEnd(fault: EndFault): void {
    const { schedule } = this.#world;
    switch (fault.type) {
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

  /**
   * From now on a majority is whole, of whatever configuration may be in force; the rest stays
   * broken, each node in its way. Returns that rest.
   */
  healCore(prng: Prng): Core {
    const { network, operator } = this.#world;
    operator.stop();
    network.calm();
    this.#everybodyUp();
    const core = drawCore(this.#world, prng);
    const edges: string[] = [];
    for (const { node: id, how } of core) {
      for (const { id: other } of this.#world.nodes) {
        if (how === "deaf" || how === "isolated") edges.push(`${other}>${id}`);
        if (how === "mute" || how === "isolated") edges.push(`${id}>${other}`);
      }
      const node = this.#world.node(id);
      if (how === "down") this.#crash(node, false);
      if (how === "stalling") this.#stallAgain(node);
    }
    network.cut(edges);
    this.#keptDown = new Set(core.filter(({ how }) => how === "down").map(({ node }) => node));
    this.#world.broken(core.map(({ node }) => node));
    for (const end of [...this.#clients, ...this.#watchers]) {
      end.reconnect();
    }
    return core;
  }

  /** Everybody up, every edge whole, no more faults. */
  heal(): void {
    this.#isHealed = true;
    this.#world.operator.stop();
    this.#keptDown = new Set();
    this.#world.broken([]);
    this.#world.network.calm();
    this.#everybodyUp();
  }

  #everybodyUp(): void {
    for (const node of this.#world.nodes) {
      node.makeRoom();
      this.#restart(node);
    }
    for (const client of this.#clients) {
      client.revive();
    }
  }

  /** Of a fault that another one was to bring: where that was left out, it is nobody's. */
  #onNode(id: string, act: (node: SimNode) => void): void {
    const node = this.#world.find(id);
    if (node !== undefined) {
      act(node);
    }
  }

  #crash(node: SimNode, isPowerCut: boolean): void {
    if (node.isUp) {
      this.#world.crash(node, isPowerCut);
    }
  }

  /**
   * One member at a time, and only where the other voters are a quorum without it, by each
   * configuration that somebody goes by: where n3 is being made the second voter, and what it has
   * acknowledged never reached the disk of the leader n1, nobody else can stand for what n3 lost.
   */
  #setAside(node: SimNode): void {
    const { members, configurations } = this.#world;
    const others = (id: string): boolean => id !== node.id;
    if (
      members.includes(node) &&
      configurations.inForce.every((conf) => isQuorum(conf, others)) &&
      !members.some(({ disk }) => disk.isReturning)
    ) {
      node.disk.setAside();
    }
  }

  #restart(node: SimNode): void {
    if (!node.isUp && !this.#keptDown.has(node.id) && !this.#world.isRetired(node)) {
      node.start();
      this.#world.sockets.started(node.id);
    }
  }

  #pause(node: SimNode, forMs: number, isClockStopped: boolean): void {
    if (node.isUp && !node.isPaused) {
      node.pause(forMs, isClockStopped);
    }
  }

  /** Awake for a moment, just long enough to be heard. */
  #stallAgain(node: SimNode): void {
    const { prng, schedule } = this.#world;
    if (!this.#isHealed) {
      const stallMs = prng.between(500, 4_000);
      this.#pause(node, stallMs, false);
      schedule.after(stallMs + prng.between(50, 1_000), () => this.#stallAgain(node));
    }
  }

  /** The machine comes whether it is taken up or not, and waits. */
  #add(fault: Extract<Fault, { type: "add" }>): void {
    const { node: id, afterMs } = fault;
    const known = this.#world.find(id);
    const node = known ?? this.#world.add(id);
    if (known === undefined) {
      this.#world.schedule.after(afterMs, () => this.#restart(node));
    }
    this.#ask(fault, { type: "addLearner", member: { id, name: id, address: "" } });
  }

  #ask({ asked, forMs }: Asked, change: ConfChange): void {
    const { operator } = this.#world;
    if (asked === null) {
      operator.have(change, forMs);
    } else {
      this.#onNode(asked, (node) => operator.ask(node, change));
    }
  }

  /** Only who is out: the members are all there in the end. */
  #retire(node: SimNode): void {
    const { configurations } = this.#world;
    if (configurations.wasRemoved(node.id) && !configurations.isMember(node.id)) {
      this.#world.retire(node);
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
