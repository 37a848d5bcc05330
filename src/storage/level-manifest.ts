import { recordsOf } from "./level-files.ts";

/** What may stand in a record of a MANIFEST (LevelDB's `db/version_edit.cc`). */
const TAG = {
  comparator: 1,
  logNumber: 2,
  nextFile: 3,
  lastSequence: 4,
  compactPointer: 5,
  deletedFile: 6,
  newFile: 7,
  previousLog: 9,
} as const;

/**
 * The numbers of the tables that a database consists of, by its MANIFEST; null where that says what
 * nobody knows here.
 *
 * A process that is killed while it writes a table leaves a part of one, and whole ones that nothing
 * refers to yet, or any more. LevelDB removes them when it opens the database, so what is in them is
 * nobody's loss.
 */
export function tablesInUse(manifest: Buffer): ReadonlySet<number> | null {
  const tables = new Set<number>();
  for (const record of recordsOf(manifest)) {
    const fields = new Fields(record);
    while (!fields.isAtEnd) {
      switch (fields.integer()) {
        case TAG.comparator:
          fields.skipText();
          break;
        case TAG.logNumber:
        case TAG.nextFile:
        case TAG.lastSequence:
        case TAG.previousLog:
          fields.integer();
          break;
        case TAG.compactPointer:
          fields.integer();
          fields.skipText();
          break;
        case TAG.deletedFile:
          fields.integer();
          tables.delete(fields.integer());
          break;
        case TAG.newFile:
          fields.integer();
          tables.add(fields.integer());
          fields.integer();
          fields.skipText();
          fields.skipText();
          break;
        default:
          return null;
      }
    }
  }
  return tables;
}

class Fields {
  readonly #record: Buffer;
  #at = 0;

  constructor(record: Buffer) {
    this.#record = record;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#record.length;
  }

  /** Seven bits a byte, the lowest first; those of the last sequence may be rounded. */
  integer(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#record[this.#at] ?? 0;
      this.#at += 1;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }

  /** A key, or a name: its length stands before it. */
  skipText(): void {
    const length = this.integer();
    this.#at += length;
  }
}
