import { CONNECT_TIMEOUT_MS_DEFAULT } from "../limits.ts";
import type { StatusPage } from "../server/status.ts";
import { askStatus } from "./node-pages.ts";

/** A member, or a server that was named and is not known to be one. */
export interface MemberView {
  /** Null where nobody could say. */
  readonly name: string | null;
  readonly id: string | null;
  readonly address: string | null;
  /** By the word of a member that knows it; null where nobody does. */
  readonly membership: "voter" | "learner" | null;
  /** Null where it did not answer. */
  readonly status: StatusPage | null;
  /** Why it did not. */
  readonly failure: string | null;
  /** Entries behind the leader's last, by the leader's word. */
  readonly lag: number | null;
  /** By how much its clock is ahead of the one here, give or take half the time of the answer. */
  readonly clockAheadMs: number | null;
}

export interface ClusterView {
  readonly lineage: string | null;
  /** By name. Null where no member that answers knows one. */
  readonly leader: string | null;
  readonly term: number | null;
  readonly members: readonly MemberView[];
  /** More than one where the servers belong to different clusters. */
  readonly lineages: readonly string[];
}

interface Answer {
  readonly server: string;
  readonly status: StatusPage | null;
  readonly failure: string | null;
  readonly clockAheadMs?: number | null;
}

/** Asks the servers, and the members that they name, all at once. Never rejects. */
export async function surveyCluster(
  servers: readonly string[],
  timeoutMs: number,
): Promise<ClusterView> {
  const waitMs = Math.min(timeoutMs, CONNECT_TIMEOUT_MS_DEFAULT);
  const first = await Promise.all(servers.map((server) => askOne(server, waitMs)));
  const second = await Promise.all(unasked(first).map((server) => askOne(server, waitMs)));
  return clusterView([...first, ...second]);
}

async function askOne(server: string, timeoutMs: number): Promise<Answer> {
  const askedMs = Date.now();
  try {
    const status = await askStatus(server, timeoutMs);
    const hereMs = (askedMs + Date.now()) / 2;
    const clockAheadMs = status.wallMs === undefined ? null : Math.round(status.wallMs - hereMs);
    return { server, status, failure: null, clockAheadMs };
  } catch (error) {
    const failure = error instanceof Error ? error.message : `${error}`;
    return { server, status: null, failure };
  }
}

/** Where the members are that were named and have neither answered nor been asked at that place. */
function unasked(answers: readonly Answer[]): readonly string[] {
  const answered = new Set(answers.flatMap(({ status }) => (status === null ? [] : [status.id])));
  const asked = new Set(answers.map(({ server }) => server));
  const named = answers.flatMap(({ server, status }) =>
    (status?.members ?? [])
      .filter(({ id }) => !answered.has(id))
      .flatMap(({ address }) => (address === null ? [] : [serverAt(server, address)])),
  );
  return [...new Set(named)].filter((server) => !asked.has(server));
}

/** Members are reached as the server that named them was: with TLS or without. */
function serverAt(namedBy: string, address: string): string {
  return `${new URL(namedBy).protocol}//${address}`;
}

export function clusterView(answers: readonly Answer[]): ClusterView {
  const statuses = new Map<string, StatusPage>();
  for (const { status } of answers) {
    if (status !== null && (statuses.get(status.id)?.term ?? -1) <= status.term) {
      statuses.set(status.id, status);
    }
  }
  const all = [...statuses.values()];
  const leading = latest(all.filter((status) => status.role === "leader"));
  const knowing = leading ?? latest(all.filter((status) => status.leader !== null));
  const known = [...all].sort((a, b) => b.term - a.term)[0] ?? null;
  return {
    lineage: known?.lineage ?? null,
    leader: knowing?.leader ?? null,
    term: knowing?.term ?? known?.term ?? null,
    members: memberViews(answers, statuses, leading),
    lineages: [...new Set(all.map((status) => status.lineage))],
  };
}

function latest(statuses: readonly StatusPage[]): StatusPage | null {
  return statuses.reduce<StatusPage | null>(
    (best, status) => (best === null || status.term > best.term ? status : best),
    null,
  );
}

function memberViews(
  answers: readonly Answer[],
  statuses: ReadonlyMap<string, StatusPage>,
  leading: StatusPage | null,
): readonly MemberView[] {
  const views = new Map<string, MemberView>();
  for (const { members } of statuses.values()) {
    for (const { name, id, address, membership } of members) {
      const status = statuses.get(id) ?? null;
      const lag = leading?.members.find((member) => member.id === id)?.lag ?? null;
      const known = views.get(id)?.address ?? null;
      const own = status?.members.find((member) => member.isSelf)?.address ?? null;
      const place = own ?? known ?? address;
      const failure = status === null ? failureAt(answers, place) : null;
      views.set(id, {
        ...{ name, id, address: place, status, failure, lag },
        clockAheadMs: answers.find((answer) => answer.status === status)?.clockAheadMs ?? null,
        // Who lags may not know of a change yet.
        membership: leading?.members.find((member) => member.id === id)?.membership ?? membership,
      });
    }
  }
  const placed = new Set([...views.values()].map(({ address }) => address));
  const strangers = answers
    .filter(({ server, status }) => status === null && !placed.has(new URL(server).host))
    .map(({ server, failure }): MemberView => {
      const address = new URL(server).host;
      return {
        ...{ name: null, id: null, address, status: null, failure, lag: null },
        ...{ membership: null, clockAheadMs: null },
      };
    });
  const sorted = [...views.values()].sort((a, b) => compareNames(a.name, b.name));
  return [...sorted, ...strangers];
}

function failureAt(answers: readonly Answer[], address: string | null): string {
  const asked = answers.find(({ server }) => new URL(server).host === address);
  return asked?.failure ?? (address === null ? "nobody knows its address" : "no answer");
}

/** `n2` before `n10`. */
function compareNames(a: string | null, b: string | null): number {
  return (a ?? "").localeCompare(b ?? "", "en", { numeric: true });
}
