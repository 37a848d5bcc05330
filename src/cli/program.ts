import { Command, CommanderError } from "commander";
import { Invocation } from "./command.ts";
import { addGlobalFlags, roughOutput } from "./context.ts";
import { CLI_EXIT } from "./exit-codes.ts";
import { toFailure } from "./failure.ts";
import { formatHelp, setExamples } from "./help.ts";
import type { World } from "./world.ts";

interface Entry {
  readonly name: string;
  readonly summary: string;
  /** Its module is loaded when it is asked for: `get` need not wait for the storage engine. */
  readonly define: (command: Command, invocation: Invocation) => Promise<void>;
}

const COMMANDS: readonly Entry[] = [
  {
    name: "dev",
    summary: "Run a durable cluster on this machine.",
    define: async (...at) => (await import("./dev.ts")).defineDev(...at),
  },
  {
    name: "start",
    summary: "Run one node of a cluster in this process.",
    define: async (...at) => (await import("./start.ts")).defineStart(...at),
  },
  {
    name: "status",
    summary: "Show the members of the cluster, who leads, and how far each one is.",
    define: async (...at) => (await import("./status.ts")).defineStatus(...at),
  },
  {
    name: "doctor",
    summary: "Say why there is no leader, and what else is wrong with nodes or data directories.",
    define: async (...at) => (await import("./doctor.ts")).defineDoctor(...at),
  },
  {
    name: "member",
    summary: "List the members of the cluster, change them, and hand over the leadership.",
    define: async (...at) => (await import("./member.ts")).defineMember(...at),
  },
  {
    name: "snapshot",
    summary: "Save the state of the cluster to a file, check such a file, start anew from one.",
    define: async (...at) => (await import("./snapshot.ts")).defineSnapshot(...at),
  },
  {
    name: "recover",
    summary: "Go on with what is left of a cluster that has lost the majority of its members.",
    define: async (...at) => (await import("./recover.ts")).defineRecover(...at),
  },
  {
    name: "discard-state",
    summary: "Have a node that is stopped take the state of the others at its next start.",
    define: async (...at) => (await import("./discard-state.ts")).defineDiscardState(...at),
  },
  {
    name: "sessions",
    summary: "List the sessions that the registry keeps, and what they own.",
    define: async (...at) => (await import("./sessions.ts")).defineSessions(...at),
  },
  {
    name: "register",
    summary: "Register an instance, and keep it while this command or its child runs.",
    define: async (...at) => (await import("./register.ts")).defineRegister(...at),
  },
  {
    name: "deregister",
    summary: "Remove an instance, whoever registered it.",
    define: async (...at) => (await import("./deregister.ts")).defineDeregister(...at),
  },
  {
    name: "get",
    summary: "List the instances of an application.",
    define: async (...at) => (await import("./get.ts")).defineGet(...at),
  },
  {
    name: "watch",
    summary: "Print the instances of an application, and every change as it comes.",
    define: async (...at) => (await import("./watch.ts")).defineWatch(...at),
  },
  {
    name: "chaos",
    summary: "Disturb a cluster on this machine, and judge whether it keeps its promises.",
    define: async (...at) => (await import("./chaos.ts")).defineChaos(...at),
  },
  {
    name: "version",
    summary: "Print the version of this program.",
    define: async (...at) => (await import("./version.ts")).defineVersion(...at),
  },
];

export const COMMAND_NAMES: readonly string[] = COMMANDS.map(({ name }) => name);

const PROGRAM_EXAMPLES = [
  { line: "rollcall dev", doc: "a cluster of three nodes on this machine" },
  { line: "rollcall status", doc: "its members, and who leads" },
  { line: "rollcall register web 127.0.0.1:8080", doc: "until Ctrl-C" },
  { line: "rollcall watch web", doc: "see instances come and go" },
];

/** Never rejects: whatever goes wrong is told on stderr and in the exit code. */
export async function run(world: World): Promise<number> {
  const { args, exec } = splitExec(world.args);
  const invocation = new Invocation(world, exec);
  try {
    await createProgram(invocation).parseAsync(withoutAliases(args), { from: "user" });
    return invocation.exitCode;
  } catch (thrown) {
    if (thrown instanceof CommanderError && isHelp(thrown)) {
      return thrown.exitCode === 0 ? CLI_EXIT.ok : CLI_EXIT.usage;
    }
    const failure = toFailure(thrown, invocation.command);
    (invocation.output ?? roughOutput(world)).failure(failure);
    return failure.exitCode;
  }
}

function createProgram(invocation: Invocation): Command {
  const { world } = invocation;
  const program = new Command("rollcall")
    .description("A strongly consistent service registry.")
    .exitOverride()
    .configureHelp({ formatHelp, showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => world.stdout.write(text),
      writeErr: (text) => world.stderr.write(text),
      outputError: () => {},
    })
    .helpCommand(false)
    .helpOption("-h, --help", "Print this")
    .hook("preSubcommand", async (_, subcommand) => {
      invocation.command = subcommand.name();
      subcommand.hook("preSubcommand", (group, nested) => {
        invocation.command = `${group.name()} ${nested.name()}`;
      });
      await COMMANDS.find(({ name }) => name === subcommand.name())?.define(subcommand, invocation);
    });
  setExamples(program, PROGRAM_EXAMPLES);
  addGlobalFlags(program, world.env);
  for (const { name, summary } of COMMANDS) {
    program.command(name).description(summary);
  }
  return program;
}

/** All that follows `--exec` belongs to that command, flags of the same name included. */
function splitExec(args: readonly string[]): {
  readonly args: readonly string[];
  readonly exec: readonly string[] | null;
} {
  const register = args.indexOf("register");
  const at = args.indexOf("--exec", register);
  return register < 0 || at < 0
    ? { args, exec: null }
    : { args: args.slice(0, at), exec: args.slice(at + 1) };
}

/** `help CMD`, `--version`: what people type first. */
function withoutAliases(args: readonly string[]): readonly string[] {
  const [first, ...rest] = args;
  if (first === "help") {
    return [...rest, "--help"];
  }
  return first === "--version" || first === "-V" ? ["version", ...rest] : args;
}

function isHelp({ code }: CommanderError): boolean {
  return code === "commander.helpDisplayed" || code === "commander.help";
}
