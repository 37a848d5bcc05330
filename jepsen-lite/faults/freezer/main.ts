import { spawnSync } from "node:child_process";
import { closeSync, openSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { createInterface } from "node:readline";

/**
 * A process by itself that freezes file systems and thaws each after its time, and all of them at
 * once when whoever asked, or whoever has started it, is gone (`Freezer`).
 *
 * Called with a process that sees the mounts, and the socket on which it listens.
 */
const [pid = "", socketPath = ""] = process.argv.slice(2);
/** A directory of each that is frozen, which stays open: its mount may have no name any more. */
const frozen = new Map<string, number>();

createServer((socket) => {
  socket.on("error", () => {}).on("close", thawAll);
  createInterface(socket).on("line", (line) => {
    const { path, ms } = JSON.parse(line) as { readonly path: string; readonly ms: number };
    const directory = openSync(`/proc/${pid}/root${path}`, "r");
    frozen.set(path, directory);
    socket.write(`${tell("--freeze", directory)}\n`);
    setTimeout(() => socket.write(`${thaw(path)}\n`), ms);
  });
}).listen(socketPath);

process.stdin.resume().on("end", () => {
  thawAll();
  rmSync(socketPath, { force: true });
  process.exit();
});

function thawAll(): void {
  for (const path of frozen.keys()) thaw(path);
}

function thaw(path: string): string {
  const directory = frozen.get(path);
  if (directory === undefined) return "was not frozen";
  frozen.delete(path);
  const said = tell("--unfreeze", directory);
  closeSync(directory);
  return said;
}

/** Nothing where it has done so. */
function tell(what: string, directory: number): string {
  const stdio = ["ignore", "pipe", "pipe", directory] as const;
  const told = spawnSync("fsfreeze", [what, "/proc/self/fd/3"], {
    stdio: [...stdio],
    encoding: "utf8",
  });
  return `${told.error?.message ?? ""}${told.stderr ?? ""}`.trim().replaceAll("\n", "; ");
}
