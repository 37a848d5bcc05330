import type { Command } from "commander";
import { defineCommand, flag, type Invocation } from "./command.ts";
import { setExamples } from "./help.ts";
import { inspectSnapshot } from "./snapshot-inspect.ts";
import { type SaveFlags, saveSnapshot } from "./snapshot-save.ts";

const SAVE = {
  line: "rollcall snapshot save /backup/rollcall.snap",
  doc: "from the first server that answers, whoever leads",
};
const INSPECT = {
  line: "rollcall snapshot inspect /backup/rollcall.snap",
  doc: "whether it is whole, and what is in it",
};

export function defineSnapshot(command: Command, invocation: Invocation): void {
  command.helpCommand(false);
  setExamples(command, [SAVE, INSPECT]);
  defineSave(command.command("save"), invocation);
  defineInspect(command.command("inspect"), invocation);
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
      flag<boolean>({
        flags: "--dry-run",
        doc: "Only say what would be done",
        env: "ROLLCALL_DRY_RUN",
      }),
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
