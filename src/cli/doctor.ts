import type { Command } from "commander";
import { bytesText } from "./bytes.ts";
import { judgeCluster, notesOf } from "./cluster-verdict.ts";
import { type ClusterView, type MemberView, surveyCluster } from "./cluster-view.ts";
import { defineCommand, flag, type Invocation } from "./command.ts";
import type { Context } from "./context.ts";
import { tellDiagnosis } from "./diagnosis.ts";
import { CLI_EXIT } from "./exit-codes.ts";
import type { Column } from "./table.ts";

interface DoctorFlags {
  readonly data?: readonly string[];
}

export function defineDoctor(command: Command, invocation: Invocation): void {
  defineCommand<DoctorFlags>(command, invocation, {
    examples: [
      { line: "rollcall doctor", doc: "the cluster of `rollcall dev`" },
      {
        line: "rollcall doctor -s 10.0.0.1:7420,10.0.0.2:7420",
        doc: "any one that answers names the others",
      },
      {
        line: "rollcall doctor --data /var/lib/rollcall",
        doc: "the directory of a node that is stopped; nothing in it is changed",
      },
      {
        line: "rollcall doctor --data /mnt/n1 --data /mnt/n2",
        doc: "which of them is the most up to date",
      },
    ],
    flags: [
      flag<readonly string[]>({
        flags: "--data <dir>",
        doc: "Look at a data directory, and ask no node; may be given again",
        env: "ROLLCALL_DOCTOR_DATA",
        parse: (text, previous) => [...(previous ?? []), text],
        parseEnv: (text) => text.split(",").filter((part) => part !== ""),
      }),
    ],
    work: async (context, _args, { data = [] }) =>
      data.length === 0
        ? await examineCluster(context)
        : await (await import("./doctor-directories.ts")).examineDirectories(context, data),
  });
}

const COLUMNS: readonly Column[] = [
  { head: "NODE" },
  { head: "ADDRESS" },
  { head: "ROLE" },
  { head: "TERM", align: "right" },
  { head: "LEADER" },
  { head: "LAST", align: "right" },
  { head: "COMMIT", align: "right" },
  { head: "APPLIED", align: "right" },
  { head: "LAG", align: "right" },
  { head: "SNAPSHOT", align: "right" },
  { head: "DISK FREE", align: "right" },
  { head: "CLOCK", align: "right" },
  { head: "VERSION" },
  { head: "NOTES" },
];

async function examineCluster({ servers, timeoutMs, output }: Context): Promise<number> {
  const view = await surveyCluster(servers, timeoutMs);
  const verdict = judgeCluster(view);
  const { leader, term, lineage } = view;
  tellDiagnosis(output, {
    kind: "ClusterDiagnosis",
    itemKind: "NodeDiagnosis",
    fields: { leader, term, lineage },
    items: view.members.map((member) => nodeItem(member, view)),
    columns: COLUMNS,
    rows: view.members.map((member) => nodeRow(member, view)),
    verdict,
  });
  if (!verdict.isBroken) {
    return CLI_EXIT.ok;
  }
  return leader === null ? CLI_EXIT.unavailable : CLI_EXIT.failure;
}

function nodeItem(member: MemberView, view: ClusterView): object {
  const { name, id, address, membership, status, failure, lag, clockAheadMs } = member;
  return {
    ...{ name, id, address, membership, isReachable: status !== null, failure },
    role: status?.role ?? null,
    term: status?.term ?? null,
    leader: status?.leader ?? null,
    firstIndex: status?.firstIndex ?? null,
    lastIndex: status?.lastIndex ?? null,
    commit: status?.commit ?? null,
    applied: status?.applied ?? null,
    lag,
    snapshotIndex: status?.snapshotIndex ?? null,
    disk: status?.disk ?? null,
    clockAheadMs,
    version: status?.version ?? null,
    notes: notesOf(member, view),
  };
}

function nodeRow(member: MemberView, view: ClusterView): readonly string[] {
  const { name, address, status, lag, clockAheadMs } = member;
  const free = status?.disk == null ? "-" : bytesText(status.disk.freeBytes);
  const cells = [
    ...[status?.role ?? "unreachable", text(status?.term), status?.leader ?? "-"],
    ...[text(status?.lastIndex), text(status?.commit), text(status?.applied), text(lag)],
    ...[text(status?.snapshotIndex), free, clockText(clockAheadMs), status?.version ?? "-"],
  ];
  return [name ?? "?", address ?? "-", ...cells, notesOf(member, view).join(", ")];
}

function text(value: number | null | undefined): string {
  return value == null ? "-" : String(value);
}

/** `+0.0 s`: how far ahead of the clock here. */
function clockText(aheadMs: number | null): string {
  return aheadMs === null
    ? "-"
    : `${aheadMs < 0 ? "-" : "+"}${(Math.abs(aheadMs) / 1000).toFixed(1)} s`;
}
