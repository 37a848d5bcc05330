import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { ReplicaStatus } from "../replica/status.ts";
import type { Traffic } from "./client-connection.ts";
import type { DiskGuardStatus } from "./disk-guard.ts";
import type { PeerLinkStatus } from "./peer-links.ts";

const DISK_BUCKETS = [0.000_25, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
const LOOP_BUCKETS = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 0.5];

/** What is looked at when somebody scrapes. */
export interface Sample {
  readonly replica: ReplicaStatus;
  readonly links: readonly PeerLinkStatus[];
  readonly disk: DiskGuardStatus;
  readonly connections: number;
  readonly traffic: Traffic;
  readonly nameOf: (id: string) => string | null;
}

/** `/metrics` of one node. No label ever names an instance, an application or a session. */
export class Metrics {
  readonly #registry = new Registry();
  readonly fsyncSeconds: Histogram;
  readonly readySeconds: Histogram;
  readonly pushSeconds: Histogram;
  readonly leaderChanges: Counter;
  readonly sessionsEnded: Counter<"reason">;
  readonly snapshots: Counter<"how">;
  readonly httpRequests: Counter<"route" | "code">;
  readonly #gauges = new Map<string, Gauge>();
  readonly #states = new Map<string, Gauge>();
  readonly #linkUp: Gauge<"peer">;
  readonly #lag: Gauge<"peer">;
  readonly #dropped: Counter<"peer">;
  readonly #frames: Counter<"direction">;
  #sample: (() => Sample | null) | null = null;

  constructor() {
    const registers = [this.#registry];
    const histogram = (name: string, help: string, buckets: number[]) =>
      new Histogram({ name, help, buckets, registers });
    this.fsyncSeconds = histogram(
      "rollcall_raft_fsync_seconds",
      "Time from handing a write to the storage until the node has seen it on disk",
      DISK_BUCKETS,
    );
    this.readySeconds = histogram(
      "rollcall_apply_seconds",
      "Time of one turn of consensus and state machine",
      LOOP_BUCKETS,
    );
    this.pushSeconds = histogram(
      "rollcall_push_seconds",
      "Time of one slice of writing to clients",
      LOOP_BUCKETS,
    );
    this.leaderChanges = new Counter({
      name: "rollcall_raft_leader_changes_total",
      help: "Leaders this node has come to know, one after another",
      registers,
    });
    this.sessionsEnded = new Counter({
      name: "rollcall_sessions_ended_total",
      help: "Sessions that ended, by reason, as applied on this node",
      labelNames: ["reason"],
      registers,
    });
    this.snapshots = new Counter({
      name: "rollcall_snapshots_total",
      help: "Snapshots that this node took, or received and installed",
      labelNames: ["how"],
      registers,
    });
    this.httpRequests = new Counter({
      name: "rollcall_http_requests_total",
      help: "HTTP requests, by route and status code",
      labelNames: ["route", "code"],
      registers,
    });
    const perPeer = (name: string, help: string) =>
      new Gauge({ name, help, labelNames: ["peer"], registers });
    this.#linkUp = perPeer(
      "rollcall_peer_link_up",
      "1 while the link on which this node sends is up",
    );
    this.#lag = perPeer(
      "rollcall_peer_lag_entries",
      "Entries a peer is behind; on the leader only",
    );
    this.#dropped = new Counter({
      name: "rollcall_peer_dropped_messages_total",
      help: "Messages not sent because the link was down or full",
      labelNames: ["peer"],
      registers,
    });
    this.#frames = new Counter({
      name: "rollcall_ws_frames_total",
      help: "Frames from and to clients",
      labelNames: ["direction"],
      registers,
    });
    for (const [name, { label, help }] of Object.entries(STATES)) {
      this.#states.set(name, new Gauge({ name, help, labelNames: [label], registers }));
    }
    for (const [name, help] of Object.entries(GAUGES)) {
      this.#gauges.set(name, new Gauge({ name, help, registers }));
    }
    collectDefaultMetrics({ register: this.#registry, prefix: "rollcall_" });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Where to look at a scrape; null while there is nothing to see. */
  observe(sample: () => Sample | null): void {
    this.#sample = sample;
  }

  text(): Promise<string> {
    const sample = this.#sample?.() ?? null;
    if (sample !== null) {
      this.#take(sample);
    }
    return this.#registry.metrics();
  }

  #take({ replica, links, disk, connections, traffic, nameOf }: Sample): void {
    const values: Readonly<Record<keyof typeof GAUGES, number>> = {
      rollcall_raft_term: replica.term,
      rollcall_raft_is_leader: replica.role === "leader" ? 1 : 0,
      rollcall_raft_has_leader: replica.leader === null ? 0 : 1,
      rollcall_raft_commit_index: replica.commitIndex,
      rollcall_raft_applied_index: replica.lastApplied,
      rollcall_raft_last_index: replica.lastIndex,
      rollcall_revision: replica.revision,
      rollcall_sessions: replica.sessions,
      rollcall_instances: replica.instances,
      rollcall_watches: replica.watches,
      rollcall_caught_up: replica.isCaughtUp ? 1 : 0,
      rollcall_checkpoint_agreed_index: replica.agreedIndex,
      rollcall_checkpoint_doubt: replica.doubt === null ? 0 : 1,
      rollcall_returning: replica.isReturning ? 1 : 0,
      rollcall_snapshot_waiting_index: replica.snapshotWaitingIndex,
      rollcall_disk_room_bytes: disk.roomBytes ?? Number.NaN,
      rollcall_disk_reserve_bytes: disk.reserveBytes,
      rollcall_ws_connections: connections,
    };
    for (const [name, value] of Object.entries(values)) {
      this.#gauges.get(name)?.set(value);
    }
    const states: Readonly<Record<keyof typeof STATES, string>> = {
      rollcall_raft_role: replica.role,
      rollcall_disk_state: disk.state,
      rollcall_intake: replica.intake,
    };
    for (const [name, { label, values: all }] of Object.entries(STATES)) {
      for (const value of all) {
        const isSo = states[name as keyof typeof STATES] === value;
        this.#states.get(name)?.set({ [label]: value }, isSo ? 1 : 0);
      }
    }
    // Counted where it happens, in plain numbers; a scrape takes them over.
    this.#frames.reset();
    this.#frames.inc({ direction: "in" }, traffic.framesIn);
    this.#frames.inc({ direction: "out" }, traffic.framesOut);
    this.#dropped.reset();
    for (const link of links) {
      this.#linkUp.set({ peer: link.name }, link.isUp ? 1 : 0);
      this.#dropped.inc({ peer: link.name }, link.dropped);
    }
    this.#lag.reset();
    for (const peer of replica.peers) {
      const name = nameOf(peer.id);
      if (name !== null && peer.id !== replica.id) {
        this.#lag.set({ peer: name }, replica.lastIndex - peer.matchIndex);
      }
    }
  }
}

