import { resolve } from "node:path";
import { NodeError } from "../server/node-error.ts";
import { checkTarget, saveBackup } from "../server/save-backup.ts";
import { ageText, isOld } from "./age.ts";
import { bytesText } from "./bytes.ts";
import type { Context } from "./context.ts";
import { CLI_EXIT } from "./exit-codes.ts";
import { usageFailure } from "./failure.ts";
import { askStatus } from "./node-pages.ts";
import { Progress } from "./progress.ts";
import { httpUrl } from "./servers.ts";
import { backupFields, type Checked } from "./snapshot-text.ts";
import { unreachableFailure } from "./status.ts";
import { counted } from "./verdict.ts";

export interface SaveFlags {
  readonly linearizable?: boolean;
  readonly force?: boolean;
  readonly dryRun?: boolean;
}

export async function saveSnapshot(
  context: Context,
  [typed = ""]: readonly string[],
  flags: SaveFlags,
): Promise<number> {
  const { output, world } = context;
  if (typed === "-") {
    throw usageFailure("a snapshot is written to a file, which can be checked before it counts");
  }
  const file = resolve(world.cwd, typed);
  await checkTarget(file, flags.force ?? false);
  if (flags.dryRun === true) {
    return dryRun(context, file);
  }
  const { server, result } = await anyServer(context, (at) => save(context, at, file, flags));
  const { header, end, fileBytes } = result;
  if (!output.isForPeople) {
    output.document("SnapshotSaved", { file, server, ...backupFields(result) });
    return CLI_EXIT.ok;
  }
  const what = `${counted(header.instances, "instance")}, ${counted(header.sessions, "session")}`;
  output.line(`saved ${file}: ${what}, ${bytesText(fileBytes)}`);
  output.line(`  of cluster ${header.clusterId}.${header.epoch}, by ${header.node}`);
  output.line(`  index ${header.index} in term ${header.term}, revision ${header.revision}`);
  output.line(`  sha256 ${end.sha256}`);
  if (flags.linearizable === true) {
    output.line("  with all that was acknowledged before it was asked for");
  } else {
    output.line(`  ${ageText(header.ageMs)} when it was taken`);
    if (isOld(header.ageMs)) {
      output.note(
        "a node that hears from a leader has a newer one: -s names it, or --linearizable",
      );
    }
  }
  return CLI_EXIT.ok;
}

function save(context: Context, server: string, file: string, flags: SaveFlags): Promise<Checked> {
  const progress = new Progress(context.output);
  return saveBackup({
    origin: httpUrl(server, "/"),
    file,
    isForced: flags.force ?? false,
    isLinearizable: flags.linearizable ?? false,
    timeoutMs: context.timeoutMs,
    onBytes: (bytes) => progress.bytes(`from ${server}`, bytes),
  }).finally(() => progress.done());
}

async function dryRun(context: Context, file: string): Promise<number> {
  const { output } = context;
  const { server, result } = await anyServer(context, (at) => askStatus(at, context.timeoutMs));
  const { name, lineage, applied: index, revision, instances, sessions, ageMs } = result;
  if (output.isForPeople) {
    const what = `${counted(instances, "instance")}, ${counted(sessions, "session")}`;
    output.line(`${name} (${server}) has ${what} at revision ${revision}, ${ageText(ageMs)}`);
    output.line(`they would be written to ${file}; nothing was`);
  } else {
    const fields = { lineage, node: name, index, revision, ageMs, instances, sessions };
    output.document("SnapshotDryRun", { file, server, ...fields });
  }
  return CLI_EXIT.ok;
}

interface Answered<Result> {
  readonly server: string;
  readonly result: Result;
}

/** Of the first that answers. What is wrong here, with the file, is wrong with every server. */
async function anyServer<Result>(
  { servers }: Context,
  ask: (server: string) => Promise<Result>,
): Promise<Answered<Result>> {
  const tried: { address: string; failure: string }[] = [];
  for (const server of servers) {
    try {
      return { server, result: await ask(server) };
    } catch (error) {
      if (error instanceof NodeError) {
        throw error;
      }
      const failure = error instanceof Error ? error.message : String(error);
      tried.push({ address: new URL(server).host, failure });
    }
  }
  throw unreachableFailure(tried);
}
