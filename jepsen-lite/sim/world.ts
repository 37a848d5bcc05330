import type { Change } from "../../src/registry/change.ts";
import type { EndReason } from "../../src/registry/command.ts";
import type { CommandCodec } from "../../src/replica/command-codec.ts";
import type { ClientOutput, ConnectionId } from "../../src/replica/inputs.ts";
import { Canon } from "./canon.ts";
import { nodeIds } from "./fault-drawing.ts";
import { Invariants } from "./invariants.ts";
import type { ClientEnd } from "./link.ts";
import { SimNetwork } from "./network.ts";
import type { SimOptions } from "./options.ts";
import { Prng } from "./prng.ts";
import { Schedule } from "./schedule.ts";
import { SimNode } from "./sim-node.ts";
import { SimSockets } from "./sockets.ts";
import { Trace } from "./trace.ts";
import { demand } from "./violation.ts";

/** A member whose program is not that of the others. */
export interface MemberFault {
  readonly node: string;
  readonly codec: CommandCodec;
}

type Listener = (session: string, reason: EndReason) => void;

/** Everything of one run. All of it follows from the seed. */
export class World {
  readonly prng: Prng;
  readonly options: SimOptions;
  readonly schedule = new Schedule();
  readonly network: SimNetwork;
  readonly sockets: SimSockets;
  readonly canon = new Canon();
  readonly invariants: Invariants;
  readonly nodes: readonly SimNode[];
  /** To which clients connect. */
  reachable: readonly SimNode[];
  readonly #tellings: { readonly atMs: number; readonly revision: number }[] = [];
  readonly #never = new Set<string>();
  #connections = 0;
  readonly #links = new Map<ConnectionId, ClientEnd>();
  readonly #sessionListeners: Listener[] = [];
  readonly #ended = new Set<string>();
  readonly #trace = new Trace();

  readonly fault: MemberFault | null;

  constructor(seed: number, options: SimOptions, fault: MemberFault | null = null) {
    this.fault = fault;
    this.prng = new Prng(seed);
    this.options = options;
    this.network = new SimNetwork(this);
    this.sockets = new SimSockets(this);
    this.invariants = new Invariants(this);
    const ids = nodeIds(options.nodes);
    this.nodes = ids.map((id) => new SimNode(id, ids, this));
    this.reachable = this.nodes;
  }

  get traceHash(): string {
    return this.#trace.hash;
  }

  /** The highest revision that anybody has been told of. */
  get revisionTold(): number {
    return this.#tellings.at(-1)?.revision ?? 0;
  }

  told(revision: number): void {
    if (revision > this.revisionTold) {
      this.#tellings.push({ atMs: this.schedule.nowMs, revision });
    }
  }

  /** What had been told to anybody before `atMs`. */
  revisionToldAt(atMs: number): number {
    return this.#tellings.findLast((telling) => telling.atMs < atMs)?.revision ?? 0;
  }

  /** A client was told, definitely, that this content will not come to be at this key. */
  never(key: string, content: string): void {
    this.#never.add(`${key} ${content}`);
  }

  neverHappened(): ReadonlySet<string> {
    return this.#never;
  }

  /** Folds what happened into the hash that two runs of one seed must share. */
  trace(who: string, what: unknown): void {
    this.#trace.fold(this.schedule.nowMs);
    this.#trace.fold(who);
    this.#trace.fold(what);
  }

  node(id: string): SimNode {
    const node = this.nodes.find((candidate) => candidate.id === id);
    demand(node !== undefined, () => `a message for ${id}, which nobody is`);
    return node;
  }

  connect(end: ClientEnd): ConnectionId {
    this.#connections += 1;
    this.#links.set(this.#connections, end);
    return this.#connections;
  }

  disconnect(connection: ConnectionId): void {
    this.#links.delete(connection);
  }

  toClient(node: SimNode, output: ClientOutput): void {
    this.#links.get(output.connection)?.fromNode(node, output);
  }

  crash(node: SimNode, isPowerCut: boolean): void {
    node.crash(isPowerCut);
    this.invariants.crashed(node);
    this.resetClientsOf(node);
    this.sockets.died(node.id);
  }

  /** All client sockets of a node that died. */
  resetClientsOf(node: SimNode): void {
    for (const end of [...this.#links.values()]) {
      end.nodeDied(node);
    }
  }

  /** Of one entry: the changes of each of its commands share a revision. */
  applied(node: SimNode, changes: readonly Change[]): void {
    let from = 0;
    changes.forEach((change, at) => {
      if (changes[at + 1]?.revision !== change.revision) {
        if (this.canon.applied(node.id, changes.slice(from, at + 1))) {
          this.trace("revision", this.canon.revision);
        }
        from = at + 1;
      }
    });
  }

  onSessionEnded(listener: Listener): void {
    this.#sessionListeners.push(listener);
  }

  /** The first replica to apply a session's end decides the moment of it. */
  sessionEnded(session: string, reason: EndReason): void {
    if (!this.#ended.has(session)) {
      this.#ended.add(session);
      for (const listener of this.#sessionListeners) {
        listener(session, reason);
      }
    }
  }
}
