import type { Change } from "../../src/registry/change.ts";
import type { EndReason } from "../../src/registry/command.ts";
import type { CommandCodec } from "../../src/replica/command-codec.ts";
import type { ClientOutput, ConnectionId } from "../../src/replica/inputs.ts";
import { Canon } from "./canon.ts";
import { Invariants } from "./invariants.ts";
import type { ClientEnd } from "./link.ts";
import { SimNetwork } from "./network.ts";
import { drawOptions, type SimOptions } from "./options.ts";
import { Prng } from "./prng.ts";
import { Schedule } from "./schedule.ts";
import { SimNode } from "./sim-node.ts";
import { SimSockets } from "./sockets.ts";
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
  readonly #tellings: { readonly atMs: number; readonly revision: number }[] = [];
  readonly #never = new Set<string>();
  #connections = 0;
  readonly #links = new Map<ConnectionId, ClientEnd>();
  readonly #sessionListeners: Listener[] = [];
  readonly #ended = new Set<string>();
  #traceHash = 0x811c9dc5;

  readonly fault: MemberFault | null;

  constructor(seed: number, fault: MemberFault | null = null) {
    this.fault = fault;
    this.prng = new Prng(seed);
    this.options = drawOptions(new Prng(seed, 1));
    this.network = new SimNetwork(this);
    this.sockets = new SimSockets(this);
    this.invariants = new Invariants(this);
    const ids = Array.from({ length: this.options.nodes }, (_, i) => `n${i + 1}`);
    this.nodes = ids.map((id) => new SimNode(id, ids, this));
  }

  get traceHash(): string {
    return (this.#traceHash >>> 0).toString(16).padStart(8, "0");
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
  trace(text: string): void {
    for (let i = 0; i < text.length; i += 1) {
      this.#traceHash = Math.imul(this.#traceHash ^ text.charCodeAt(i), 0x01000193);
    }
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
    this.trace(`${this.schedule.nowMs} ${node.id} ${output.type} ${output.connection}`);
    this.#links.get(output.connection)?.fromNode(node, output);
  }

  crash(node: SimNode): void {
    node.crash();
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
          this.trace(`${this.schedule.nowMs} revision ${this.canon.revision}`);
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
