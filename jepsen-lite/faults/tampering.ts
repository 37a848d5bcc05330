import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { missingCommand } from "./command.ts";

/** Null where `Strace` can be attached to a process that runs, and can fail its calls. */
export async function missingForStrace(): Promise<string | null> {
  const inject = ["-f", "-qq", "-e", "inject=uname:error=EIO"];
  const missing = await missingCommand("strace", ...inject, "true");
  if (missing !== null) return missing;
  const running = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  const { pid } = running;
  if (pid === undefined) return "a process to attach to";
  try {
    const how = { calls: ["fdatasync"], how: "error=EIO", paths: null };
    await (await Strace.attach(pid, how, "/dev/null")).detach();
    return null;
  } catch (error) {
    return (error as Error).message;
  } finally {
    running.kill("SIGKILL");
  }
}

/** System calls that do something else than what they should. */
export interface Tampering {
  readonly calls: readonly string[];
  /** In the words of `strace -e inject=`: `error=EIO:when=3`, `delay_enter=5ms`. */
  readonly how: string;
  /** Only where they are about one of these files; all of them, where it is null. */
  readonly paths: readonly string[] | null;
  /** What else is written down. */
  readonly watched?: readonly string[];
}

/** A running process whose system calls are tampered with as long as this is attached to it. */
export class Strace {
  readonly #process: ChildProcess;
  readonly #logPath: string;
  readonly #closed: Promise<void>;

  private constructor(child: ChildProcess, logPath: string, closed: Promise<void>) {
    this.#process = child;
    this.#logPath = logPath;
    this.#closed = closed;
  }

  /** To all of its threads; what it sees is written to `logPath`. */
  static async attach(pid: number, tampering: Tampering, logPath: string): Promise<Strace> {
    const args = [...argsOf(tampering, logPath), "-p", String(pid)];
    const child = spawn("strace", args, { stdio: ["ignore", "ignore", "pipe"] });
    const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
    const said: string[] = [];
    const attached = new Promise<void>((resolve) => {
      createInterface(child.stderr).on("line", (line) => {
        said.push(line);
        if (line.includes("attached")) resolve();
      });
    });
    const isOver = await Promise.race([attached.then(() => false), closed.then(() => true)]);
    if (isOver) throw new Error(`strace: ${said.join("; ")}`);
    return new Strace(child, logPath, closed);
  }

  /** Resolves with what it has seen when the process is left to itself, or is gone. */
  async detach(): Promise<readonly string[]> {
    this.#process.kill("SIGINT");
    await this.#closed;
    return readSeen(this.#logPath);
  }
}

/** A command whose system calls are tampered with from the first one on. */
export function underStrace(
  tampering: Tampering,
  logPath: string,
  argv: readonly string[],
): readonly string[] {
  // As a grandchild of it, so that the command itself is what was started, and what is killed.
  return ["strace", "-D", ...argsOf(tampering, logPath), ...argv];
}

export async function readSeen(logPath: string): Promise<readonly string[]> {
  return (await readFile(logPath, "utf8")).split("\n");
}

function argsOf({ calls, how, paths, watched = [] }: Tampering, logPath: string): string[] {
  const args = ["-f", "-o", logPath, "-e", `trace=${[...calls, ...watched].join()}`];
  args.push("-e", `inject=${calls.join()}:${how}`);
  for (const path of paths ?? []) args.push("-P", path);
  return args;
}
