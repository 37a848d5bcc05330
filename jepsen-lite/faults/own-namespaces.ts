import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { command } from "./command.ts";
import { DYING_WITH_PARENT } from "./dying-with.ts";

const MARK = "ROLLCALL_OWN_NAMESPACES";
const NETWORK_MARK = "ROLLCALL_OWN_NETWORK";
/** Whoever waits outside, what waits there for the inside, and the inside end in this order. */
const ENTER = [
  ...DYING_WITH_PARENT,
  // With a `/proc` that names processes by the numbers that they have inside.
  ...["unshare", "--mount", "--propagation", "private", "--mount-proc"],
  ...["--pid", "--fork", "--kill-child"],
];

/** Whether this process is what `inOwnNamespaces` has started. */
export function isInOwnNamespaces(): boolean {
  return process.env[MARK] === "yes";
}

/** Whether that has a network of its own as well. */
export function isInOwnNetwork(): boolean {
  return process.env[NETWORK_MARK] === "yes";
}

/** Null where `inOwnNamespaces` can be called. */
export async function missingForNamespaces(): Promise<string | null> {
  const [file = "", ...args] = ENTER;
  const nothing = [process.execPath, "-e", ""];
  const refusal = await command(file, ...args, ...nothing).catch(({ message }: Error) => message);
  return refusal === "" ? null : `a mount and a process namespace (${refusal})`;
}

export interface Entering {
  /** Called with a process outside that has what is mounted inside. */
  readonly onEntered?: (pid: number) => void;
  /** What it is left to end by itself when this one is told to stop, in milliseconds; 0. */
  readonly stopMs?: number;
  /** With a network of its own, in which nothing is up yet; without. */
  readonly hasNetwork?: boolean;
}

/**
 * Runs this program once more, with its own arguments, as the first process of its own namespaces,
 * and resolves with its exit code; null where a signal has ended it. However either of the two ends,
 * the kernel ends whatever it has started, and takes back what it has mounted, with the loop devices
 * behind it: nobody has to be left who cleans up.
 */
export function inOwnNamespaces(
  env: Readonly<Record<string, string>>,
  { onEntered = () => {}, stopMs = 0, hasNetwork = false }: Entering = {},
): Promise<number | null> {
  const network = hasNetwork ? ["--net"] : [];
  const program = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const [file = "", ...args] = [...ENTER, ...network, ...program];
  const marks = { [MARK]: "yes", [NETWORK_MARK]: hasNetwork ? "yes" : "no" };
  const child = spawn(file, args, { stdio: "inherit", env: { ...process.env, ...env, ...marks } });
  let isTold = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (isTold || stopMs === 0) child.kill("SIGKILL");
      else void tell(child, signal);
      isTold = true;
      setTimeout(() => child.kill("SIGKILL"), stopMs).unref();
    });
  }
  if (child.pid !== undefined) onEntered(child.pid);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
}

/** The one inside; whoever waits for it passes nothing on. */
async function tell(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const children = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, "utf8");
  for (const pid of children.split(" ").filter((text) => text !== "")) {
    process.kill(Number(pid), signal);
  }
}
