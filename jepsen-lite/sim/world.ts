import type { Change } from "../../src/registry/change.ts";
import type { EndReason } from "../../src/registry/command.ts";
import type { CommandCodec } from "../../src/replica/command-codec.ts";
import type { ClientOutput, ConnectionId } from "../../src/replica/inputs.ts";
import { Canon, keyOf, viewOf } from "./canon.ts";
import { nodeIds } from "./fault-drawing.ts";
import { Invariants } from "./invariants.ts";
import type { ClientEnd } from "./link.ts";
import { SimNetwork } from "./network.ts";
import type { SimOptions } from "./options.ts";
import { Prng } from "./prng.ts";
import { Recorder } from "./recorder.ts";
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

/** Everything of one run. All of it follows from the seed. */
export class World {
  readonly prng: Prng;
  readonly options: SimOptions;
  readonly schedule = new Schedule();
  readonly network: SimNetwork;
  readonly sockets: SimSockets;
  readonly canon = new Canon();
  readonly recorder: Recorder;
  readonly invariants: Invariants;
  readonly nodes: readonly SimNode[];
  /** To which clients connect. */
  reachable: readonly SimNode[];
  #connections = 0;
  readonly #links = new Map<ConnectionId, ClientEnd>();
  readonly #ended = new Set<string>();
  readonly #trace = new Trace();

  readonly fault: MemberFault | null;

  constructor(seed: number, options: SimOptions, fault: MemberFault | null = null) {
    this.fault = fault;
    this.prng = new Prng(seed);
    this.options = options;
    this.recorder = new Recorder(this.schedule, options);
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
        const ofRevision = changes.slice(from, at + 1);
        if (this.canon.applied(node.id, ofRevision)) {
          this.trace("revision", this.canon.revision);
          this.#record(ofRevision);
        }
        from = at + 1;
      }
    });
  }

  /** The first replica to apply a session's end decides the moment of it. */
  sessionEnded(session: string, reason: EndReason, revision: number): void {
    if (!this.#ended.has(session)) {
      this.#ended.add(session);
      this.recorder.record({ type: "ended", session, reason, revision });
    }
  }

  hasEnded(session: string): boolean {
    return this.#ended.has(session);
  }

  #record(changes: readonly Change[]): void {
    const put = viewOf(changes.flatMap(({ after }) => after ?? []));
    const remove = changes.flatMap(({ before, after }) =>
      before === null || after !== null ? [] : [keyOf(before)],
    );
    this.recorder.record({ type: "revision", revision: this.canon.revision, put, remove });
  }
}
