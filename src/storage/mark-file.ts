import { open } from "node:fs/promises";
import { MARK_SYNC_MS } from "../limits.ts";
import { BLOCK_BYTES } from "./block.ts";
import { carryOut, type OpenFile, readIfThere, writeSynced } from "./durable-file.ts";
import type { FileSteps } from "./file-step.ts";
import { LOG_START } from "./layout.ts";
import { encodeMark } from "./mark-record.ts";
import { type Marked, MarkSlots } from "./mark-slots.ts";

const NOTHING_MARKED: Marked = { position: LOG_START, votes: 0 };

/** What `MarkFile` needs of time. */
export interface MarkTimers {
  after(delayMs: number, run: () => void): { cancel(): void };
}

/**
 * The file of the mark, written in the background too; `MarkSlots` says what is written to it, and
 * why in that order.
 */
export class MarkFile {
  readonly #file: OpenFile;
  readonly #timers: MarkTimers;
  readonly #onFailure: (error: unknown) => void;
  readonly #slots: MarkSlots;
  #timer: { cancel(): void } | null = null;
  /** Everything that touches the file, one after the other. Never rejects. */
  #queue: Promise<void> = Promise.resolve();
  /** The first one is final: nothing is written after it. */
  #failure: unknown = null;

  private constructor(
    file: OpenFile,
    slots: MarkSlots,
    timers: MarkTimers,
    onFailure: (error: unknown) => void,
  ) {
    this.#file = file;
    this.#slots = slots;
    this.#timers = timers;
    this.#onFailure = onFailure;
  }

  /** The name still wants a sync of the directory. */
  static async create(
    path: string,
    incarnation: string,
    { position, votes }: Marked = NOTHING_MARKED,
  ): Promise<void> {
    const first = encodeMark({ position, votes, write: 0, incarnation });
    await writeSynced(path, Buffer.concat([first, first]));
  }

  /** The mark on disk, or null when it cannot be read. */
  static async read(path: string, incarnation: string): Promise<MarkSlots | null> {
    const content = await readIfThere(path);
    if (content === null) return null;
    const [a, b] = [content.subarray(0, BLOCK_BYTES), content.subarray(BLOCK_BYTES)];
    return MarkSlots.read(a, b, incarnation);
  }

  /**
   * For a log that was read and found whole. `onFailure` hears of a write or sync that failed in
   * the background.
   */
  static async open(
    path: string,
    incarnation: string,
    timers: MarkTimers,
    onFailure: (error: unknown) => void,
  ): Promise<MarkFile> {
    const slots = await MarkFile.read(path, incarnation);
    if (slots === null) throw new Error(`${path} cannot be read`);
    const file = { path, handle: await open(path, "r+") };
    return new MarkFile(file, slots, timers, onFailure);
  }

  /**
   * After what it tells of was synced. Written and synced in the background, at most
   * once in MARK_SYNC_MS: a write a batch would spare a start nothing that the window does not
   * already allow, and costs each batch a turn of the thread pool.
   */
  raise(marked: Marked): void {
    this.#slots.raise(marked);
    this.#timer ??= this.#timers.after(MARK_SYNC_MS, () => {
      this.#timer = null;
      this.#enqueue(this.#slots.writeWanted()).catch(this.#onFailure);
    });
  }

  /** Resolves when the mark on disk says so; for a truncation, and at a start. */
  async set(marked: Marked): Promise<void> {
    await this.#enqueue(this.#slots.set(marked));
  }

  /** Resolves when all that was begun so far is written, or has failed. */
  async settled(): Promise<void> {
    await this.#queue;
  }

  /** Syncs what was raised and closes. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    try {
      if (this.#failure === null) await this.#enqueue(this.#slots.writeWanted());
    } finally {
      await this.#file.handle.close();
    }
  }

  #enqueue(steps: FileSteps): Promise<void> {
    const done = this.#queue.then(async () => {
      if (this.#failure !== null) throw this.#failure;
      try {
        await carryOut(steps, () => this.#file);
      } catch (error) {
        this.#failure = error;
        throw error;
      }
    });
    this.#queue = done.catch(() => {});
    return done;
  }
}
