import { ENTRY_BYTES_MAX, ENTRY_COMMANDS_MAX, UNCOMMITTED_ENTRIES_MAX } from "../limits.ts";
import type { Raft } from "../raft/raft.ts";
import type { Term } from "../raft/types.ts";
import { assert } from "../util/assert.ts";
import type { CommandCodec } from "./command-codec.ts";

/** Commands that a leader was given and has not put into its log, in order of arrival. */
export class Packing {
  readonly #codec: CommandCodec;
  #commands: Uint8Array[] = [];
  #bytes = 0;
  /** They were given to the leader of this term, and mean nothing in another. */
  #term: Term = 0;

  constructor(codec: CommandCodec) {
    this.#codec = codec;
  }

  get isEmpty(): boolean {
    return this.#commands.length === 0;
  }

  /** An entry's worth is waiting: no need to wait for more. */
  get isFull(): boolean {
    return this.#commands.length >= ENTRY_COMMANDS_MAX || this.#bytes >= ENTRY_BYTES_MAX;
  }

  add(term: Term, commands: readonly Uint8Array[]): void {
    if (term !== this.#term) {
      this.clear();
      this.#term = term;
    }
    for (const command of commands) {
      this.#commands.push(command);
      this.#bytes += command.length;
    }
  }

  /** While a write is on its way to the disk, what comes is gathered for the next one. */
  proposeTo(raft: Raft, isPersisting: boolean, atMs: number): void {
    while (
      !this.isEmpty &&
      (!isPersisting || this.isFull) &&
      raft.lastIndex - raft.commitIndex < UNCOMMITTED_ENTRIES_MAX
    ) {
      const data = this.take(raft.term, atMs);
      if (data === null) {
        return;
      }
      assert(raft.propose("commands", data) !== null, "a leader takes proposals");
    }
  }

  /** The next entry: what fits, and at least one command. Null where nothing waits. */
  take(term: Term, atMs: number): Uint8Array | null {
    if (term !== this.#term) {
      this.clear();
    }
    let bytes = 0;
    let count = 0;
    for (const command of this.#commands) {
      if (count > 0 && (count >= ENTRY_COMMANDS_MAX || bytes + command.length > ENTRY_BYTES_MAX)) {
        break;
      }
      bytes += command.length;
      count += 1;
    }
    if (count === 0) {
      return null;
    }
    const commands = this.#commands.splice(0, count);
    this.#bytes -= bytes;
    return this.#codec.encodeBatch(atMs, commands);
  }

  clear(): void {
    this.#commands = [];
    this.#bytes = 0;
  }
}
