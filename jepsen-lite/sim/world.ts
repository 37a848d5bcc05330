import { PEER_LEAVING_MS } from "../../src/limits.ts";
import { confOf } from "../../src/raft/conf-state.ts";
import type { ConfState, Entry, MemberId } from "../../src/raft/types.ts";
import type { Change } from "../../src/registry/change.ts";
import type { EndReason } from "../../src/registry/command.ts";
import type { CommandCodec } from "../../src/replica/command-codec.ts";
import type { ClientOutput, ConnectionId } from "../../src/replica/inputs.ts";
import { Prng } from "../prng.ts";
import { Recorder } from "../recorder.ts";
import { Canon, keyOf, viewOf } from "./canon.ts";
import { Configurations } from "./configurations.ts";
import { Invariants } from "./invariants.ts";
import type { ClientEnd } from "./link.ts";
import { SimNetwork } from "./network.ts";
import { Operator } from "./operator.ts";
import type { SimOptions } from "./options.ts";
import { Schedule } from "./schedule.ts";
import { setupOf } from "./setup.ts";
import { SimNode } from "./sim-node.ts";
import { SimSockets } from "./sockets.ts";
import { Trace } from "./trace.ts";
import { demand } from "./violation.ts";

/** A member whose program is not that of the others. */
export interface MemberFault {
  readonly node: string;
  readonly codec: CommandCodec;
}

/** A node that ends hands over first, and closes what it has. */
const ENDING_MS_MAX = 500;

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
  readonly configurations: Configurations;
  readonly operator: Operator;
  readonly #birth: readonly string[];
  readonly #nodes: SimNode[];
  /** Members, and those that left a moment ago: to them clients connect, but for the broken ones. */
  readonly #serving: Set<string>;
  #broken: ReadonlySet<string> = new Set();
  readonly #retired = new Set<string>();
  readonly #ending = new Set<string>();
  #connections = 0;
  readonly #links = new Map<ConnectionId, ClientEnd>();
  readonly #ended = new Set<string>();
  readonly #trace = new Trace();

  readonly fault: MemberFault | null;

  constructor(seed: number, options: SimOptions, fault: MemberFault | null = null) {
    this.fault = fault;
    this.prng = new Prng(seed);
    this.options = options;
    this.recorder = new Recorder(this.schedule, setupOf(options));
    this.network = new SimNetwork(this);
    this.sockets = new SimSockets(this);
    this.invariants = new Invariants(this);
    this.operator = new Operator(this);
    this.#birth = Array.from({ length: options.nodes }, (_, i) => `n${i + 1}`);
    this.#nodes = this.#birth.map((id) => new SimNode(id, this.#birth, this));
    this.#serving = new Set(this.#birth);
    this.configurations = new Configurations(confOf(this.#birth.map(memberAt)));
  }

  /** All that ever were: members, those that are to be, and those that were. */
  get nodes(): readonly SimNode[] {
    return this.#nodes;
  }

  /** Without those that were switched off for good. */
  get standing(): readonly SimNode[] {
    return this.#nodes.filter(({ id }) => !this.#retired.has(id));
  }

  /** Whoever takes itself for the leader, by rising terms. */
  get leaders(): readonly SimNode[] {
    const terms = this.#nodes.flatMap((node) => {
      const status = node.status();
      return status?.role === "leader" ? [{ node, term: status.term }] : [];
    });
    return terms.sort((a, b) => a.term - b.term).map(({ node }) => node);
  }

  /** By what is committed. */
  get members(): readonly SimNode[] {
    return this.#nodes.filter(({ id }) => this.configurations.isMember(id));
  }

  /** To which clients connect. */
  get reachable(): readonly SimNode[] {
    return this.#nodes.filter(({ id }) => this.#serving.has(id) && !this.#broken.has(id));
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

  find(id: string): SimNode | undefined {
    return this.#nodes.find((candidate) => candidate.id === id);
  }

  /** A machine with an empty disk: whoever it will belong to, it knows how the cluster was born. */
  add(id: string): SimNode {
    const node = new SimNode(id, this.#birth, this);
    this.#nodes.push(node);
    return node;
  }

  isRetired(node: SimNode): boolean {
    return this.#retired.has(node.id);
  }

  /** For good. */
  retire(node: SimNode): void {
    this.#retired.add(node.id);
    if (node.isUp) {
      this.crash(node, false);
    }
  }

  /** Clients connect to none of these until it is called again. */
  broken(ids: readonly string[]): void {
    this.#broken = new Set(ids);
  }

  /** `entry` is committed; `leader` is that of its term. */
  committed(entry: Entry, leader: MemberId | null): void {
    if (this.configurations.committed(entry, leader)) {
      this.#membersChanged(this.configurations.latest);
    }
  }

  #membersChanged({ members }: ConfState): void {
    for (const { id } of members) {
      this.#serving.add(id);
    }
    for (const id of this.#serving) {
      if (!this.configurations.isMember(id)) {
        this.schedule.after(PEER_LEAVING_MS, () => this.left(this.node(id)));
      }
    }
  }

  /**
   * It has read so in the log, or was told by a peer. It serves nobody any more, and ends, unless in
   * this world such nodes run on, to show that they disturb nobody.
   */
  toldRemoved(node: SimNode): void {
    this.left(node);
    if (!this.options.hearsStrangers && !this.#ending.has(node.id)) {
      this.#ending.add(node.id);
      this.schedule.after(this.prng.below(ENDING_MS_MAX), () => this.retire(node));
    }
  }

  /** Clients are sent elsewhere. */
  left(node: SimNode): void {
    if (this.#serving.has(node.id) && !this.configurations.isMember(node.id)) {
      this.#serving.delete(node.id);
      for (const [connection, end] of this.#links) {
        if (end.node === node) {
          node.input({ type: "disconnected", connection, byClient: false });
          end.nodeDied(node);
        }
      }
    }
  }

  node(id: string): SimNode {
    const node = this.find(id);
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
    this.operator.crashed(node);
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

function memberAt(id: string) {
  return { id, name: id, address: "" };
}
