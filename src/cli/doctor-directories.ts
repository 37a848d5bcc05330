import { resolve } from "node:path";
import { type Examined, examineDirectory } from "../server/examine-directory.ts";
import { bytesText } from "./bytes.ts";
import type { Context } from "./context.ts";
import { tellDiagnosis } from "./diagnosis.ts";
import { bestText, judgeDirectories, mostUpToDate, notesOfDirectory } from "./directory-verdict.ts";
import { CLI_EXIT } from "./exit-codes.ts";
import { Progress } from "./progress.ts";
import type { Column } from "./table.ts";
import type { Verdict } from "./verdict.ts";

export const DIRECTORY_COLUMNS: readonly Column[] = [
  { head: "DIRECTORY" },
  { head: "NODE" },
  { head: "ID" },
  { head: "CLUSTER" },
  { head: "TERM", align: "right" },
  { head: "VOTES", align: "right" },
  { head: "FIRST", align: "right" },
  { head: "LAST", align: "right" },
  { head: "LAST TERM", align: "right" },
  { head: "MARK", align: "right" },
  { head: "SNAPSHOT", align: "right" },
  { head: "CHAIN" },
  { head: "DISK FREE", align: "right" },
  { head: "NOTES" },
];

/** `dirs`: as they were typed. */
export async function examineDirectories(
  { output, world }: Context,
  dirs: readonly string[],
): Promise<number> {
  const examined = await readDirectories({ output, world }, dirs);
  const verdict = judgeDirectories(examined);
  tellDiagnosis(output, {
    kind: "DirectoriesDiagnosis",
    itemKind: "DirectoryDiagnosis",
    fields: { mostUpToDate: mostUpToDate(examined) },
    items: examined.map(directoryItem),
    columns: DIRECTORY_COLUMNS,
    rows: examined.map(directoryRow),
    verdict,
    alsoWell: bestText(examined),
  });
  return exitCodeOf(examined, verdict);
}

export async function readDirectories(
  { output, world }: Pick<Context, "output" | "world">,
  dirs: readonly string[],
): Promise<readonly Examined[]> {
  const examined: Examined[] = [];
  const progress = new Progress(output);
  for (const path of new Set(dirs.map((dir) => resolve(world.cwd, dir)))) {
    if (output.isForPeople) output.note(`reading ${path}`);
    const onRead: Parameters<typeof examineDirectory>[1] = (part, bytes, of) =>
      progress.bytes(`${part} ${path}`, bytes, of);
    examined.push(await examineDirectory(path, onRead).finally(() => progress.done()));
  }
  return examined;
}

/** What is damaged counts for more than what is not there, or was not read. */
function exitCodeOf(examined: readonly Examined[], { findings, isBroken }: Verdict): number {
  const broken = findings.filter(({ level }) => level === "broken").length;
  const [none, running] = (["none", "running"] as const).map(
    (state) => examined.filter((directory) => directory.state === state).length,
  ) as [number, number];
  if (!isBroken) return CLI_EXIT.ok;
  if (broken > none + running) return CLI_EXIT.failure;
  return none > 0 ? CLI_EXIT.notFound : CLI_EXIT.conflict;
}

export function directoryItem(directory: Examined): object {
  const { identity, birth, log, mark, ...rest } = directory;
  return {
    ...rest,
    name: identity?.name ?? null,
    id: identity?.incarnation ?? null,
    formatVersion: identity?.formatVersion ?? null,
    lineage: birth === null ? null : `${birth.clusterId}.${birth.epoch}`,
    mark: mark === null ? null : { index: mark.index, term: mark.term },
    log,
    notes: notesOfDirectory(directory),
  };
}

export function directoryRow(directory: Examined): readonly string[] {
  const { path, state, identity, birth, hardState, voteCopies, mark, log, disk } = directory;
  const isRead = state === "read";
  return [
    path,
    identity?.name ?? "-",
    identity?.incarnation ?? "-",
    birth === null ? "-" : `${birth.clusterId.slice(0, 8)}….${birth.epoch}`,
    text(hardState?.term),
    isRead ? `${voteCopies} of 2` : "-",
    text(log?.firstIndex),
    text(log?.lastIndex),
    text(log?.lastTerm),
    text(mark?.index),
    text(log?.snapshot?.index),
    log === null ? "-" : log.isIntact ? "verified" : "broken",
    disk === null ? "-" : bytesText(disk.freeBytes),
    notesOfDirectory(directory).join("; "),
  ];
}

function text(value: number | null | undefined): string {
  return value == null ? "-" : String(value);
}
