import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { command } from "../../jepsen-lite/faults/command.ts";
import { DYING_WITH_PARENT } from "../../jepsen-lite/faults/dying-with.ts";
import { empty, fill, spaceOf } from "../../jepsen-lite/faults/filler.ts";
import { within } from "./wait.ts";

const LOOP_DISK = fileURLToPath(
  new URL("../../dist/jepsen-lite/faults/loop-disk.js", import.meta.url),
);
const MS_MAX = 20_000;

/** Mounts a disk for each name, says so, and keeps them until its input ends. */
const HOLDER = `
const [directory, ...names] = process.argv.slice(1);
const { LoopDisk } = await import(${JSON.stringify(LOOP_DISK)});
const disks = [];
for (const name of names) disks.push(await LoopDisk.make(directory, name));
process.stdout.write("ready\\n");
for await (const _ of process.stdin);
for (const disk of disks) await disk.remove();
`;

/**
 * A disk of 256 MB for each node, an ext4 in a loop device, in a mount namespace of their own: with
 * the last process in it they are gone, whatever has become of the test. Who enters it is killed
 * with this process.
 */
export class SmallDisks {
  /** What stands before the command of a process that is to see them. */
  readonly enter: readonly string[];
  readonly #directory: string;
  readonly #holder: ChildProcess;
  readonly #ended: Promise<unknown>;

  private constructor(directory: string, holder: ChildProcess) {
    this.#directory = directory;
    this.#holder = holder;
    this.#ended = new Promise((resolve) => holder.once("exit", resolve));
    const namespace = `--mount=/proc/${holder.pid}/ns/mnt`;
    this.enter = [...DYING_WITH_PARENT, "nsenter", namespace, "--"];
  }

  /** What this machine lacks for it; null for nothing. */
  static async missing(): Promise<string | null> {
    if (process.platform !== "linux") return "Linux";
    if (process.getuid?.() !== 0) return "root";
    const needed = [
      [...DYING_WITH_PARENT, "unshare", "--mount", "true"],
      ["mkfs.ext4", "-V"],
      ["losetup", "--find"],
      ["fallocate", "--version"],
    ] as const;
    for (const [file, ...args] of needed) {
      const refusal = await command(file, ...args).then(
        () => null,
        ({ message }: Error) => message,
      );
      if (refusal !== null) return `${args.at(-1)} (${refusal})`;
    }
    return null;
  }

  /** Mounted at `directory/NAME`, for those who enter. */
  static async make(directory: string, names: readonly string[]): Promise<SmallDisks> {
    const inside = [process.execPath, "--input-type=module", "-e", HOLDER, directory, ...names];
    const [file, ...args] = [
      ...DYING_WITH_PARENT,
      "unshare",
      "--mount",
      "--propagation",
      "private",
    ];
    const holder = spawn(file, [...args, ...inside], { stdio: ["pipe", "pipe", "inherit"] });
    const disks = new SmallDisks(directory, holder);
    const ready = new Promise<void>((resolve, reject) => {
      holder.stdout?.once("data", () => resolve());
      holder.once("exit", (code) => reject(new Error(`no disks: ${code}`)));
    });
    await within(MS_MAX, "small disks", ready);
    return disks;
  }

  /** As this process finds what is in the directory of that node. */
  path(name: string, ...below: readonly string[]): string {
    return join(`/proc/${this.#holder.pid}/root`, this.#directory, name, ...below);
  }

  /** For whoever is not root. */
  async freeBytes(name: string): Promise<number> {
    return (await spaceOf(this.path(name))).freeBytes;
  }

  /** Leaves so much free, whatever was there before; 0: not a block, for nobody. */
  async leave(name: string, bytes: number): Promise<void> {
    await fill(this.path(name), bytes);
  }

  async release(name: string): Promise<void> {
    await empty(this.path(name));
  }

  /** When no process that has entered runs any more. */
  async remove(): Promise<void> {
    this.#holder.stdin?.end();
    await within(MS_MAX, "the small disks to go", this.#ended);
  }
}
