import type { Command } from "commander";
import type { RegisterInput, RollcallClient } from "../client/index.ts";
import { GRACE_MS_DEFAULT, TTL_MS_DEFAULT, TTL_MS_MAX, TTL_MS_MIN, WEIGHT_MAX } from "../limits.ts";
import { deferred } from "../util/deferred.ts";
import { checkAddr } from "./addr.ts";
import { defineCommand, flag, type Invocation } from "./command.ts";
import { type Connected, withClient } from "./connected.ts";
import type { Context } from "./context.ts";
import { runChild } from "./exec-child.ts";
import { CLI_EXIT } from "./exit-codes.ts";
import { Failure, usageFailure } from "./failure.ts";
import { commaPairs, durationIn, integerIn, type Pairs, pair } from "./flags.ts";
import { tellConnection } from "./status-notes.ts";

interface RegisterFlags {
  readonly protocol: string;
  readonly meta?: Pairs;
  readonly weight?: number;
  readonly version?: string;
  readonly region?: string;
  readonly zone?: string;
  readonly campus?: string;
  readonly ttl: number;
  readonly grace?: number;
  readonly persistent?: boolean;
}

const CONTENT_FLAGS = [
  flag<string>({
    flags: "--protocol <name>",
    doc: "What is spoken there",
    env: "ROLLCALL_PROTOCOL",
    fallback: "http",
    fallbackText: "http",
  }),
  flag<Pairs>({
    flags: "--meta <key=value>",
    doc: "A pair of its metadata; may be given again",
    env: "ROLLCALL_META",
    parse: pair,
    parseEnv: commaPairs,
  }),
  flag({
    flags: "--weight <number>",
    doc: `Share of the load, 0 to ${WEIGHT_MAX} (default: 100)`,
    env: "ROLLCALL_WEIGHT",
    parse: integerIn(0, WEIGHT_MAX),
  }),
  // ROLLCALL_VERSION is what a container image calls the version of Rollcall itself.
  flag<string>({
    flags: "--version <text>",
    doc: "Version of what runs there",
    env: "ROLLCALL_INSTANCE_VERSION",
  }),
  flag<string>({ flags: "--region <name>", doc: "Where it is", env: "ROLLCALL_REGION" }),
  flag<string>({ flags: "--zone <name>", doc: "Where it is", env: "ROLLCALL_ZONE" }),
  flag<string>({ flags: "--campus <name>", doc: "Where it is", env: "ROLLCALL_CAMPUS" }),
];

const LIFE_FLAGS = [
  flag({
    flags: "--ttl <time>",
    doc: "Silence after which it is removed",
    env: "ROLLCALL_TTL",
    parse: durationIn(TTL_MS_MIN, TTL_MS_MAX),
    fallback: TTL_MS_DEFAULT,
    fallbackText: `${TTL_MS_DEFAULT / 1000}s`,
  }),
  flag({
    flags: "--grace <time>",
    doc: `The same once the connection broke (default: ${GRACE_MS_DEFAULT / 1000}s)`,
    env: "ROLLCALL_GRACE",
    parse: durationIn(0, TTL_MS_MAX),
  }),
  flag<boolean>({
    flags: "--persistent",
    doc: "Return at once; it stays until it is deregistered",
    env: "ROLLCALL_PERSISTENT",
  }),
  flag<readonly string[]>({
    flags: "--exec <cmd...>",
    doc: "Run this, and keep the instance while it runs; takes all that follows",
    env: null,
  }),
];

export function defineRegister(command: Command, invocation: Invocation): void {
  defineCommand<RegisterFlags>(command, invocation, {
    examples: [
      { line: "rollcall register web 127.0.0.1:8080", doc: "until Ctrl-C" },
      {
        line: "rollcall register web 10.0.0.5:8080 --meta idc=shanghai --weight 50",
        doc: "with more to choose it by",
      },
      {
        line: "rollcall register web 10.0.0.5:8080 --exec node server.js",
        doc: "while the server runs; its exit code is passed on",
      },
      {
        line: "rollcall register db 10.0.0.9:5432 --protocol pg --persistent",
        doc: "on behalf of something that holds no session",
      },
    ],
    args: [
      ["<app>", "Application"],
      ["<addr>", "host:port where it is reached"],
    ],
    flags: [...CONTENT_FLAGS, ...LIFE_FLAGS],
    work: registerInstance,
  });
}

