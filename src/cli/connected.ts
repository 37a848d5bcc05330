import { type ConnectOptions, connect, type RollcallClient } from "../client/index.ts";
import type { Context } from "./context.ts";
import { formatDuration } from "./duration.ts";
import { CLI_EXIT } from "./exit-codes.ts";
import { Failure } from "./failure.ts";

export interface ConnectedOptions {
  readonly ttlMs?: number;
  readonly graceMs?: number;
}

/** A client that a node has welcomed, and what is left of the command's time. */
export interface Connected {
  readonly client: RollcallClient;
  /** At least 1. */
  timeLeftMs(): number;
}

/** Runs `work` with a connected client, and says bye at its end, however it ends. */
export async function withClient<T>(
  context: Context,
  options: ConnectedOptions,
  work: (connected: Connected) => Promise<T>,
): Promise<T> {
  const { servers, namespace, timeoutMs } = context;
  const beganMs = performance.now();
  const timeLeftMs = (): number =>
    Math.max(1, Math.ceil(timeoutMs - (performance.now() - beganMs)));
  const client = await connect({
    servers,
    namespace,
    name: "rollcall-cli",
    logger: loggerOf(context),
    ...options,
  });
  try {
    await ready(client, context);
    return await work({ client, timeLeftMs });
  } finally {
    await client.close();
  }
}

async function ready(client: RollcallClient, { servers, timeoutMs }: Context): Promise<void> {
  try {
    await client.ready({ timeoutMs });
  } catch (error) {
    const last = error instanceof Error ? error.cause : undefined;
    const none = servers.length === 1 ? "no node" : `none of ${servers.length} servers`;
    const why = last instanceof Error ? last.message : `no answer yet from ${servers.join(", ")}`;
    throw new Failure("UNAVAILABLE", `${none} reached in ${formatDuration(timeoutMs)}: ${why}`, {
      exitCode: CLI_EXIT.unavailable,
      isRetryable: true,
      hint: isRefused(last)
        ? "'rollcall dev' starts a cluster here; --server (ROLLCALL_SERVER) names another"
        : "--server (ROLLCALL_SERVER) names others, --timeout waits longer",
      details: { definite: true, tried: servers },
      cause: error,
    });
  }
}

/** Nothing listens there. */
function isRefused(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && "code" in cause && cause.code === "ECONNREFUSED";
}

/** What the SDK does behind the scenes is of interest to those who ask for it. */
function loggerOf({ output }: Context): NonNullable<ConnectOptions["logger"]> {
  const silent = (): void => {};
  const say = (fields: object, message: string): void => {
    if (output.isVerbose) {
      output.note(`sdk: ${message} ${JSON.stringify(fields)}`);
    }
  };
  return { debug: silent, info: say, warn: say, error: say };
}
