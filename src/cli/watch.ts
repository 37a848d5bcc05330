import type { Command } from "commander";
import type { Instance, RollcallClient, WatchEvent } from "../client/index.ts";
import { ageText, isOld } from "./age.ts";
import { defineCommand, type Invocation } from "./command.ts";
import { withClient } from "./connected.ts";
import type { Context } from "./context.ts";
import { CLI_EXIT } from "./exit-codes.ts";
import { instanceText } from "./instance-table.ts";
import type { Output } from "./output.ts";
import {
  describeSelector,
  SELECTOR_FLAGS,
  type SelectorFlags,
  selectorOf,
} from "./selector-flags.ts";
import { tellConnection } from "./status-notes.ts";
import { printable } from "./table.ts";

export function defineWatch(command: Command, invocation: Invocation): void {
  defineCommand<SelectorFlags>(command, invocation, {
    examples: [
      { line: "rollcall watch web", doc: "until Ctrl-C" },
      { line: "rollcall watch web --protocol http", doc: "only some of it" },
      { line: "rollcall watch web -o jsonl | jq -c .put", doc: "for programs: one event a line" },
    ],
    args: [["<app>", "Application"]],
    flags: SELECTOR_FLAGS,
    work: watchInstances,
  });
}

async function watchInstances(
  context: Context,
  [application = ""]: readonly string[],
  flags: SelectorFlags,
): Promise<number> {
  const { world, output } = context;
  const selector = selectorOf(context, application, flags);
  const leaving = new AbortController();
  let exitCode: number = CLI_EXIT.ok;
  const offSignal = world.signals.on("SIGINT", () => {
    exitCode = CLI_EXIT.interrupted;
    leaving.abort();
  });
  world.stdout.onGone(() => leaving.abort());
  try {
    await withClient(context, {}, async ({ client }) => {
      output.note(`watching ${describeSelector(selector)}; Ctrl-C ends it`);
      tellConnection(client, output);
      await printEvents(client, selector, output, leaving.signal);
    });
  } catch (error) {
    if (!leaving.signal.aborted) {
      throw error;
    }
  } finally {
    offSignal();
  }
  return exitCode;
}

async function printEvents(
  client: RollcallClient,
  selector: ReturnType<typeof selectorOf>,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  for await (const event of client.consumer.watch(selector, { signal })) {
    if (output.isForPeople) {
      printForPeople(event, output);
    } else {
      output.document("WatchEvent", eventFields(event));
    }
  }
}

/** `instances` of a snapshot is all that there is; `put` and `remove` are what has changed. */
export function eventFields(event: WatchEvent): Readonly<Record<string, unknown>> {
  const { type, revision, put, remove } = event;
  if (event.type === "snapshot") {
    const { instances, reset = false, lineageChanged = false, ageMs = null } = event;
    return { type, revision, reset, lineageChanged, ageMs, instances, put, remove };
  }
  return { type, revision, collapsed: event.collapsed ?? null, put, remove };
}

function printForPeople(event: WatchEvent, output: Output): void {
  const { revision, put, remove } = event;
  const time = new Date().toTimeString().slice(0, 8);
  const say = (mark: string, instance: Instance): void =>
    output.line(`${time}  ${mark} ${printable(instanceText(instance))}`);
  if (event.type === "snapshot") {
    const count = event.instances.length;
    const many = count === 1 ? "1 instance" : `${count} instances`;
    const age = isOld(event.ageMs ?? null) ? `, ${ageText(event.ageMs ?? null)}` : "";
    output.line(`${time}  revision ${revision}: ${many}${age}`);
    if (event.lineageChanged === true) {
      output.line(`${time}  the registry was restored or recovered: this may be older than before`);
    }
    for (const instance of event.instances) {
      say("=", instance);
    }
    return;
  }
  for (const instance of remove) {
    say(output.style("red", "-"), instance);
  }
  for (const instance of put) {
    const isNew = instance.createdRevision === instance.modifiedRevision;
    say(isNew ? output.style("green", "+") : output.style("yellow", "~"), instance);
  }
}
