import { Level } from "level";

export type Bytes = Uint8Array;

/** A LevelDB in which every write is synced. The caller keeps to one write at a time. */
export class Disk {
  readonly #db: Level<Bytes, Bytes>;
  isBusy = false;

  private constructor(db: Level<Bytes, Bytes>) {
    this.#db = db;
  }

  static async open(directory: string): Promise<Disk> {
    const db = new Level<Bytes, Bytes>(directory, { keyEncoding: "view", valueEncoding: "view" });
    await db.open();
    return new Disk(db);
  }

  /** `onDurable` runs when all of them are on the disk. A failure ends the process. */
  write(entries: readonly (readonly [index: number, value: Bytes])[], onDurable: () => void): void {
    this.isBusy = true;
    const [first] = entries;
    const written =
      entries.length === 1 && first !== undefined
        ? this.#db.put(keyOf(first[0]), first[1], { sync: true })
        : this.#db.batch(
            entries.map(([index, value]) => ({ type: "put", key: keyOf(index), value })),
            { sync: true },
          );
    written.then(
      () => {
        this.isBusy = false;
        onDurable();
      },
      (error: unknown) => {
        console.error(error);
        process.exit(74);
      },
    );
  }
}

function keyOf(index: number): Bytes {
  const key = Buffer.allocUnsafe(8);
  key.writeUIntBE(0, 0, 2);
  key.writeUIntBE(index, 2, 6);
  return key;
}
