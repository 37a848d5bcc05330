import { spawn } from "node:child_process";
import { command } from "./command.ts";

const MARK = "ROLLCALL_OWN_NAMESPACES";
const UNSHARE = [
  "unshare",
  "--mount",
  "--propagation",
  "private",
  "--pid",
  "--fork",
  "--kill-child",
];

/** Whether this process is what `inOwnNamespaces` has started. */
export function isInOwnNamespaces(): boolean {
  return process.env[MARK] === "yes";
}

/** Null where `inOwnNamespaces` can be called. */
export async function missingForNamespaces(): Promise<string | null> {
  const refusal = await command("setpriv", "--pdeathsig", "KILL", ...UNSHARE, "true").catch(String);
  return refusal === "" ? null : `a mount and a process namespace (${refusal})`;
}

/**
 * Runs this program once more, with its own arguments, as the first process of its own namespaces,
 * and resolves with its exit code. However either of the two ends, the kernel ends whatever it has
 * started, and takes back what it has mounted, with the loop devices behind it: nobody has to be
 * left who cleans up.
 */
export function inOwnNamespaces(env: Readonly<Record<string, string>>): Promise<number> {
  const [script = "", ...args] = process.argv.slice(1);
  const argv = ["--pdeathsig", "KILL", ...UNSHARE, process.execPath, script, ...args];
  const child = spawn("setpriv", argv, {
    stdio: "inherit",
    env: { ...process.env, ...env, [MARK]: "yes" },
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => child.kill("SIGKILL"));
  }
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}
