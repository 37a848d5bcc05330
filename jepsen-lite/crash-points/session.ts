import { rm } from "node:fs/promises";
import { join } from "node:path";
import { LogDamaged } from "../../src/storage/damage.ts";
import { type DataDirectory, openDirectory } from "../../src/storage/directory.ts";
import { DIRECTORY_FILES } from "../../src/storage/layout.ts";
import type { MarkTimers } from "../../src/storage/mark-file.ts";
import type { LoadedLog, Membership, Storage } from "../../src/storage/storage.ts";
import { Prng } from "../prng.ts";
import type { Action } from "./script.ts";

const NAME = "n1";

/** Timers that run when the script says so, so that what is done later has its place in it. */
class ScriptTimers implements MarkTimers {
  readonly #armed = new Set<() => void>();

  after(_delayMs: number, run: () => void): { cancel(): void } {
    this.#armed.add(run);
    return { cancel: () => void this.#armed.delete(run) };
  }

  fire(): void {
    const due = [...this.#armed];
    this.#armed.clear();
    for (const run of due) run();
  }
}

/** One start of a storage on a directory, and what a script has it do. */
export class Session {
  readonly #path: string;
  readonly #prng: Prng;
  readonly #idle: () => Promise<void>;
  readonly #timers = new ScriptTimers();
  #directory: DataDirectory | null = null;
  #storage: Storage | null = null;
  #loaded: LoadedLog | null = null;
  #write = 0;

  /** `idle` resolves when nothing is being written; an incarnation is drawn from `seed`. */
  constructor(path: string, seed: number, idle: () => Promise<void>) {
    this.#path = path;
    this.#prng = new Prng(seed);
    this.#idle = idle;
  }

  /** Of a directory that the first `open` with this seed makes. */
  static incarnationOf(seed: number): string {
    return new Prng(seed).hex(16);
  }

  get directory(): DataDirectory {
    if (this.#directory === null) throw new Error("not open");
    return this.#directory;
  }

  get loaded(): LoadedLog {
    if (this.#loaded === null) throw new Error("no log is open");
    return this.#loaded;
  }

  get storage(): Storage {
    if (this.#storage === null) throw new Error("no log is open");
    return this.#storage;
  }

  /** With its log, where the directory is born. */
  async open(): Promise<void> {
    const random = { bytes: (count: number) => Buffer.from(this.#prng.hex(2 * count), "hex") };
    this.#directory = await openDirectory(this.#path, NAME, random);
    if (this.#directory.birth !== null) await this.#openLog();
  }

  /** A log that is damaged is made whole first, of what is left of it. */
  async openHealed(): Promise<void> {
    try {
      await this.open();
      return;
    } catch (error) {
      if (!(error instanceof LogDamaged)) throw error;
    }
    await (await this.directory.salvage()).rebuild();
    await this.close();
    await this.open();
  }

  async run(action: Action): Promise<void> {
    switch (action.type) {
      case "persist":
        this.#write += 1;
        await this.storage.persist({ ...action.part, write: this.#write });
        return;
      case "elapse":
        this.#timers.fire();
        await this.#idle();
        return;
      case "bear":
        await this.directory.bear(membershipOf(this.directory));
        await this.#openLog();
        return;
      case "setAside":
        await this.directory.setAside("a script says so");
        return;
      case "reopen":
        await this.close();
        await this.open();
        return;
      case "heal":
        await this.close();
        await rm(join(this.#path, DIRECTORY_FILES.database, "CURRENT"));
        await this.openHealed();
        return;
      case "returned":
        await this.directory.returned();
        return;
      case "leave":
        await this.directory.leave("a script says so");
        return;
      default:
        action satisfies never;
    }
  }

  async close(): Promise<void> {
    await this.#directory?.close();
    this.#directory = null;
    this.#storage = null;
    this.#loaded = null;
  }

  async #openLog(): Promise<void> {
    const { loaded, storage } = await this.directory.open({ timers: this.#timers });
    this.#loaded = loaded;
    this.#storage = storage;
    this.#write = 0;
  }
}

function membershipOf({ identity }: DataDirectory): Membership {
  const { name, incarnation } = identity;
  return { clusterId: "c".repeat(32), epoch: 1, members: [{ name, incarnation }], joinedIndex: 0 };
}
