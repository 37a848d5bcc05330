import { type FileHandle, open } from "node:fs/promises";
import { MARK_SYNC_MS } from "../limits.ts";
import { BLOCK_BYTES } from "./block.ts";
import { overwrite, readIfThere, writeSynced } from "./durable-file.ts";
import { LOG_START, type LogPosition } from "./layout.ts";
import { decodeMark, encodeMark, laterMark, type MarkRecord } from "./mark-record.ts";

/** What `MarkFile` needs of time. */
export interface MarkTimers {
  after(delayMs: number, run: () => void): { cancel(): void };
}

/**
 * How far the log was synced: index, term and chain checksum of its last entry. Without it a log
 * that lost its end would look like one whose last batch was cut off by a crash.
 *
 * The invariant: the mark that a start reads is never ahead of the log that was synced. So it is
 * raised after the batch that it tells of, and lowered, and synced, before the batch that
 * truncates. It may be behind: what was appended since it was last synced is the window in which a
 * lost end goes unnoticed.
 *
 * One file of two slots, a block each. A write goes to the slot that was not synced last and is
 * synced at once, so whatever a power cut tears, the other one is whole. The later of the readable slots
 * counts. Should the later one rot, an earlier mark counts: a lower one, which is the window above,
 * or one from before a truncation, which the log then contradicts, and the node refuses it.
 */
export class MarkFile {
  readonly #file: FileHandle;
  readonly #timers: MarkTimers;
  readonly #onFailure: (error: unknown) => void;
  /** The last that was written. */
  #record: MarkRecord;
  /** The slot that holds what was synced last; never written before the other one is synced. */
  #syncedSlot: 0 | 1;
  /** Raised to here, but not yet written; only the latest counts. */
  #wanted: LogPosition | null = null;
  #timer: { cancel(): void } | null = null;
  /** Everything that touches the file, one after the other. Never rejects. */
  #queue: Promise<void> = Promise.resolve();
  /** The first one is final: nothing is written after it. */
  #failure: unknown = null;

  private constructor(
    file: FileHandle,
    record: MarkRecord,
    syncedSlot: 0 | 1,
    timers: MarkTimers,
    onFailure: (error: unknown) => void,
  ) {
    this.#file = file;
    this.#record = record;
    this.#syncedSlot = syncedSlot;
    this.#timers = timers;
    this.#onFailure = onFailure;
  }

  /** The name still wants a sync of the directory. */
  static async create(path: string, incarnation: string): Promise<void> {
    const first = encodeMark({ position: LOG_START, write: 0, incarnation });
    await writeSynced(path, Buffer.concat([first, first]));
  }

  /** The mark on disk, or null when it cannot be read. */
  static async read(path: string, incarnation: string): Promise<MarkRecord | null> {
    const { a, b } = await readSlots(path, incarnation);
    return laterMark(a, b);
  }

  /**
   * For a log that was read and found whole. `onFailure` hears of a write or sync that failed in
   * the background. What was read may never have been synced, so it is, before its slot counts as
   * the synced one.
   */
  static async open(
    path: string,
    incarnation: string,
    timers: MarkTimers,
    onFailure: (error: unknown) => void,
  ): Promise<MarkFile> {
    const { a, b } = await readSlots(path, incarnation);
    const record = laterMark(a, b);
    if (record === null) throw new Error(`${path} cannot be read`);
    const file = await open(path, "r+");
    await file.datasync();
    return new MarkFile(file, record, record === a ? 0 : 1, timers, onFailure);
  }

  /**
   * After the batch up to `position` was synced. Written and synced in the background, at most
   * once in MARK_SYNC_MS: a write a batch would spare a start nothing that the window does not
   * already allow, and costs each batch a turn of the thread pool.
   */
  raise(position: LogPosition): void {
    this.#wanted = position;
    this.#timer ??= this.#timers.after(MARK_SYNC_MS, () => {
      this.#timer = null;
      this.#enqueue(() => this.#writeWanted()).catch(this.#onFailure);
    });
  }

  /** Resolves when the mark on disk is at `position`; for a truncation, and at a start. */
  async set(position: LogPosition): Promise<void> {
    this.#wanted = null;
    await this.#enqueue(() => this.#write(position));
  }

  /** Resolves when all that was begun so far is written, or has failed. */
  async settled(): Promise<void> {
    await this.#queue;
  }

  /** Syncs what was raised and closes. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    try {
      if (this.#failure === null) await this.#enqueue(() => this.#writeWanted());
    } finally {
      await this.#file.close();
    }
  }

  #enqueue(work: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(async () => {
      if (this.#failure !== null) throw this.#failure;
      try {
        await work();
      } catch (error) {
        this.#failure = error;
        throw error;
      }
    });
    this.#queue = done.catch(() => {});
    return done;
  }

  async #writeWanted(): Promise<void> {
    const position = this.#wanted;
    if (position === null) return;
    this.#wanted = null;
    await this.#write(position);
  }

  async #write(position: LogPosition): Promise<void> {
    this.#record = { ...this.#record, position, write: this.#record.write + 1 };
    const slot = this.#syncedSlot === 0 ? 1 : 0;
    await overwrite(this.#file, encodeMark(this.#record), slot * BLOCK_BYTES);
    await this.#file.datasync();
    this.#syncedSlot = slot;
  }
}

async function readSlots(
  path: string,
  incarnation: string,
): Promise<{ a: MarkRecord | null; b: MarkRecord | null }> {
  const content = await readIfThere(path);
  const slot = (which: number): MarkRecord | null =>
    decodeMark(
      content?.subarray(which * BLOCK_BYTES, (which + 1) * BLOCK_BYTES) ?? null,
      incarnation,
    );
  return { a: slot(0), b: slot(1) };
}
