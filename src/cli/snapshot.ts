import type { Command } from "commander";
import { NODE_OPTIONS } from "../server/config.ts";
import { defineCommand, flag, type Invocation } from "./command.ts";
import { DISK_LOW } from "./disk-flags.ts";
import { setExamples } from "./help.ts";
import { inspectSnapshot } from "./snapshot-inspect.ts";
import { type RestoreFlags, restoreSnapshot } from "./snapshot-restore.ts";
import { type SaveFlags, saveSnapshot } from "./snapshot-save.ts";

const DRY_RUN = flag<boolean>({
  flags: "--dry-run",
  doc: "Check everything, say what would be done, and do nothing",
  env: "ROLLCALL_DRY_RUN",
});

const SAVE = {
  line: "rollcall snapshot save /backup/rollcall.snap",
  doc: "from the first server that answers, whoever leads",
};
const INSPECT = {
  line: "rollcall snapshot inspect /backup/rollcall.snap",
  doc: "whether it is whole, and what is in it",
};

const RESTORE = {
  line: "rollcall snapshot restore /backup/rollcall.snap --id n1 --data /var/lib/rollcall",
  doc: "a new cluster of one node; start it, and have the others join it",
};

export function defineSnapshot(command: Command, invocation: Invocation): void {
  command.helpCommand(false);
  setExamples(command, [SAVE, INSPECT, RESTORE]);
  defineSave(command.command("save"), invocation);
  defineInspect(command.command("inspect"), invocation);
  defineRestore(command.command("restore"), invocation);
}

function defineSave(command: Command, invocation: Invocation): void {
  command.description("Write the state of the cluster, as one of its nodes has it, to a file.");
  defineCommand<SaveFlags>(command, invocation, {
    examples: [
      SAVE,
      {
        line: "rollcall snapshot save -s 10.0.0.2:7420 --linearizable --force /backup/rollcall.snap",
        doc: "with all that was acknowledged before; in the place of the last one",
      },
      {
        line: "rollcall snapshot save --dry-run /backup/rollcall.snap",
        doc: "whether it could be written, and from whom; nothing is",
      },
    ],
    args: [["<file>", "Where to; it is there when it is complete, and not before"]],
    flags: [
      flag<boolean>({
        flags: "--linearizable",
        doc: "Wait until the node has all that was acknowledged by now",
        env: "ROLLCALL_SNAPSHOT_LINEARIZABLE",
      }),
      flag<boolean>({
        flags: "--force",
        doc: "Take the place of a file that is there",
        env: "ROLLCALL_SNAPSHOT_FORCE",
      }),
      DRY_RUN,
    ],
    work: saveSnapshot,
  });
}

function defineInspect(command: Command, invocation: Invocation): void {
  command.description("Read a snapshot to its end, check all of it, and say what is in it.");
  defineCommand(command, invocation, {
    examples: [INSPECT, { line: `${INSPECT.line} -o json`, doc: "for programs" }],
    args: [["<file>", "It is read, and not changed"]],
    work: inspectSnapshot,
  });
}

function defineRestore(command: Command, invocation: Invocation): void {
  const { id, dataDir } = NODE_OPTIONS;
  command.description("Make the data directory of a new cluster with the state of a snapshot.");
  defineCommand<RestoreFlags>(command, invocation, {
    examples: [
      RESTORE,
      {
        line: `${RESTORE.line} --dry-run`,
        doc: "whether it could be done, and what it would make",
      },
      {
        line: `${RESTORE.line} --drop-sessions`,
        doc: "with persistent instances alone: all others have to register again",
      },
    ],
    args: [["<file>", "Of 'rollcall snapshot save'; it is checked before anything is made"]],
    flags: [
      flag<string>({ flags: "--id <name>", doc: "Name of the node", env: id.env }),
      flag<string>({
        flags: "--data <dir>",
        doc: "Its data directory: an empty one, or one that is not there",
        env: dataDir.env,
      }),
      flag<boolean>({
        flags: "--drop-sessions",
        doc: "End all sessions, and remove what they own; else each has its whole TTL to come back",
        env: "ROLLCALL_RESTORE_DROP_SESSIONS",
      }),
      DISK_LOW,
      DRY_RUN,
    ],
    work: restoreSnapshot,
  });
}
