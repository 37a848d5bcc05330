import type { MemberStatus, NodeStatus } from "../../src/server/status.ts";

export interface Told {
  readonly isReturning?: boolean;
  readonly isInDoubt?: boolean;
  readonly diskState?: NodeStatus["diskState"];
  readonly intake?: NodeStatus["intake"];
  readonly role?: NodeStatus["role"];
  readonly term?: number;
  readonly leader?: string | null;
  readonly commit?: number;
  readonly lags?: Readonly<Record<string, number>>;
  readonly learners?: readonly string[];
  readonly lineage?: string;
}

/** What `name` would say of a cluster at these addresses. */
export function statusOf(
  name: string,
  addresses: Readonly<Record<string, string>>,
  told: Told,
): NodeStatus {
  const {
    role = "follower",
    term = 3,
    leader = "n1",
    commit = 10,
    lags = {},
    learners = [],
  } = told;
  const members = Object.entries(addresses).map(
    ([member, address]): MemberStatus => ({
      name: member,
      id: `id-${member}`,
      address,
      membership: learners.includes(member) ? "learner" : "voter",
      isSelf: member === name,
      isLeader: member === leader,
      isLinkUp: true,
      lag: role === "leader" ? (lags[member] ?? 0) : null,
    }),
  );
  return {
    apiVersion: "v1",
    kind: "NodeStatus",
    name,
    id: `id-${name}`,
    version: "0.1.0",
    lineage: told.lineage ?? "c.1",
    role,
    term,
    leader,
    commit,
    applied: commit,
    lastIndex: commit,
    firstIndex: 1,
    snapshotIndex: 0,
    revision: 5,
    digest: "00",
    sessions: 1,
    instances: 2,
    watches: 3,
    connections: 4,
    isCaughtUp: true,
    isDraining: false,
    isReturning: told.isReturning ?? false,
    isInDoubt: told.isInDoubt ?? false,
    diskState: told.diskState ?? "ok",
    intake: told.intake ?? "all",
    ageMs: 0,
    members,
  };
}
