import type { Command } from "commander";
import { checkAddr } from "./addr.ts";
import { defineCommand, flag, type Invocation } from "./command.ts";
import { withClient } from "./connected.ts";
import type { Context } from "./context.ts";
import { CLI_EXIT } from "./exit-codes.ts";
import { Failure } from "./failure.ts";

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
  checkAddr(addr);
  const key = { namespace, application, protocol, addr };
  await withClient(context, {}, async ({ client, timeLeftMs }) => {
    // To deregister what is not there is no error of the registry's, so that a retry is harmless;
    // a person who mistypes wants to know.
    const selector = { namespace, application, protocol };
    const { instances } = await client.consumer.get(selector, { timeoutMs: timeLeftMs() });
    if (!instances.some((instance) => instance.addr === addr)) {
      throw absentFailure(application, protocol, addr);
    }
    await client.provider.deregister(key, { timeoutMs: timeLeftMs() });
  });
  if (output.isForPeople) {
    output.line(`deregistered ${application} (${protocol}) at ${addr}`);
  } else {
    output.document("Deregistration", { key });
  }
  return CLI_EXIT.ok;
}

function absentFailure(application: string, protocol: string, addr: string): Failure {
  return new Failure("NOT_FOUND", `there is no ${application} (${protocol}) at ${addr}`, {
    exitCode: CLI_EXIT.notFound,
    hint: `'rollcall get ${application}' lists what is registered; mind --namespace and --protocol`,
    details: { definite: true },
  });
}
