import { Reader, recordsOf } from "./level-files.ts";

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

export interface TableInUse {
  readonly bytes: number;
  /** Keys as LevelDB has them, with their sequence behind. */
  readonly first: Buffer;
  readonly last: Buffer;
}

/** The files that a database consists of. */
export interface Manifest {
  /** By number. */
  readonly tables: ReadonlyMap<number, TableInUse>;
  /** Those that were in use at some time since the MANIFEST was begun, and those that are. */
  readonly mentioned: ReadonlySet<number>;
  /** Older logs stand in tables. */
  readonly firstLog: number;
}

/**
 * Null where it is not one, or says what nobody knows here.
 *
 * A process that is killed while it writes a table leaves a part of one, and whole ones that nothing
 * refers to yet, or any more. LevelDB removes them when it opens the database.
 */
export function decodeManifest(content: Buffer): Manifest | null {
  const tables = new Map<number, TableInUse>();
  const mentioned = new Set<number>();
  let firstLog: number | null = null;
  try {
    for (const record of recordsOf(content)) {
      const fields = new Reader(record, 0);
      while (fields.at < record.length) {
        switch (fields.varint()) {
          case TAG.comparator:
            textOf(fields);
            break;
          case TAG.logNumber:
            firstLog = fields.varint();
            break;
          case TAG.nextFile:
          case TAG.lastSequence:
          case TAG.previousLog:
            fields.varint();
            break;
          case TAG.compactPointer:
            fields.varint();
            textOf(fields);
            break;
          case TAG.deletedFile:
            fields.varint();
            tables.delete(fields.varint());
            break;
          case TAG.newFile: {
            fields.varint();
            const number = fields.varint();
            mentioned.add(number);
            const bytes = fields.varint();
            tables.set(number, { bytes, first: textOf(fields), last: textOf(fields) });
            break;
          }
          default:
            return null;
        }
      }
    }
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
  return firstLog === null ? null : { tables, mentioned, firstLog };
}

/** A key, or a name: its length stands before it. */
function textOf(fields: Reader): Buffer {
  return fields.bytes(fields.varint());
}
