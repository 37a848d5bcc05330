import { spawn } from "node:child_process";
import { constants } from "node:os";
import { deferred } from "../util/deferred.ts";
import { Failure, usageFailure } from "./failure.ts";
import type { SignalName, World } from "./world.ts";

/** As shells have it. */
const CANNOT_EXECUTE = 126;
const NOT_FOUND = 127;
const SIGNAL_BASE = 128;

const FORWARDED: readonly SignalName[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/**
 * Runs the command with this process's own input and output, passes signals on, and resolves with
 * its exit code, 128 + n where signal n ended it. One text with spaces is a line for the shell.
 */
export async function runChild(world: World, exec: readonly string[]): Promise<number> {
  const [file = "", ...args] = exec;
  const isLine = /\s/.test(file);
  if (isLine && args.length > 0) {
    throw usageFailure(
      `--exec takes all that follows, and '${file}' is no program`,
      "put --exec last, and leave the quotes out",
    );
  }
  const child = spawn(file, args, { stdio: "inherit", shell: isLine, cwd: world.cwd });
  const end = deferred<number>();
  child.on("error", (error: NodeJS.ErrnoException) => end.reject(startFailure(file, error)));
  child.on("exit", (code, signal) => end.resolve(code ?? SIGNAL_BASE + numberOf(signal)));
  const offs = FORWARDED.map((name) =>
    world.signals.on(name, () => {
      // A terminal gives its Ctrl-C to every process in the foreground; a second one would tell
      // many servers to give up draining.
      if (name !== "SIGINT" || !world.isInteractive) {
        child.kill(name);
      }
    }),
  );
  try {
    return await end.promise;
  } finally {
    for (const off of offs) {
      off();
    }
  }
}

function startFailure(file: string, error: NodeJS.ErrnoException): Failure {
  const isAbsent = error.code === "ENOENT";
  return new Failure("FAILURE", `--exec: ${file}: ${isAbsent ? "not found" : error.message}`, {
    exitCode: isAbsent ? NOT_FOUND : CANNOT_EXECUTE,
    cause: error,
  });
}

function numberOf(signal: NodeJS.Signals | null): number {
  return signal === null ? 0 : constants.signals[signal];
}
