import type { Command } from "commander";
import type { Read } from "../client/index.ts";
import { ageText } from "./age.ts";
import { defineCommand, flag, type Invocation } from "./command.ts";
import { withClient } from "./connected.ts";
import type { Context } from "./context.ts";
import { CLI_EXIT } from "./exit-codes.ts";
import { usageFailure } from "./failure.ts";
import { oneOf } from "./flags.ts";
import { instanceTable } from "./instance-table.ts";
import {
  describeSelector,
  SELECTOR_FLAGS,
  type SelectorFlags,
  selectorOf,
} from "./selector-flags.ts";

interface GetFlags extends SelectorFlags {
  readonly read: "linearizable" | "stale";
  readonly format?: "hostport";
}

export function defineGet(command: Command, invocation: Invocation): void {
  defineCommand<GetFlags>(command, invocation, {
    examples: [
      { line: "rollcall get web", doc: "all of it, as the registry has it now" },
      { line: "rollcall get web --meta idc=shanghai", doc: "some of it" },
      { line: "rollcall get web --format hostport", doc: "usable ones, a host:port a line" },
      { line: "rollcall get web --read stale", doc: "without a leader too" },
    ],
    args: [["<app>", "Application"]],
    flags: [
      ...SELECTOR_FLAGS,
      flag({
        flags: "--read <how>",
        doc: "linearizable, or stale: the copy of the node that answers, with its age",
        env: "ROLLCALL_READ",
        parse: oneOf(["linearizable", "stale"]),
        fallback: "linearizable",
        fallbackText: "linearizable",
      }),
      flag({
        flags: "--format <form>",
        doc: "hostport: only instances that are up, nothing but their addresses",
        env: null,
        parse: oneOf(["hostport"]),
      }),
    ],
    work: getInstances,
  });
}

async function getInstances(
  context: Context,
  [application = ""]: readonly string[],
  flags: GetFlags,
): Promise<number> {
  const { output } = context;
  if (flags.format !== undefined && !output.isForPeople) {
    throw usageFailure(`--format ${flags.format} and -o ${output.format} exclude each other`);
  }
  const selector = selectorOf(context, application, flags);
  const read: Read = flags.read === "stale" ? { staleMs: null } : "linearizable";
  const { instances, revision, ageMs } = await withClient(context, {}, ({ client, timeLeftMs }) =>
    client.consumer.get(selector, { read, timeoutMs: timeLeftMs() }),
  );
  if (flags.format === "hostport") {
    for (const { addr } of instances.filter(({ status }) => status === "up")) {
      output.line(addr);
    }
  } else if (instances.length > 0 || !output.isForPeople) {
    output.list({
      kind: "InstanceList",
      itemKind: "Instance",
      fields: { revision, ageMs, ...selector },
      items: instances,
      ...instanceTable(instances),
    });
  }
  if (instances.length === 0) {
    output.note(`no instances of ${describeSelector(selector)}`);
  }
  if (flags.read === "stale") {
    output.note(`revision ${revision}, ${ageText(ageMs)}`);
  } else if (output.isVerbose) {
    output.note(`revision ${revision}`);
  }
  return CLI_EXIT.ok;
}
