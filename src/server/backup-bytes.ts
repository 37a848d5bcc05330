import type { Timer, Timers } from "../env/env.ts";
import { BACKUP_MS_MAX, SNAPSHOT_CHUNK_BYTES } from "../limits.ts";
import type { FrozenRegistry } from "../registry/freeze.ts";
import { nextChunk } from "../replica/chunks.ts";
import { BackupEncoder, type BackupHeader } from "../storage/backup-file.ts";
import { snapshotCodec } from "../wire/snapshot-codec.ts";

/** Read once. The view is let go of when it was read, when the reader leaves, or when time is up. */
export class BackupBytes implements AsyncIterable<Uint8Array> {
  readonly #view: FrozenRegistry;
  readonly #header: BackupHeader;
  readonly #timers: Timers;
  readonly #late: Timer;
  readonly #onOver: () => void;
  #isOver = false;

  constructor(
    view: FrozenRegistry,
    header: BackupHeader,
    timers: Timers,
    onOver: () => void = () => {},
  ) {
    this.#view = view;
    this.#header = header;
    this.#timers = timers;
    this.#onOver = onOver;
    this.#late = timers.after(BACKUP_MS_MAX, () => this.#letGo());
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    const bytes = this.#bytes();
    return {
      next: () => bytes.next(),
      // What was not begun ends without a word of its own.
      return: async () => {
        this.#letGo();
        return bytes.return();
      },
    };
  }

  async *#bytes(): AsyncGenerator<Uint8Array, void, void> {
    const encoder = new BackupEncoder();
    try {
      yield encoder.begin(this.#header);
      const items = this.#view.items();
      for (let isLast = false; !isLast; ) {
        const chunk = nextChunk(items, snapshotCodec, SNAPSHOT_CHUNK_BYTES);
        isLast = chunk.isLast;
        if (chunk.data !== null) {
          yield encoder.chunk(chunk.data);
        }
        // Peers and clients come first, however fast this is read.
        await new Promise<void>((resolve) => this.#timers.soon(resolve));
        if (this.#isOver) {
          throw new Error(`not read within ${BACKUP_MS_MAX} ms (BACKUP_MS_MAX)`);
        }
      }
      yield encoder.end();
    } finally {
      this.#letGo();
    }
  }

  #letGo(): void {
    if (!this.#isOver) this.#onOver();
    this.#isOver = true;
    this.#late.cancel();
    this.#view.release();
  }
}
