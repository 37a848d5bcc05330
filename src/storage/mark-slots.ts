import type { FileSteps } from "./file-step.ts";
import { DIRECTORY_FILES, type LogPosition } from "./layout.ts";
import { decodeMark, encodeMark, laterMark, type MarkRecord } from "./mark-record.ts";

/** What a mark tells of. */
export type Marked = Pick<MarkRecord, "position" | "votes">;

/**
 * How far the log was synced: index, term and chain checksum of its last entry. Without it a log
 * that lost its end would look like one whose last batch was cut off by a crash. Pure: says what is
 * to be done to the file, and in which order; one generator after the other.
 *
 * The invariant: the mark that a start reads is never ahead of the log that was synced. So it is
 * raised after the batch that it tells of, and lowered, and synced, before the batch that
 * truncates. It may be behind: what was appended since it was last synced is the window in which a
 * lost end goes unnoticed.
 *
 * It also says how often the vote was written by then, so that both copies of the vote from an earlier
 * moment do not pass for the last one.
 *
 * One file of two slots, a block each. A write goes to the slot that was not synced last and is
 * synced at once, so whatever a power cut tears, the other one is whole. The later of the readable
 * slots counts. Should the later one rot, an earlier mark counts: a lower one, which is the window
 * above, or one from before a truncation, which the log then contradicts, and the node refuses it.
 */
export class MarkSlots {
  /** The last that was written. */
  #record: MarkRecord;
  /** The slot that holds what was synced last; never written before the other one is synced. */
  #syncedSlot: number;
  /** What a start reads may never have been synced. */
  #isReadSynced = false;
  /** Raised to here, but not yet written; only the latest counts. */
  #wanted: Marked | null = null;

  private constructor(record: MarkRecord, slot: number) {
    this.#record = record;
    this.#syncedSlot = slot;
  }

  /** Of the contents of both slots. Null when neither can be read. */
  static read(
    slotA: Uint8Array | null,
    slotB: Uint8Array | null,
    incarnation: string,
  ): MarkSlots | null {
    const [a, b] = [decodeMark(slotA, incarnation), decodeMark(slotB, incarnation)];
    const record = laterMark(a, b);
    return record === null ? null : new MarkSlots(record, record === a ? 0 : 1);
  }

  /** Whether a start has written it: it does so before anything vouches for its log. */
  get isInUse(): boolean {
    return this.#record.write > 0;
  }

  /** Of the last write. */
  get position(): LogPosition {
    return this.#record.position;
  }

  /** Of the last write. */
  get votes(): number {
    return this.#record.votes;
  }

  /** For `writeWanted`, after the batch up to `position` and `votes` writes of the vote were synced. */
  raise(marked: Marked): void {
    this.#wanted = marked;
  }

  /** What it was raised to, if it was since the last write. */
  *writeWanted(): FileSteps {
    if (this.#wanted !== null) yield* this.set(this.#wanted);
  }

  *set({ position, votes }: Marked): FileSteps {
    const file = DIRECTORY_FILES.mark;
    this.#wanted = null;
    if (!this.#isReadSynced) yield { type: "sync", file };
    this.#isReadSynced = true;
    this.#record = { ...this.#record, position, votes, write: this.#record.write + 1 };
    const slot = 1 - this.#syncedSlot;
    yield { type: "write", file, block: slot, content: encodeMark(this.#record) };
    yield { type: "sync", file };
    this.#syncedSlot = slot;
  }
}
