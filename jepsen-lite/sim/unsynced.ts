import type { BlockFile, FileStep } from "../../src/storage/file-step.ts";
import type { KeyValueOperation } from "../../src/storage/key-value-store.ts";
import type { MemoryDisk } from "../../src/storage/memory-storage.ts";
import type { Prng } from "../prng.ts";

/** Of one block: as it was synced last, then as each write since has made it. */
type Versions = Uint8Array[];

/** What a batch put in place of what. */
type Undo = ReadonlyMap<string, Uint8Array | undefined>;

/**
 * What was written to a disk and not synced. A process that dies loses none of it: the next one
 * reads it from the page cache. A power cut leaves of it what the device had got to.
 *
 * - Of a block of a file: any version since the last sync, or a torn one. Blocks and files know
 *   nothing of each other's order: a later write may be there and an earlier one not, unless a sync
 *   came between.
 * - Of the database: each batch whole or not at all, and none without those before it, since they
 *   stand in one log of checksummed records.
 */
export class Unsynced {
  readonly #disk: MemoryDisk;
  readonly #files = new Map<BlockFile, Map<number, Versions>>();
  readonly #batches: Undo[] = [];

  constructor(disk: MemoryDisk) {
    this.#disk = disk;
  }

  write(step: FileStep & { type: "write" }): void {
    const blocks = this.#files.get(step.file) ?? new Map<number, Versions>();
    const versions = blocks.get(step.block) ?? [this.#block(step.file, step.block)];
    this.#files.set(step.file, blocks.set(step.block, versions));
    versions.push(step.content);
    this.#disk.apply(step);
  }

  sync(file: BlockFile): void {
    this.#files.delete(file);
  }

  batch(operations: readonly KeyValueOperation[]): void {
    this.#batches.push(
      new Map(
        operations.map(({ key }) => {
          const hex = Buffer.from(key).toString("hex");
          return [hex, this.#disk.records.get(hex)] as const;
        }),
      ),
    );
    this.#disk.apply({ type: "batch", operations });
  }

  syncDatabase(): void {
    this.#batches.length = 0;
  }

  /** All of it is in what nobody will read again. */
  clear(): void {
    this.#files.clear();
    this.#batches.length = 0;
  }

  /** What is left is on the disk for good. */
  cutPower(prng: Prng): void {
    for (const [file, blocks] of this.#files) {
      for (const [block, versions] of blocks) {
        this.#disk.files[file][block] = leftOf(versions, prng);
      }
    }
    this.#files.clear();
    const lost = prng.below(this.#batches.length + 1);
    for (const undo of this.#batches.splice(this.#batches.length - lost).reverse()) {
      for (const [key, value] of undo) {
        if (value === undefined) this.#disk.records.delete(key);
        else this.#disk.records.set(key, value);
      }
    }
    this.#batches.length = 0;
  }

  #block(file: BlockFile, block: number): Uint8Array {
    return this.#disk.files[file][block] ?? new Uint8Array();
  }
}

/** A whole version, or the beginning of one and then another one, zeros, or anything. */
function leftOf(versions: Versions, prng: Prng): Uint8Array {
  const content = Uint8Array.from(prng.pick(versions));
  if (prng.chance(300)) return content;
  // What counts is in the first bytes of a block; the rest of it is padding.
  const at = prng.below(prng.chance(800) ? Math.min(120, content.length) : content.length);
  switch (prng.below(3)) {
    case 0:
      content.set(prng.pick(versions).subarray(at), at);
      break;
    case 1:
      content.fill(0, at);
      break;
    default:
      for (let i = at; i < content.length; i += 1) content[i] = prng.below(256);
  }
  return content;
}
