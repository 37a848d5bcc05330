import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "../util/assert.ts";
import { type Damage, damaged, LogDamaged } from "./damage.ts";
import { closeDatabase, type Database, lockDamaged, openDatabase } from "./database.ts";
import { asStorageError } from "./disk-errors.ts";
import {
  isThere,
  makeDirectory,
  readIfThere,
  syncDirectory,
  writeAtomically,
} from "./durable-file.ts";
import {
  databaseOf,
  decodeGeneration,
  FIRST_GENERATION,
  type Generation,
  generationOfFile,
  markOf,
} from "./generation.ts";
import { decodeBirth, decodeIdentity, encodeBirth } from "./identity.ts";
import type { KeyValueStore } from "./key-value-store.ts";
import { DIRECTORY_FILES, decodeFormat, FORMAT_KEY, FORMAT_VERSION } from "./layout.ts";
import { type OpenedStorage, openStorage, type StorageOptions } from "./level-storage.ts";
import { StoredSource } from "./log-source.ts";
import {
  checkIsUnused,
  type DirectoryRandom,
  makeContents,
  ownFiles,
  prepareToMake,
} from "./making.ts";
import { checkFinished, checkNotOver } from "./markers.ts";
import { laterInUse, setAsideDatabase, storeGeneration } from "./next-generation.ts";
import { damagedDirectoryAdvice, NEWER_FORMAT_ADVICE } from "./recovery-advice.ts";
import { beginReturn } from "./returning.ts";
import { Salvage } from "./salvage.ts";
import { type Scrubbed, scrub } from "./scrub.ts";
import type { RepairSource } from "./snapshot-source.ts";
import { type Identity, type Membership, type Returning, StorageError } from "./storage.ts";

const { identity: IDENTITY, birth: BIRTH, diverged: DIVERGED } = DIRECTORY_FILES;
const { database: DATABASE, creating: CREATING, generation: GENERATION } = DIRECTORY_FILES;
const { removed: REMOVED, outdated: OUTDATED } = DIRECTORY_FILES;
const { superseded: SUPERSEDED } = DIRECTORY_FILES;

/**
 * Opens the data directory of a node, and makes it when it is empty or missing. Until `close`, no
 * other process can open it.
 *
 * A directory is made before it is born, in steps of which each is on disk before the next begins:
 *
 * 1. the directory itself, and `creating` in it;
 * 2. an empty database with one synced record, the two vote files, the mark;
 * 3. `identity`, which says that all of these are there;
 * 4. `creating` goes.
 *
 * Cut before 3, the next start finds `creating` without `identity`: nothing was ever vouched for,
 * all is made again, under a new incarnation. Cut between 3 and 4, `identity` counts. From then on
 * nothing is ever created: what is missing has been lost, and the node refuses to start. The birth
 * itself is one file that is renamed into place (`bear`), so there is no half of it.
 *
 * A directory that was set aside (`setAside`) is opened without its log: see `returning.ts`.
 *
 * @param path the data directory
 * @param name of the node (`--id`); a directory keeps the one it was made with
 * @param isMaking a restore or a recovery makes it (`beginMaking`)
 * @throws StorageError LOCKED when another process has it open; FOREIGN when it is another node's,
 *   or a copy of another directory's parts; VERSION when a newer Rollcall wrote it; DAMAGED when
 *   something of it is missing or unreadable; REMOVED when its member was removed (`leave`);
 *   SUPERSEDED when its cluster has gone on without it; UNFINISHED when its making by a restore was
 *   cut short; DISK when it cannot be read or written.
 */
