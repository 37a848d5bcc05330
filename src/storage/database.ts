import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Damage, damaged } from "./damage.ts";
import { badFilesOf } from "./database-files.ts";
import { isThere } from "./durable-file.ts";
import type { KeyValueStore } from "./key-value-store.ts";
import { lockOf } from "./level-copy.ts";
import { openLevelStore } from "./level-store.ts";
import { StorageError } from "./storage.ts";

/** A LevelDB that was opened, or one that cannot be, and is locked. */
export type Database =
  | { readonly store: KeyValueStore; readonly damage: null }
  | { readonly lock: { close(): Promise<void> }; readonly damage: Damage };

/**
 * LevelDB does not see files that are not as they were written: of some it loses parts without a
 * word, and over others it aborts the process.
 */
export async function openDatabase(database: string): Promise<Database> {
  try {
    if (!(await isThere(database))) throw damaged(dirname(database), `${database} is missing`);
    const bad = await badFilesOf(database);
    if (bad.length === 0) {
      return { store: await openLevelStore(database, { create: false }), damage: null };
    }
    const [first] = bad;
    const more = bad.length === 1 ? "" : `, and ${bad.length - 1} more`;
    throw damaged(dirname(database), `${join(database, first?.file ?? "")}: ${first?.text}${more}`);
  } catch (error) {
    if (!(error instanceof StorageError) || error.code !== "DAMAGED") throw error;
    const lock = await holdLock(database);
    return { lock, damage: { what: "database", text: error.message } };
  }
}

/** Of one that was opened, and of which something was found wrong: nobody writes to it any more. */
export async function lockDamaged(
  database: string,
  store: KeyValueStore,
  damage: Damage,
): Promise<Database> {
  await store.close();
  return { lock: await holdLock(database), damage };
}

export async function closeDatabase(database: Database | null): Promise<void> {
  if (database === null) return;
  if (database.damage === null) await database.store.close();
  else await database.lock.close();
}

/**
 * Holds the lock of a database that cannot be opened, so that no other process repairs it too. Where
 * there is no room for what that takes, nothing is locked: the damage is the news.
 *
 * @throws StorageError LOCKED
 */
async function holdLock(database: string): Promise<{ close(): Promise<void> }> {
  const scratch = await mkdtemp(join(tmpdir(), "rollcall-lock-")).catch(() => null);
  if (scratch === null) return { close: async () => {} };
  const lock = await lockOf(database, join(scratch, "lock")).catch(async (error: unknown) => {
    await rm(scratch, { recursive: true, force: true });
    throw error;
  });
  return {
    close: async () => {
      await lock?.close();
      await rm(scratch, { recursive: true, force: true });
    },
  };
}
