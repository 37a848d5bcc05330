import { unreachable } from "../util/assert.ts";
import { idOf, isSameId } from "./snapshot.ts";
import type { SnapshotId, SnapshotWrite } from "./types.ts";

export interface WaitingSnapshotWrite {
  readonly write: SnapshotWrite;
  /** It was given by the caller, who is told when it is on disk. */
  readonly isCallers: boolean;
}

/**
 * What is to happen to the stored snapshots, one step a write, in order. There is room for one
 * unfinished snapshot on a disk: the one that this member takes, or the one that it receives.
 */
export class SnapshotWrites {
  #waiting: WaitingSnapshotWrite[] = [];
  /** Chunks before `next` of `id` are staged once all that waits, or is in flight, is on disk. */
  #staged: { readonly id: SnapshotId; readonly next: number } | null = null;

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /**
   * False where the write does not follow on from what is staged: another snapshot has taken the
   * place of this one, which cannot be finished any more.
   */
  add(write: SnapshotWrite, isCallers: boolean): boolean {
    switch (write.type) {
      case "stage": {
        const { id, first, chunks } = write;
        if (first !== 0 && !this.#isStaged(id, first)) return false;
        this.#staged = { id, next: first + chunks.length };
        break;
      }
      case "switch":
        if (!this.#isStaged(idOf(write.snapshot), write.snapshot.chunks)) return false;
        this.#staged = null;
        break;
      case "drop":
        if (this.#staged !== null && isSameId(this.#staged.id, write.id)) this.#staged = null;
        break;
      case "cut":
        break;
      default:
        unreachable(write);
    }
    this.#waiting.push({ write, isCallers });
    return true;
  }

  /** What is received while a write is in flight goes to the disk together. */
  stageReceived(id: SnapshotId, chunk: number, data: Uint8Array): boolean {
    const last = this.#waiting.at(-1);
    if (last?.write.type === "stage" && this.#isStaged(id, chunk)) {
      const write = { ...last.write, chunks: [...last.write.chunks, data] };
      this.#waiting[this.#waiting.length - 1] = { write, isCallers: false };
      this.#staged = { id, next: chunk + 1 };
      return true;
    }
    return this.add({ type: "stage", id, first: chunk, chunks: [data] }, false);
  }

  /** For the next write. */
  take(): WaitingSnapshotWrite | null {
    return this.#waiting.shift() ?? null;
  }

  /** Nothing that waits belongs to the snapshot `id` any more. */
  forget(id: SnapshotId): void {
    if (this.#staged !== null && isSameId(this.#staged.id, id)) this.#staged = null;
    this.#waiting = this.#waiting.filter(({ write }) => {
      if (write.type === "stage") return !isSameId(write.id, id);
      return write.type !== "switch" || !isSameId(idOf(write.snapshot), id);
    });
  }

  /** The log on disk has started again, behind everything that was to be cut off it. */
  forgetCuts(): void {
    this.#waiting = this.#waiting.filter(({ write }) => write.type !== "cut");
  }

  #isStaged(id: SnapshotId, next: number): boolean {
    const staged = this.#staged;
    return staged !== null && isSameId(staged.id, id) && staged.next === next;
  }
}
