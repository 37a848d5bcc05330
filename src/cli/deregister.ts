import type { Command } from "commander";
import { defineCommand, flag, type Invocation } from "./command.ts";
import { withClient } from "./connected.ts";
import type { Context } from "./context.ts";
import { CLI_EXIT } from "./exit-codes.ts";

interface DeregisterFlags {
  readonly protocol: string;
}

export function defineDeregister(command: Command, invocation: Invocation): void {
  defineCommand<DeregisterFlags>(command, invocation, {
    examples: [
      { line: "rollcall deregister web 10.0.0.5:8080", doc: "exit code 3 where there is none" },
      { line: "rollcall deregister db 10.0.0.9:5432 --protocol pg", doc: "of another protocol" },
    ],
    args: [
      ["<app>", "Application"],
      ["<addr>", "host:port under which it is registered"],
    ],
    flags: [
      flag<string>({
        flags: "--protocol <name>",
        doc: "What is spoken there",
        env: "ROLLCALL_PROTOCOL",
        fallback: "http",
        fallbackText: "http",
      }),
    ],
    work: deregisterInstance,
  });
}

async function deregisterInstance(
  context: Context,
  [application = "", addr = ""]: readonly string[],
  { protocol }: DeregisterFlags,
): Promise<number> {
  const { namespace, output } = context;
  const key = { namespace, application, protocol, addr };
  await withClient(context, {}, ({ client, timeLeftMs }) =>
    client.provider.deregister(key, { timeoutMs: timeLeftMs() }),
  );
  if (output.isForPeople) {
    output.line(`deregistered ${application} (${protocol}) at ${addr}`);
  } else {
    output.document("Deregistration", { key });
  }
  return CLI_EXIT.ok;
}
