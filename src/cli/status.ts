import type { Command } from "commander";
import type { StatusPage } from "../server/status.ts";
import { type ClusterView, type MemberView, surveyCluster } from "./cluster-view.ts";
import { defineCommand, type Invocation } from "./command.ts";
import type { Context } from "./context.ts";
import { refusedText } from "./disk-verdict.ts";
import { CLI_EXIT } from "./exit-codes.ts";
import { Failure } from "./failure.ts";
import type { Output } from "./output.ts";
import type { Column } from "./table.ts";
import { majorityOf } from "./verdict.ts";

const COLUMNS: readonly Column[] = [
  { head: "MEMBER" },
  { head: "ROLE" },
  { head: "TERM", align: "right" },
  { head: "COMMIT", align: "right" },
  { head: "APPLIED", align: "right" },
  { head: "LAG", align: "right" },
  { head: "ADDRESS" },
  { head: "REVISION", align: "right" },
  { head: "SESSIONS", align: "right" },
  { head: "WATCHES", align: "right" },
];

export function defineStatus(command: Command, invocation: Invocation): void {
  defineCommand(command, invocation, {
    examples: [
      { line: "rollcall status", doc: "the cluster of `rollcall dev`" },
      {
        line: "rollcall status -s 10.0.0.1:7420,10.0.0.2:7420",
        doc: "any one that answers will do",
      },
      { line: "rollcall status -o json | jq .leader", doc: "for programs" },
    ],
    work: (context) => showStatus(context),
  });
}

async function showStatus({ servers, timeoutMs, output }: Context): Promise<number> {
  const view = await surveyCluster(servers, timeoutMs);
  const answered = view.members.filter((member) => member.status !== null).length;
  if (answered === 0) {
    throw unreachableFailure(view.members);
  }
  output.list({
    kind: "ClusterStatus",
    itemKind: "MemberStatus",
    fields: { leader: view.leader, term: view.term, lineage: view.lineage },
    items: view.members.map((member) => memberItem(member, view)),
    columns: COLUMNS,
    rows: view.members.map((member) => memberRow(member, view, output)),
  });
  explain(view, answered, output);
  if (view.leader === null) {
    throw new Failure(
      "NO_LEADER",
      `no leader: ${answered} of ${view.members.length} members answer`,
      {
        exitCode: CLI_EXIT.unavailable,
        isRetryable: true,
        hint: "a majority of the members must be up and reach each other; their logs say more",
      },
    );
  }
  return CLI_EXIT.ok;
}

export function unreachableFailure(
  asked: readonly Pick<MemberView, "address" | "failure">[],
): Failure {
  const tried = asked.map(({ address, failure }) => `${address}: ${failure}`);
  const places = tried.length === 1 ? "1 server" : `${tried.length} servers`;
  return new Failure("UNAVAILABLE", `no node reached (tried ${places}): ${tried.join("; ")}`, {
    exitCode: CLI_EXIT.unavailable,
    isRetryable: true,
    hint: asked.every(({ failure }) => failure === "ECONNREFUSED")
      ? "'rollcall dev' starts a cluster here; --server (ROLLCALL_SERVER) names another"
      : "--server (ROLLCALL_SERVER) names others; the logs of these say more",
    details: { tried: asked.map(({ address, failure }) => ({ address, failure })) },
  });
}

function explain(view: ClusterView, answered: number, output: Output): void {
  if (view.lineages.length > 1) {
    output.warn(`these servers belong to different clusters: ${view.lineages.join(", ")}`);
  }
  if (view.members.some(({ status }) => status?.isInDoubt)) {
    output.warn("no state has a majority, so nothing is written: the logs name the members");
  }
  const leader = view.members.find(({ name }) => name !== null && name === view.leader);
  const refused = refusedText(leader?.status?.intake);
  if (refused !== null) {
    output.warn(`${refused}, for want of room on its disks: 'rollcall doctor' says on which`);
  }
  const total = view.members.filter((member) => member.id !== null).length;
  const voters = view.members.filter((member) => member.membership === "voter");
  const majority = majorityOf(voters.length);
  if (answered < total) {
    for (const { name, address, failure } of view.members.filter(({ status }) => status === null)) {
      output.note(`${name ?? address} does not answer: ${failure}`);
    }
    if (voters.filter(({ status }) => status !== null).length === majority) {
      output.note("no further member may fail");
    }
  }
}

function memberItem(member: MemberView, view: ClusterView): object {
  const { name, id, address, membership, status, failure, lag } = member;
  return {
    name,
    id,
    address,
    membership,
    isReachable: status !== null,
    isLeader: name !== null && name === view.leader,
    role: status?.role ?? null,
    term: status?.term ?? null,
    commit: status?.commit ?? null,
    applied: status?.applied ?? null,
    lag,
    revision: status?.revision ?? null,
    digest: status?.digest ?? null,
    instances: status?.instances ?? null,
    sessions: status?.sessions ?? null,
    watches: status?.watches ?? null,
    connections: status?.connections ?? null,
    ageMs: status?.ageMs ?? null,
    isDraining: status?.isDraining ?? null,
    isReturning: status?.isReturning ?? null,
    isInDoubt: status?.isInDoubt ?? null,
    diskState: status?.diskState ?? null,
    intake: status?.intake ?? null,
    version: status?.version ?? null,
    failure,
  };
}

function memberRow(
  { name, address, membership, status, lag }: MemberView,
  view: ClusterView,
  output: Output,
): readonly string[] {
  const place = address ?? "-";
  if (status === null) {
    const role = name !== null && name === view.leader ? "leader?" : "unreachable";
    return [name ?? "?", role, "-", "-", "-", text(lag), place, "-", "-", "-"];
  }
  const { role, term, commit, applied, revision, sessions, watches } = status;
  const kind = membership === "learner" ? "learner" : role;
  const doing = doingOf(status);
  const shown = doing === null ? kind : `${kind} (${doing})`;
  if (output.isVerbose && status.version !== "") {
    output.note(`${status.name} runs ${status.version}`);
  }
  const counts = [revision, sessions, watches].map(text);
  return [status.name, shown, text(term), text(commit), text(applied), text(lag), place, ...counts];
}

function doingOf({ isDraining, isReturning, diskState }: StatusPage): string | null {
  if (isDraining) return "draining";
  if (isReturning) return "returning";
  return diskState === "low" || diskState === "full" ? `disk ${diskState}` : null;
}

function text(value: number | null): string {
  return value === null ? "-" : String(value);
}
