import promises, { type FileHandle } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { relative, resolve } from "node:path";
import type {
  KeyRange,
  KeyValueOperation,
  KeyValueStore,
} from "../../src/storage/key-value-store.ts";
import { openLevelStore } from "../../src/storage/level-store.ts";

/** Called in the place of each step that changes a data directory; calls `carryOut`, or does not. */
export type Around = (step: string, carryOut: () => Promise<unknown>) => Promise<unknown>;

const { mkdir, open, rename, rm } = promises;

/**
 * Puts `around` into this process, between the product and its disk: around Node's own functions for
 * files, as far as they are about `directory`, and around the writes of every LevelDB. The product
 * does not know of it; the steps are called as in `docs/storage.md`.
 */
export async function instrument(directory: string, around: Around): Promise<void> {
  instrumentFiles(resolve(directory), around);
  const place = `${directory}.probe`;
  const probe = await openLevelStore(place, { create: true });
  await probe.close();
  await rm(place, { recursive: true });
  instrumentStores(Object.getPrototypeOf(probe) as KeyValueStore, around);
}

function instrumentFiles(directory: string, around: Around): void {
  /** Null: not of the directory. */
  const nameOf = (path: unknown): string | null => {
    if (typeof path !== "string") return null;
    const name = relative(directory, resolve(path));
    if (name.startsWith("..")) return null;
    return name === "" ? "directory" : name;
  };
  const step = (
    verb: string,
    path: unknown,
    carryOut: () => Promise<unknown>,
  ): Promise<unknown> => {
    const name = nameOf(path);
    return name === null ? carryOut() : around(`${verb} ${name}`, carryOut);
  };
  const opened = async (...args: Parameters<typeof open>): Promise<FileHandle> => {
    const [path, flags] = args;
    const name = nameOf(path);
    let handle: FileHandle | null = null;
    const carryOut = async (): Promise<void> => {
      handle = await open(...args);
    };
    if (flags === "w") await step("make", path, carryOut);
    else await carryOut();
    if (handle === null) throw new Error(`${path} was not opened`);
    if (name !== null) instrumentHandle(handle, name, around);
    return handle;
  };
  Object.assign(promises, {
    open: opened,
    mkdir: (...args: Parameters<typeof mkdir>) => step("make", args[0], () => mkdir(...args)),
    rename: (...args: Parameters<typeof rename>) => step("rename", args[1], () => rename(...args)),
    rm: (...args: Parameters<typeof rm>) => step("remove", args[0], () => rm(...args)),
  });
  syncBuiltinESMExports();
}

function instrumentHandle(handle: FileHandle, name: string, around: Around): void {
  const verbs = { write: "write", writeFile: "write", sync: "sync", datasync: "sync" } as const;
  for (const [method, verb] of Object.entries(verbs)) {
    const plain = handle[method as keyof typeof verbs] as (...args: unknown[]) => Promise<unknown>;
    Object.assign(handle, {
      [method]: (...args: unknown[]) => around(`${verb} ${name}`, () => plain.apply(handle, args)),
    });
  }
}

function instrumentStores(prototype: KeyValueStore, around: Around): void {
  const { batch, compact } = prototype;
  Object.assign(prototype, {
    batch(this: KeyValueStore, operations: readonly KeyValueOperation[]) {
      return around(`batch ${kindsOf(operations)}`, () => batch.call(this, operations));
    },
    compact(this: KeyValueStore, range: KeyRange) {
      return around(`compact ${letterOf(range.from)}`, () => compact.call(this, range));
    },
  });
}

/** `put e, del e`: each once, in the order of the batch. */
export function kindsOf(operations: readonly KeyValueOperation[]): string {
  return [...new Set(operations.map(({ type, key }) => `${type} ${letterOf(key)}`))].join(", ");
}

function letterOf(key: Uint8Array): string {
  const text = Buffer.from(key).toString("latin1");
  return text.startsWith("m/") ? text : text.slice(0, 1);
}
