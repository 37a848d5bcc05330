import { cp, mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import type { Capabilities, Capability } from "../faults/capabilities.ts";
import { ownSharedMemory, WallClock, withEpoch } from "../faults/clocks.ts";
import { Freezer } from "../faults/freezer.ts";
import { LoopDisk } from "../faults/loop-disk.ts";
import type { Prng } from "../prng.ts";
import type { Machine } from "../real/machines.ts";
import type { NodeProcess } from "../real/node-process.ts";

const DISK_BYTES = 512 * 1024 * 1024;
/** Monotonic clocks count from the start of a machine, which for each of these was another day. */
const EPOCH_S_MAX = 10_000_000;

export interface FootingPlace {
  readonly directory: string;
  /** Of the nodes at the beginning. */
  readonly names: readonly string[];
  readonly capabilities: Capabilities;
  /** What the nemeses of this run need. */
  readonly needed: ReadonlySet<Capability>;
  /** Where the freezer listens. */
  readonly freezerPath: string;
  readonly prng: Prng;
}

/**
 * What each node stands on, as far as it can be had here: a disk of its own, a wall clock that can
 * jump, a monotonic clock that began at another time.
 */
export class Footing {
  readonly #place: FootingPlace;
  readonly #epochs = new Map<string, number>();
  readonly #disks = new Map<string, LoopDisk>();
  readonly #clocks = new Map<string, WallClock>();
  readonly #freezer: Freezer | null;
  #closed: Promise<void> | null = null;

  private constructor(place: FootingPlace, freezer: Freezer | null) {
    this.#place = place;
    this.#freezer = freezer;
  }

  static async make(place: FootingPlace): Promise<Footing> {
    const { directory, names, needed, freezerPath } = place;
    await mkdir(directory, { recursive: true });
    if (needed.has("clocks")) await ownSharedMemory();
    const freezer = needed.has("freezing") ? await Freezer.connect(freezerPath) : null;
    const footing = new Footing(place, freezer);
    for (const name of names) await footing.stand(name);
    return footing;
  }

  /** A place for one node more. */
  async stand(name: string): Promise<void> {
    const { directory, capabilities, needed, prng } = this.#place;
    const isThere = (capability: Capability): boolean => capabilities.get(capability) === null;
    const epochSeconds = prng.below(EPOCH_S_MAX);
    if (isThere("epochs")) this.#epochs.set(name, epochSeconds);
    if (isThere("disks")) this.#disks.set(name, await LoopDisk.make(directory, name, DISK_BYTES));
    if (needed.has("clocks")) {
      this.#clocks.set(name, await WallClock.make(join(directory, `${name}.clock`)));
    }
  }

  /** Its node is gone for good, and runs no more. What it has left stays, without its disk. */
  async leave(name: string): Promise<void> {
    const disk = this.#disks.get(name);
    if (disk === undefined) return;
    const kept = `${disk.path}.kept`;
    await cp(this.dataDir(name), kept, { recursive: true }).catch(() => {});
    await disk.remove();
    await rename(kept, disk.path).catch(() => {});
    this.#disks.delete(name);
  }

  /** Seconds by which the monotonic clock of a node is ahead of this process's; none without epochs. */
  get epochs(): ReadonlyMap<string, number> {
    return this.#epochs;
  }

  dataDir(name: string): string {
    const disk = this.#disks.get(name);
    return disk === undefined ? join(this.#place.directory, name) : join(disk.path, "data");
  }

  machine(node: NodeProcess): Machine {
    return { node, disk: had(this.#disks.get(node.name), "disks") };
  }

  clock({ name }: NodeProcess): WallClock {
    return had(this.#clocks.get(name), "clocks");
  }

  get freezer(): Freezer {
    return had(this.#freezer, "freezing");
  }

  /** The command line that runs another one on it, as this node. */
  under(name: string, argv: readonly string[]): readonly string[] {
    const timed = this.#clocks.get(name)?.under(argv) ?? argv;
    const epoch = this.epochs.get(name);
    return epoch === undefined ? timed : withEpoch(epoch, timed);
  }

  /** Whoever waits for a disk goes on. */
  thaw(): void {
    this.#freezer?.close();
  }

  /** No node runs any more. What they have left stays in the directory, without the disks. */
  close(): Promise<void> {
    this.#closed ??= this.#clear();
    return this.#closed;
  }

  async #clear(): Promise<void> {
    for (const name of [...this.#disks.keys()]) await this.leave(name);
  }
}

function had<T>(value: T | null | undefined, capability: Capability): T {
  if (value === null || value === undefined) throw new Error(`no ${capability} in this run`);
  return value;
}