const GAUGES = {
  rollcall_raft_term: "The current term",
  rollcall_raft_is_leader: "1 while this node leads",
  rollcall_raft_has_leader: "1 while this node knows a leader",
  rollcall_raft_commit_index: "The highest index known to be committed",
  rollcall_raft_applied_index: "The highest index applied",
  rollcall_raft_last_index: "The last index of the log",
  rollcall_revision: "The revision of this node's copy",
  rollcall_sessions: "Sessions in the state",
  rollcall_instances: "Instances in the state",
  rollcall_watches: "Watches that this node serves",
  rollcall_caught_up: "1 once this node has caught up with a leader",
  rollcall_checkpoint_agreed_index: "The last index at which a majority had this node's state",
  rollcall_checkpoint_doubt: "1 while no state has a majority, and a leader proposes nothing",
  rollcall_returning: "1 while this node has not yet the state of a peer in place of its own",
  rollcall_snapshot_waiting_index:
    "Index of a snapshot that waits for a majority to agree on its state; 0 for none",
  rollcall_disk_room_bytes:
    "Room on the disk of the data directory, without what the reserve is to hold",
  rollcall_disk_reserve_bytes: "What the reserve on the disk holds; 0 while it is given back",
  rollcall_ws_connections: "Client connections",
} as const;

/** A label each, and 1 for the value that it has. */
const STATES = {
  rollcall_raft_role: {
    label: "role",
    values: ["follower", "preCandidate", "candidate", "leader"],
    help: "1 for the role that this node has",
  },
  rollcall_disk_state: {
    label: "state",
    values: ["ok", "low", "full"],
    help: "1 for the state that the room on this node's disk is in",
  },
  rollcall_intake: {
    label: "takes",
    values: ["all", "removals", "nothing"],
    help: "1 for what the registry takes, as this node knows: removals where disks are low",
  },
} as const;
