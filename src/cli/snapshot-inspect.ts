import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { checkBackupFile } from "../server/check-backup.ts";
import { ageText } from "./age.ts";
import { bytesText } from "./bytes.ts";
import type { Context } from "./context.ts";
import { CLI_EXIT } from "./exit-codes.ts";
import { Progress } from "./progress.ts";
import { backupFields, type Checked } from "./snapshot-text.ts";
import { renderTable } from "./table.ts";
import { counted } from "./verdict.ts";

export async function inspectSnapshot(
  context: Context,
  [typed = ""]: readonly string[],
): Promise<number> {
  const { output, world } = context;
  const file = resolve(world.cwd, typed);
  const checked = await readSnapshot(context, file);
  const { registry } = checked;
  const applications = registry.applicationCount;
  const { stateVersion } = registry;
  if (output.isForPeople) {
    const rows = [...rowsOf(checked), ["applications", String(applications)]];
    output.line(renderTable([{ head: "SNAPSHOT" }, { head: file }], rows).trimEnd());
    output.line(`${output.style("green", "well:")} every checksum is right, and so is the state`);
  } else {
    output.document("Snapshot", { file, ...backupFields(checked), applications, stateVersion });
  }
  return CLI_EXIT.ok;
}

/** Checks all of it, and says meanwhile how far it is. */
export async function readSnapshot({ output }: Context, file: string): Promise<Checked> {
  const progress = new Progress(output);
  const size = await stat(file).then(
    ({ size: bytes }) => bytes,
    () => null,
  );
  try {
    return await checkBackupFile(file, (bytes) => progress.bytes(`reading ${file}`, bytes, size));
  } finally {
    progress.done();
  }
}

function rowsOf({ header, end, fileBytes }: Checked): string[][] {
  const taken = new Date(header.takenAtMs).toISOString();
  const members = header.members.map(({ name, address, membership }) => {
    const where = address === null ? name : `${name} (${address})`;
    return membership === "voter" ? where : `${where}, a learner`;
  });
  const agreed = header.agreedIndex === 0 ? "not yet" : `up to index ${header.agreedIndex}`;
  return [
    ["taken", `${taken} by ${header.node}, Rollcall ${header.version}`],
    ["age then", ageText(header.ageMs)],
    ["cluster", `${header.clusterId}, epoch ${header.epoch}`],
    ["members then", members.join(", ")],
    ["index", `${header.index} in term ${header.term}`],
    ["revision", String(header.revision)],
    ["digest", header.digest],
    ["a majority agreed", agreed],
    ["size", `${bytesText(fileBytes)}, ${counted(end.chunks, "chunk")}`],
    ["sha256", end.sha256],
    ["instances", String(header.instances)],
    ["sessions", String(header.sessions)],
  ];
}