export async function openDirectory(
  path: string,
  name: string,
  random: DirectoryRandom,
  isMaking = false,
): Promise<DataDirectory> {
  let database: Database | null = null;
  try {
    await makeDirectory(path);
    const made = await readIdentity(path, name);
    await checkNotOver(path);
    if (!isMaking) await checkFinished(path);
    const identity = made ?? (await prepareToMake(path, name, random));
    let generation = await readGeneration(path, identity);
    database =
      made === null
        ? { store: await makeContents(path, identity), damage: null }
        : await openDatabase(join(path, databaseOf(generation.number)));
    // Behind the lock: another process may have been at work here until a moment ago.
    await checkSameGeneration(path, identity, generation);
    const birth = await readBirth(path, identity);
    if (database.damage !== null) {
      if (birth === null) throw new LogDamaged(path, database.damage);
    } else {
      const { store } = database;
      await checkFormat(path, store, identity);
      if (birth === null) await checkIsUnused(path, store, BIRTH);
      await removeCreating(path);
      if (birth !== null && (await isThere(join(path, DIVERGED)))) {
        const next = await beginReturn({ path, identity, birth, generation, store });
        if (next.damage === null) {
          generation = next.generation;
          database = { store: next.store, damage: null };
        } else {
          database = await lockDamaged(
            join(path, databaseOf(generation.number)),
            store,
            next.damage,
          );
        }
      }
    }
    const aside = await setAsideDatabase(path, generation);
    return new LevelDirectory({ path, identity, birth, generation, aside, database });
  } catch (error) {
    await closeDatabase(database);
    throw asStorageError(error, `${path} cannot be opened`);
  }
}

/** Whether nothing of a data directory is at `path` yet. Looks, and writes nothing. */
export async function isUnmade(path: string): Promise<boolean> {
  try {
    return !(await isThere(path)) || (await ownFiles(path)).length === 0;
  } catch (error) {
    throw asStorageError(error, `${path} cannot be opened`);
  }
}

export interface DataDirectory {
  readonly path: string;
  readonly identity: Identity;
  /** Null until the directory is part of a cluster. */
  readonly birth: Membership | null;
  /** Not null: this node is without the log that it had, and was not said to be back. */
  readonly returning: Returning | null;
  /** The database that was in use before this one and is kept, or null. */
  readonly aside: string | null;
  /** What is in it for members that repair theirs. */
  readonly source: RepairSource;
  /**
   * Writes down the cluster that this directory is part of from now on; resolves when that is on
   * disk. Does nothing when it was born into the same cluster before.
   *
   * @throws StorageError FOREIGN when it was born into another one, DISK.
   */
  bear(membership: Membership): Promise<void>;
  /**
   * The log of a directory that is born, verified, and where to write on. Once an opening.
   *
   * @throws LogDamaged when the log is not what was written, StorageError DISK; the reason of
   *   `options.signal`.
   */
  open(options?: StorageOptions): Promise<OpenedStorage>;
  /**
   * What is left of a log that `open` has found damaged. Once it is rebuilt or set aside, close this
   * directory and open it again. `signal` cuts it short.
   *
   * @throws StorageError DAMAGED when nobody can say how far the log reached; the reason of `signal`.
   */
  salvage(signal?: AbortSignal): Promise<Salvage>;
  /**
   * The next opening uses neither log nor snapshot again: the state is wrong, as `text` says to
   * people. Resolves when that is on disk.
   *
   * @throws StorageError DISK.
   */
  setAside(text: string): Promise<void>;
  /**
   * No start uses this directory again: its member was removed from the cluster, as `text` says to
   * people. Resolves when that is on disk.
   *
   * @throws StorageError DISK.
   */
  leave(text: string): Promise<void>;
  /**
   * No start uses this directory again: its cluster has gone on in a higher epoch, as `text` says to
   * people. Resolves when that is on disk.
   *
   * @throws StorageError DISK.
   */
  supersede(text: string): Promise<void>;
  /**
   * No start uses this directory again: it is older than what its member has acknowledged, as `text`
   * says to people. Resolves when that is on disk.
   *
   * @throws StorageError DISK.
   */
  giveUp(text: string): Promise<void>;
  /**
   * This node has again what it had, and a majority agrees on it. Resolves when that is on disk.
   *
   * @throws StorageError DISK.
   */
  returned(): Promise<void>;
  /** Reads what is at rest in it once more: see `scrub`. */
  scrub(nowMs: number, pause: () => Promise<void>): AsyncIterable<Scrubbed>;
  /** Closes the storage too, and lets others in. */
  close(): Promise<void>;
}

