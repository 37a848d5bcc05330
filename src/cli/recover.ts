import { resolve } from "node:path";
import type { Command } from "commander";
import type { Examined } from "../server/examine-directory.ts";
import { type Recovered, recoverCluster } from "../server/recover.ts";
import { defineCommand, flag, type Invocation } from "./command.ts";
import type { Context } from "./context.ts";
import { bestOf, hasWholeLog, isUsable, type Voters, votersOf } from "./directory-verdict.ts";
import { DISK_LOW } from "./disk-flags.ts";
import {
  DIRECTORY_COLUMNS,
  directoryItem,
  directoryRow,
  readDirectories,
} from "./doctor-directories.ts";
import { CLI_EXIT } from "./exit-codes.ts";
import { Failure, usageFailure } from "./failure.ts";
import { Progress } from "./progress.ts";
import { renderTable } from "./table.ts";
import { counted } from "./verdict.ts";

interface RecoverFlags {
  readonly data?: readonly string[];
  readonly into?: string;
  readonly id?: string;
  readonly acceptLoss?: boolean;
  readonly diskLow?: number;
  readonly dryRun?: boolean;
}

const LINE = "rollcall recover --data /mnt/n2 --data /mnt/n3";

export function defineRecover(command: Command, invocation: Invocation): void {
  defineCommand<RecoverFlags>(command, invocation, {
    examples: [
      { line: LINE, doc: "what is left, and which of it has the most; nothing is changed" },
      {
        line: `${LINE} --into /var/lib/rollcall-2`,
        doc: "what would be made of it, and what is lost; nothing is changed",
      },
      {
        line: `${LINE} --into /var/lib/rollcall-2 --accept-loss`,
        doc: "make it, and keep the old directories from being started",
      },
    ],
    flags: [
      flag<readonly string[]>({
        flags: "--data <dir>",
        doc: "The directory of a member that is left, its node stopped; again for each",
        env: "ROLLCALL_RECOVER_DATA",
        parse: (text, previous) => [...(previous ?? []), text],
        parseEnv: (text) => text.split(",").filter((part) => part !== ""),
      }),
      flag<string>({
        flags: "--into <dir>",
        doc: "Where the new directory is made: an empty one, or one that is not there",
        env: "ROLLCALL_RECOVER_INTO",
      }),
      flag<string>({
        flags: "--id <name>",
        doc: "Name of the node that it is to be of; else of the one with the most",
        env: "ROLLCALL_RECOVER_ID",
      }),
      flag<boolean>({
        flags: "--accept-loss",
        doc: "Do it: what only the lost members had is given up for good",
        env: "ROLLCALL_RECOVER_ACCEPT_LOSS",
      }),
      DISK_LOW,
      flag<boolean>({
        flags: "--dry-run",
        doc: "Do nothing, whatever else is said",
        env: "ROLLCALL_DRY_RUN",
      }),
    ],
    work: recover,
  });
}

interface Proposal {
  readonly best: Examined;
  readonly voters: Voters;
}

async function recover(
  context: Context,
  _args: readonly string[],
  flags: RecoverFlags,
): Promise<number> {
  const { data = [], into, id, acceptLoss = false, dryRun = false, diskLow } = flags;
  if (data.length === 0) {
    throw usageFailure("--data names what is left of the members, once for each directory");
  }
  if (acceptLoss && into === undefined) {
    throw usageFailure("--into says where the new directory is made");
  }
  const { output, world } = context;
  const examined = await readDirectories(context, data);
  if (output.isForPeople) {
    output.line(renderTable(DIRECTORY_COLUMNS, examined.map(directoryRow)));
  }
  const proposal = propose(examined);
  if (output.isForPeople) {
    for (const line of proposalLines(proposal)) {
      output.line(line);
    }
  }
  const items = examined.map(directoryItem);
  const proposed = fieldsOf(proposal);
  if (into === undefined) {
    if (output.isForPeople) {
      output.note("--into DIR shows what would be made of it");
    } else {
      output.document("RecoveryProposal", { ...proposed, items });
    }
    return CLI_EXIT.ok;
  }
  const isDry = dryRun || !acceptLoss;
  const place = resolve(world.cwd, into);
  const name = id ?? proposal.best.identity?.name ?? "";
  const progress = new Progress(output);
  const recovered = await recoverCluster({
    ...{ from: proposal.best.path, into: place, id: name, isDry },
    diskLowBytes: diskLow ?? null,
    survivors: examined.flatMap(({ path, birth }) => (birth === null ? [] : [path])),
    onRead: (part, bytes, of) => progress.bytes(`${part} ${proposal.best.path}`, bytes, of),
    onWritten: (bytes) => progress.bytes(`writing ${place}`, bytes),
  }).finally(() => progress.done());
  if (output.isForPeople) {
    tell(context, recovered, { isDry, place, name, isAccepted: acceptLoss });
  } else {
    const kind = isDry ? "RecoveryDryRun" : "ClusterRecovered";
    const { incarnation, ...made } = recovered;
    output.document(kind, {
      ...proposed,
      into: place,
      node: name,
      id: incarnation,
      ...made,
      items,
    });
  }
  return CLI_EXIT.ok;
}

