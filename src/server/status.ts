import { isVoterOf } from "../raft/conf-state.ts";
import type { ConfMember, ConfState } from "../raft/types.ts";
import type { EndReason } from "../registry/command.ts";
import type { Registry } from "../registry/registry.ts";
import type { SessionView } from "../registry/sessions.ts";
import type { ReplicaStatus } from "../replica/status.ts";
import type { BirthRecord } from "../storage/storage.ts";
import type { MemberBody } from "../wire/messages.ts";
import type { AddressBook } from "./address-book.ts";
import type { MachineStatus } from "./machine.ts";
import type { PeerLinkStatus } from "./peer-links.ts";

const LISTED_SESSIONS_MAX = 10_000;

/** `GET /v1/status`: what this node knows of itself and, as leader, of the others. */
export interface NodeStatus {
  readonly apiVersion: "v1";
  readonly kind: "NodeStatus";
  readonly name: string;
  readonly id: string;
  readonly version: string;
  readonly lineage: string;
  readonly role: ReplicaStatus["role"];
  readonly term: number;
  /** By name; null where none is known. */
  readonly leader: string | null;
  readonly commit: number;
  readonly applied: number;
  readonly lastIndex: number;
  /** Of the log; what is before it is in the snapshot. */
  readonly firstIndex: number;
  /** Of the current snapshot; 0 where there is none. */
  readonly snapshotIndex: number;
  readonly revision: number;
  readonly digest: string;
  readonly sessions: number;
  readonly instances: number;
  readonly watches: number;
  readonly connections: number;
  readonly isCaughtUp: boolean;
  readonly isDraining: boolean;
  /** It has not yet the state of a peer in place of its own. */
  readonly isReturning: boolean;
  /** No state has a majority: a leader proposes nothing. */
  readonly isInDoubt: boolean;
  /** Of the room on its disk; `full`: it takes no entries. */
  readonly diskState: ReplicaStatus["disk"];
  /** What the registry takes, by what this node knows: `removals` where disks are low. */
  readonly intake: ReplicaStatus["intake"];
  /** How old this node's copy may be; null where it cannot tell. */
  readonly ageMs: number | null;
  readonly members: readonly MemberStatus[];
}

/** The page: with what the machine says, which nodes of before did not. */
export type StatusPage = NodeStatus & Partial<MachineStatus>;

export interface MemberStatus {
  readonly name: string;
  readonly id: string;
  readonly address: string | null;
  /** A learner gets everything and decides nothing. */
  readonly membership: "voter" | "learner";
  readonly isSelf: boolean;
  readonly isLeader: boolean;
  /** Whether this node's link to it is up. */
  readonly isLinkUp: boolean;
  /** Entries behind the leader's last; only a leader knows. */
  readonly lag: number | null;
}

export interface SessionStatus {
  readonly id: string;
  readonly client: string;
  readonly ttlMs: number;
  readonly graceMs: number;
  readonly owned: number;
  readonly lastSeq: number;
  readonly openedAtMs: number;
  readonly ending: EndReason | null;
}

export interface StatusParts {
  readonly name: string;
  readonly version: string;
  readonly birth: BirthRecord;
  /** By name; null where none is known. */
  readonly leader: string | null;
  readonly replica: ReplicaStatus;
  readonly links: readonly PeerLinkStatus[];
  readonly addresses: AddressBook;
  readonly connections: number;
  readonly isDraining: boolean;
}

export function lineageOf(birth: BirthRecord): string {
  return `${birth.clusterId}.${birth.epoch}`;
}

/** Members that clients can be sent to. */
export function membersOf(conf: ConfState, addresses: AddressBook): readonly MemberBody[] {
  return byName(conf).flatMap(({ name, id }) => {
    const address = addresses.serving(name);
    return address === null ? [] : [{ name, id, address }];
  });
}

/** `n2` before `n10`. */
export function byName({ members }: ConfState): readonly ConfMember[] {
  return [...members].sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
}

export function nodeStatus(parts: StatusParts): NodeStatus {
  const { birth, replica } = parts;
  return {
    apiVersion: "v1",
    kind: "NodeStatus",
    name: parts.name,
    id: replica.id,
    version: parts.version,
    lineage: lineageOf(birth),
    role: replica.role,
    term: replica.term,
    leader: parts.leader,
    commit: replica.commitIndex,
    applied: replica.lastApplied,
    lastIndex: replica.lastIndex,
    firstIndex: replica.firstIndex,
    snapshotIndex: replica.snapshotIndex,
    revision: replica.revision,
    digest: replica.digest,
    sessions: replica.sessions,
    instances: replica.instances,
    watches: replica.watches,
    connections: parts.connections,
    isCaughtUp: replica.isCaughtUp,
    isDraining: parts.isDraining,
    isReturning: replica.isReturning,
    isInDoubt: replica.doubt !== null,
    diskState: replica.disk,
    intake: replica.intake,
    ageMs: replica.ageMs,
    members: byName(replica.conf).map((member) => memberStatus(member, parts)),
  };
}

function memberStatus(
  { name, id }: ConfMember,
  { replica, links, addresses }: StatusParts,
): MemberStatus {
  const isSelf = id === replica.id;
  const progress = replica.peers.find((peer) => peer.id === id);
  return {
    name,
    id,
    address: addresses.serving(name),
    membership: isVoterOf(replica.conf, id) ? "voter" : "learner",
    isSelf,
    isLeader: id === replica.leader,
    isLinkUp: isSelf || links.some((link) => link.id === id && link.isUp),
    lag: lagOf(isSelf, replica, progress?.matchIndex),
  };
}

function lagOf(
  isSelf: boolean,
  replica: ReplicaStatus,
  matchIndex: number | undefined,
): number | null {
  if (replica.role !== "leader") {
    return null;
  }
  if (isSelf) {
    return 0;
  }
  return matchIndex === undefined ? null : replica.lastIndex - matchIndex;
}

export interface SessionsStatus {
  /** The first of them by id. */
  readonly items: readonly SessionStatus[];
  /** How many there are. */
  readonly total: number;
}

export function sessionsStatus(registry: Registry): SessionsStatus {
  const items: SessionStatus[] = [];
  for (const session of registry.sessions()) {
    if (items.length === LISTED_SESSIONS_MAX) {
      break;
    }
    items.push(sessionStatus(session));
  }
  return { items, total: registry.sessionCount };
}

function sessionStatus(session: SessionView): SessionStatus {
  return {
    id: session.id,
    client: session.client,
    ttlMs: session.ttlMs,
    graceMs: session.graceMs,
    owned: session.owned,
    lastSeq: session.lastSeq,
    openedAtMs: session.openedAtMs,
    ending: session.ending,
  };
}
