import { spawn } from "node:child_process";
import { command } from "./command.ts";

const MARK = "ROLLCALL_OWN_NAMESPACES";
/** Whoever waits outside, what waits there for the inside, and the inside end in this order. */
const ENTER = [
  ...["setpriv", "--pdeathsig", "KILL"],
  // With a `/proc` that names processes by the numbers that they have inside.
  ...["unshare", "--mount", "--propagation", "private", "--mount-proc"],
  ...["--pid", "--fork", "--kill-child"],
];

/** Whether this process is what `inOwnNamespaces` has started. */
export function isInOwnNamespaces(): boolean {
  return process.env[MARK] === "yes";
}

/** Null where `inOwnNamespaces` can be called. */
export async function missingForNamespaces(): Promise<string | null> {
  const [file = "", ...args] = ENTER;
  const nothing = [process.execPath, "-e", ""];
  const refusal = await command(file, ...args, ...nothing).catch(({ message }: Error) => message);
  return refusal === "" ? null : `a mount and a process namespace (${refusal})`;
}

/**
 * Runs this program once more, with its own arguments, as the first process of its own namespaces,
 * and resolves with its exit code. However either of the two ends, the kernel ends whatever it has
 * started, and takes back what it has mounted, with the loop devices behind it: nobody has to be
 * left who cleans up.
 *
 * `onEntered` is called with a process outside that has what is mounted inside.
 */
export function inOwnNamespaces(
  env: Readonly<Record<string, string>>,
  onEntered: (pid: number) => void = () => {},
): Promise<number> {
  const [file = "", ...args] = [...ENTER, process.execPath, ...process.argv.slice(1)];
  const child = spawn(file, args, {
    stdio: "inherit",
    env: { ...process.env, ...env, [MARK]: "yes" },
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => child.kill("SIGKILL"));
  }
  if (child.pid !== undefined) onEntered(child.pid);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}