async function registerInstance(
  context: Context,
  [application = "", addr = ""]: readonly string[],
  flags: RegisterFlags,
): Promise<number> {
  const { exec } = context;
  checkTogether(exec, flags);
  checkAddr(addr);
  const instance = inputOf(context, application, addr, flags);
  const { ttl, grace } = flags;
  const times = { ttlMs: ttl, ...(grace !== undefined && { graceMs: grace }) };
  return withClient(context, times, async (connected) => {
    const { client, timeLeftMs } = connected;
    const registration = await client.provider.register(instance, { timeoutMs: timeLeftMs() });
    const { state } = registration;
    tell(context, instance, client, state.tag === "registered" ? state.revision : null);
    if (flags.persistent === true) {
      return CLI_EXIT.ok;
    }
    return exec === null ? hold(context, connected) : whileChildRuns(context, connected, exec);
  });
}

function checkTogether(exec: readonly string[] | null, { persistent }: RegisterFlags): void {
  if (exec !== null && persistent === true) {
    throw usageFailure("--exec and --persistent exclude each other");
  }
  if (exec !== null && exec.length === 0) {
    throw usageFailure("--exec needs a command", "put it last: --exec node server.js");
  }
}

function inputOf(
  { namespace }: Context,
  application: string,
  addr: string,
  flags: RegisterFlags,
): RegisterInput {
  const { protocol, meta, weight, version, region, zone, campus, persistent } = flags;
  const location = {
    ...(region !== undefined && { region }),
    ...(zone !== undefined && { zone }),
    ...(campus !== undefined && { campus }),
  };
  return {
    namespace,
    application,
    protocol,
    addr,
    ...(meta !== undefined && { meta }),
    ...(weight !== undefined && { weight }),
    ...(version !== undefined && { version }),
    ...(Object.keys(location).length > 0 && { location }),
    ...(persistent === true && { persistent }),
  };
}

/** A child has stdout to itself. */
function tell(
  { output, exec }: Context,
  instance: RegisterInput,
  client: RollcallClient,
  revision: number | null,
): void {
  const isPersistent = instance.persistent === true;
  const { session: view } = client.state;
  const session = !isPersistent && "id" in view ? view.id : null;
  if (output.isForPeople || exec !== null) {
    const what = `registered ${instance.application} (${instance.protocol}) at ${addrOf(instance)}`;
    const rest = isPersistent
      ? "it stays until it is deregistered"
      : `session ${session}${exec === null ? "; Ctrl-C removes it" : ""}`;
    if (exec === null) {
      output.line(`${what}; ${rest}`);
    } else {
      output.note(`${what}; ${rest}`);
    }
    return;
  }
  output.document("Registration", { revision, session, instance });
}

function addrOf(instance: RegisterInput): string {
  return "addr" in instance ? instance.addr : `${instance.host}:${instance.port}`;
}

/** Until a signal comes, or another process takes the address. */
async function hold({ world, output }: Context, { client }: Connected): Promise<number> {
  const end = deferred<number>();
  const offs = [
    world.signals.on("SIGINT", () => end.resolve(CLI_EXIT.interrupted)),
    world.signals.on("SIGTERM", () => end.resolve(CLI_EXIT.ok)),
    world.signals.on("SIGHUP", () => end.resolve(CLI_EXIT.ok)),
  ];
  tellConnection(client, output, (status) => {
    if (status.type === "superseded") {
      end.reject(supersededFailure(status.key.addr));
    }
  });
  try {
    return await end.promise;
  } finally {
    for (const off of offs) {
      off();
    }
  }
}

function supersededFailure(addr: string): Failure {
  return new Failure("TAKEN_OVER", `${addr} belongs to a newer session now`, {
    exitCode: CLI_EXIT.conflict,
    hint: "another process registered this address later, and keeps it",
  });
}

async function whileChildRuns(
  { world, output }: Context,
  { client }: Connected,
  exec: readonly string[],
): Promise<number> {
  tellConnection(client, output);
  return runChild(world, exec);
}
