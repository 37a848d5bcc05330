import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { command } from "../../jepsen-lite/faults/command.ts";

/** The command lines of all that runs for it, in whichever namespace. */
export async function runningFor(directory: string): Promise<readonly string[]> {
  const all = process.platform === "linux" ? await commandLines() : await listed();
  return all.filter((line) => line.includes(directory));
}

/** The loop devices with files of it. */
export async function loopsOf(directory: string): Promise<readonly string[]> {
  const devices = await readdir("/sys/block");
  const files = devices.map((name) => join("/sys/block", name, "loop", "backing_file"));
  const backing = await Promise.all(files.map((file) => readFile(file, "utf8").catch(() => "")));
  return backing.filter((file) => file.startsWith(directory));
}

async function commandLines(): Promise<readonly string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const read = pids.map((pid) => readFile(join("/proc", pid, "cmdline"), "utf8").catch(() => ""));
  return (await Promise.all(read)).map((line) => line.replaceAll("\0", " "));
}

async function listed(): Promise<readonly string[]> {
  return (await command("ps", "-A", "-ww", "-o", "args=")).split("\n");
}
