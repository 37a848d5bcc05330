import { resolve } from "node:path";
import type { Command } from "commander";
import { NODE_OPTIONS } from "../server/config.ts";
import { discardState } from "../server/discard-state.ts";
import { defineCommand, flag, type Invocation } from "./command.ts";
import type { Context } from "./context.ts";
import { CLI_EXIT } from "./exit-codes.ts";
import { usageFailure } from "./failure.ts";

interface DiscardStateFlags {
  readonly id?: string;
  readonly data?: string;
}

export function defineDiscardState(command: Command, invocation: Invocation): void {
  const { id, dataDir } = NODE_OPTIONS;
  defineCommand<DiscardStateFlags>(command, invocation, {
    examples: [
      {
        line: "rollcall discard-state --id n2 --data /var/lib/rollcall",
        doc: "n1 and n2 differ, and n1 is right; n2 is stopped, and is started again afterwards",
      },
    ],
    flags: [
      flag<string>({ flags: "--id <name>", doc: "Name of the node", env: id.env }),
      flag<string>({ flags: "--data <dir>", doc: "Its data directory", env: dataDir.env }),
    ],
    work: discard,
  });
}

async function discard(
  { output, world }: Context,
  _args: readonly string[],
  { id, data }: DiscardStateFlags,
): Promise<number> {
  if (id === undefined || data === undefined) {
    throw usageFailure("which node is meant is said by --id and --data, both");
  }
  const dataDir = resolve(world.cwd, data);
  await discardState(dataDir, id);
  if (output.isForPeople) {
    output.line(`${id} takes the state of the other members at its next start`);
    output.note(`what it has is kept in ${dataDir}`);
  } else {
    output.document("StateDiscarded", { node: id, dataDir });
  }
  return CLI_EXIT.ok;
}