interface Contents {
  readonly path: string;
  readonly identity: Identity;
  readonly birth: Membership | null;
  readonly generation: Generation;
  readonly aside: string | null;
  readonly database: Database;
}

class LevelDirectory implements DataDirectory {
  readonly path: string;
  readonly identity: Identity;
  readonly aside: string | null;
  readonly source: RepairSource;
  #database: Database;
  #birth: Membership | null;
  #generation: Generation;
  #opened: OpenedStorage | null = null;
  #isOpen = false;

  constructor({ path, identity, birth, generation, aside, database }: Contents) {
    this.path = path;
    this.identity = identity;
    this.aside = aside;
    const storeInUse = () => (this.#database.damage === null ? this.#database.store : null);
    this.source = new StoredSource(storeInUse, aside);
    this.#birth = birth;
    this.#generation = generation;
    this.#database = database;
  }

  get returning(): Returning | null {
    return this.#generation.returning;
  }

  get birth(): Membership | null {
    return this.#birth;
  }

  async bear(membership: Membership): Promise<void> {
    const own = this.identity.incarnation;
    if (this.#birth !== null) {
      const { clusterId } = this.#birth;
      if (clusterId === membership.clusterId) return;
      throw new StorageError(
        "FOREIGN",
        `${this.path} belongs to cluster ${clusterId}, not to ${membership.clusterId}`,
        "Start the node with the members of its own cluster (--bootstrap), or give it another --data.",
      );
    }
    await this.#write(BIRTH, encodeBirth(membership, own));
    this.#birth = membership;
  }

  async open(options: StorageOptions = {}): Promise<OpenedStorage> {
    assert(this.#birth !== null, "a directory is born before its log is opened");
    assert(!this.#isOpen, "a log is opened once");
    this.#isOpen = true;
    const { incarnation } = this.identity;
    if (this.#database.damage !== null) throw new LogDamaged(this.path, this.#database.damage);
    const { store } = this.#database;
    const markPath = join(this.path, markOf(this.#generation.number));
    const place = { directory: this.path, markPath, incarnation, store };
    try {
      this.#opened = await openStorage(place, options);
      return this.#opened;
    } catch (error) {
      // LevelDB merges its tables by itself; what is left is read without it.
      if (error instanceof LogDamaged) await this.#lock(store, error.damage);
      throw error;
    }
  }

  async salvage(signal?: AbortSignal): Promise<Salvage> {
    const { path, identity } = this;
    assert(this.#birth !== null && this.#opened === null, "only a damaged log is salvaged");
    const generation = this.#generation;
    return Salvage.read({ path, identity, birth: this.#birth, generation }, signal);
  }

  scrub(nowMs: number, pause: () => Promise<void>): AsyncIterable<Scrubbed> {
    const { number } = this.#generation;
    const place = { database: databaseOf(number), mark: markOf(number), nowMs };
    const { incarnation } = this.identity;
    return scrub({ path: this.path, incarnation, ...place }, pause);
  }

  setAside(text: string): Promise<void> {
    return this.#write(DIVERGED, Buffer.from(`${text}\n`, "utf8"));
  }

  leave(text: string): Promise<void> {
    return this.#write(REMOVED, Buffer.from(`${text}\n`, "utf8"));
  }

  supersede(text: string): Promise<void> {
    return this.#write(SUPERSEDED, Buffer.from(`${text}\n`, "utf8"));
  }

  giveUp(text: string): Promise<void> {
    return this.#write(OUTDATED, Buffer.from(`${text}\n`, "utf8"));
  }

  async returned(): Promise<void> {
    this.#generation = { ...this.#generation, returning: null };
    try {
      await storeGeneration(this.path, this.#generation, this.identity.incarnation);
    } catch (error) {
      throw asStorageError(error, `${join(this.path, GENERATION)} cannot be written`);
    }
  }

  async close(): Promise<void> {
    if (this.#opened !== null) await this.#opened.storage.close();
    else await closeDatabase(this.#database);
  }

  async #lock(store: KeyValueStore, damage: Damage): Promise<void> {
    const database = join(this.path, databaseOf(this.#generation.number));
    this.#database = await lockDamaged(database, store, damage);
  }

  async #write(name: string, content: Uint8Array): Promise<void> {
    try {
      await writeAtomically(this.path, name, content);
    } catch (error) {
      throw asStorageError(error, `${join(this.path, name)} cannot be written`);
    }
  }
}

/** Null when the directory has never been made. */
async function readIdentity(path: string, name: string): Promise<Identity | null> {
  const file = join(path, IDENTITY);
  const content = await readIfThere(file);
  if (content === null) return null;
  const identity = decodeIdentity(content);
  if (identity === null) throw damaged(path, `${file} is not as it was written`);
  checkVersion(path, identity.formatVersion);
  if (identity.name !== name) {
    throw new StorageError(
      "FOREIGN",
      `${path} belongs to node ${identity.name}, not to ${name}`,
      `Start it with --id ${identity.name}, or give ${name} a --data of its own.`,
    );
  }
  return identity;
}

async function readGeneration(path: string, identity: Identity): Promise<Generation> {
  const generation = await storedGeneration(path, identity);
  const later = await laterInUse(path, identity.incarnation, generation);
  if (later === null) return generation;
  throw damaged(path, `${join(path, GENERATION)} is older than ${later}, which was in use`);
}

/** Without the file it is the first, unless there is something of a later one and nothing says why. */
async function storedGeneration(path: string, identity: Identity): Promise<Generation> {
  const file = join(path, GENERATION);
  const content = await readIfThere(file);
  if (content === null) {
    const later = (await readdir(path)).find((entry) => (generationOfFile(entry) ?? 0) > 0);
    if (later === undefined || (await isThere(join(path, DIVERGED)))) return FIRST_GENERATION;
    throw damaged(path, `${path} has ${later} but no ${file}`);
  }
  const read = decodeGeneration(content);
  if (read === null) throw damaged(path, `${file} is not as it was written`);
  if (read.incarnation !== identity.incarnation) throw copied(path, file, read.incarnation);
  return read.generation;
}

async function checkSameGeneration(
  path: string,
  identity: Identity,
  { number }: Generation,
): Promise<void> {
  if ((await readGeneration(path, identity)).number === number) return;
  throw new StorageError("LOCKED", `${path} was in use by another process`, "Start it again.");
}

async function readBirth(path: string, identity: Identity): Promise<Membership | null> {
  const file = join(path, BIRTH);
  const content = await readIfThere(file);
  if (content === null) return null;
  const read = decodeBirth(content);
  if (read === null) throw damaged(path, `${file} is not as it was written`);
  if (read.incarnation !== identity.incarnation) throw copied(path, file, read.incarnation);
  return read.membership;
}

async function checkFormat(path: string, store: KeyValueStore, identity: Identity): Promise<void> {
  const content = await store.get(FORMAT_KEY);
  const format = content === null ? null : decodeFormat(content);
  if (format === null) {
    throw damaged(path, `${join(path, DATABASE)} does not say whose it is`);
  }
  checkVersion(path, format.formatVersion);
  if (format.incarnation !== identity.incarnation) {
    throw copied(path, join(path, DATABASE), format.incarnation);
  }
}

function checkVersion(path: string, formatVersion: number): void {
  if (formatVersion <= FORMAT_VERSION) return;
  throw new StorageError(
    "VERSION",
    `${path} has format ${formatVersion}; this Rollcall knows formats up to ${FORMAT_VERSION}`,
    NEWER_FORMAT_ADVICE,
  );
}

function copied(path: string, file: string, incarnation: string): StorageError {
  return new StorageError(
    "FOREIGN",
    `${file} belongs to the data directory with incarnation ${incarnation}`,
    damagedDirectoryAdvice(path, "Parts of different data directories cannot be mixed."),
  );
}

/** Once `identity` is there. Gone for good, or a directory that loses it would be made again. */
async function removeCreating(path: string): Promise<void> {
  if (!(await isThere(join(path, CREATING)))) return;
  await rm(join(path, CREATING), { force: true });
  await syncDirectory(path);
}