/** What has the most, where a cluster can be made of it and has to be. */
function propose(examined: readonly Examined[]): Proposal {
  const running = examined.filter(({ state }) => state === "running");
  if (running.length > 0) {
    throw conflict(
      `a node runs on ${running.map(({ path }) => path).join(" and ")}`,
      "stop the nodes whose directories are given: what they write meanwhile would be missing",
    );
  }
  const lineages = new Set(
    examined.flatMap(({ birth }) => (birth === null ? [] : [`${birth.clusterId}.${birth.epoch}`])),
  );
  if (lineages.size > 1) {
    throw conflict(
      `these directories belong to different clusters: ${[...lineages].join(", ")}`,
      "give those of one cluster; of one that was recovered, those of its last epoch",
    );
  }
  const [best] = bestOf(examined, hasWholeLog);
  if (best === undefined) {
    throw new Failure("FAILURE", "none of these directories can be gone on from", {
      exitCode: CLI_EXIT.failure,
      hint: "'rollcall doctor --data DIR' says of each what is wrong; 'rollcall snapshot restore' starts anew from a backup",
    });
  }
  const voters = votersOf(examined.filter(isUsable), best);
  if (voters.areQuorum) {
    throw conflict(
      `${voters.here} of ${counted(voters.known.length, "voter")} are here and whole, a majority: nothing is lost`,
      "start them, each as the node that it was ('rollcall start'); then replace the others ('rollcall member replace OLD NEW')",
    );
  }
  return { best, voters };
}

function conflict(message: string, hint: string): Failure {
  return new Failure("CONFLICT", message, { exitCode: CLI_EXIT.conflict, hint });
}

function fieldsOf({ best, voters }: Proposal): Readonly<Record<string, unknown>> {
  const { birth, log, path } = best;
  return {
    best: path,
    from: birth === null ? null : `${birth.clusterId}.${birth.epoch}`,
    ...{ lastIndex: log?.lastIndex ?? null, lastTerm: log?.lastTerm ?? null },
    ...{ votersHere: voters.here, voters: voters.known.length, missing: voters.missing },
  };
}

function proposalLines({ best, voters }: Proposal): readonly string[] {
  const { path, identity, log } = best;
  const { here, known, wanted, missing } = voters;
  return [
    `best: ${path} (${identity?.name}), up to entry ${log?.lastIndex} of term ${log?.lastTerm}`,
    `lost: ${here} of ${counted(known.length, "voter")} ${here === 1 ? "is" : "are"} here and whole, ${wanted}; not here: ${missing.join(", ")}`,
    "  What was acknowledged and is behind that entry was on the disks of those alone, and is gone.",
    `  Can one of ${missing.join(", ")} be had back? Then start it in place of this: nothing is lost.`,
  ];
}

interface Telling {
  readonly isDry: boolean;
  readonly isAccepted: boolean;
  readonly place: string;
  readonly name: string;
}

function tell({ output }: Context, recovered: Recovered, telling: Telling): void {
  const { isDry, isAccepted, place, name } = telling;
  const { lineage, revision, instances, sessions, unmarked } = recovered;
  const made = isDry ? "would make" : "made";
  const cluster = isDry ? `${clusterIdOf(lineage)} in a later epoch` : lineage;
  output.line(`${made} ${place}: node ${name}, the only member of cluster ${cluster}`);
  output.line(`  ${counted(instances, "instance")}, ${counted(sessions, "session")}`);
  output.line(`  revision ${revision}: clients are told that it is another lineage`);
  if (isDry) {
    output.line("nothing was made");
    if (!isAccepted) {
      output.note("--accept-loss makes it");
    }
    return;
  }
  for (const path of unmarked) {
    output.warn(`${path} cannot be written to: see to it that no node is started on it`);
  }
  output.note(`next: rollcall start --id ${name} --data ${place} --listen HOST:PORT …`);
  output.note("the others join it: rollcall start --join HOST:PORT, each with an empty directory");
}

/** The epoch is drawn when it is made. */
function clusterIdOf(lineage: string): string {
  return lineage.slice(0, lineage.indexOf("."));
}
