import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { RegistryBuilder } from "../../src/registry/builder.ts";
import type { Registry } from "../../src/registry/registry.ts";
import { BLOCK_BYTES } from "../../src/storage/block.ts";
import { openDirectory } from "../../src/storage/directory.ts";
import { decodeIdentity, encodeIdentity } from "../../src/storage/identity.ts";
import { encodeFormat, FORMAT_KEY, FORMAT_VERSION } from "../../src/storage/layout.ts";
import type { OpenedStorage } from "../../src/storage/level-storage.ts";
import { openLevelStore } from "../../src/storage/level-store.ts";
import { decodeMark, laterMark } from "../../src/storage/mark-record.ts";
import { confIn } from "../../src/storage/returning.ts";
import { commandCodec } from "../../src/wire/command-codec.ts";
import { snapshotCodec } from "../../src/wire/snapshot-codec.ts";
import { random, temporaryDirectory } from "./fixture.ts";

/** Kept as the first format was written, for ever; see `format/make.ts`. */
const KEPT = fileURLToPath(new URL("format-1", import.meta.url));

type Expected = Record<"n1" | "n2", Readonly<Record<string, unknown>>>;
const expected = JSON.parse(await readFile(join(KEPT, "expected.json"), "utf8")) as Expected;

async function copyOf(name: string): Promise<string> {
  const path = join(await temporaryDirectory(), name);
  await cp(join(KEPT, name), path, { recursive: true });
  return path;
}

/** Of the generation in use, both of whose slots can be read. */
async function markIn(path: string, incarnation: string): Promise<object | undefined> {
  const files = (await readdir(path)).filter((file) => file.startsWith("mark")).sort();
  const content = await readFile(join(path, files.at(-1)!));
  expect(content.length).toBe(2 * BLOCK_BYTES);
  const slots = [content.subarray(0, BLOCK_BYTES), content.subarray(BLOCK_BYTES)];
  const marks = slots.map((slot) => decodeMark(slot, incarnation));
  expect(marks).not.toContain(null);
  const { index, term } = laterMark(marks[0]!, marks[1]!)!.position;
  return { index, term };
}

/** What a start makes of the snapshot and of every entry behind it. */
async function stateOf({ loaded, storage }: OpenedStorage): Promise<Registry> {
  const builder = new RegistryBuilder();
  for await (const chunk of storage.chunks()) {
    for (const item of snapshotCodec.decodeChunk(chunk)) builder.add(item);
  }
  const registry = builder.finish(loaded.snapshot?.digest ?? "");
  for (const { index, term, kind, data } of loaded.entries) {
    if (index <= (loaded.snapshot?.index ?? 0) || kind !== "commands") continue;
    const { atMs, commands } = commandCodec.decodeBatch(data);
    for (const command of commands) registry.apply({ index, term, atMs }, command);
  }
  registry.checkInvariants();
  return registry;
}

function described(registry: Registry): object {
  const instances = registry
    .applications("default")
    .flatMap((application) =>
      registry.select({ namespace: "default", application, protocol: null, meta: [] }),
    );
  const { revision, sessionCount: sessions } = registry;
  return { revision, digest: registry.digest(), sessions, instances };
}

describe("the directories of format 1", () => {
  for (const name of ["n1", "n2"] as const) {
    it(`${name} is opened, with all that was written into it`, async () => {
      const path = await copyOf(name);
      const directory = await openDirectory(path, name, random);
      const { identity, birth, returning } = directory;
      const mark = await markIn(path, identity.incarnation);
      const opened = await directory.open();
      const { entries, ...loaded } = opened.loaded;
      const withHex = entries.map(({ data, ...entry }) => ({
        ...entry,
        data: Buffer.from(data).toString("hex"),
      }));
      const state = loaded.snapshot === null ? null : described(await stateOf(opened));
      const log = { ...loaded, entries: withHex, conf: confIn(opened.loaded), mark };
      await directory.close();
      expect(opened.repairs).toEqual([]);
      expect({ identity, birth, returning, ...log, state }).toEqual(expected[name]);
    });
  }
});

describe("a directory of a later format", () => {
  const later = FORMAT_VERSION + 1;

  async function expectRefused(path: string): Promise<void> {
    await expect(openDirectory(path, "n1", random)).rejects.toMatchObject({
      code: "VERSION",
      message: `${path} has format ${later}; this Rollcall knows formats up to ${FORMAT_VERSION}`,
      hint: expect.stringMatching(
        /^Start it with the Rollcall that wrote it, or a newer one: .* not damaged\.$/,
      ),
    });
  }

  it("is refused by its identity, and nothing of it is touched", async () => {
    const path = await copyOf("n1");
    const identity = decodeIdentity(await readFile(join(path, "identity")))!;
    const content = encodeIdentity({ ...identity, formatVersion: later });
    await writeFile(join(path, "identity"), content);
    // What stands in it may mean something else by then.
    await writeFile(join(path, "birth"), "of another layout");
    await expectRefused(path);
    expect(await readFile(join(path, "identity"))).toEqual(content);
  });

  it("is refused by its database", async () => {
    const path = await copyOf("n1");
    const { incarnation } = decodeIdentity(await readFile(join(path, "identity")))!;
    const store = await openLevelStore(join(path, "db"), { create: false });
    const value = encodeFormat({ formatVersion: later, incarnation });
    await store.batch([{ type: "put", key: FORMAT_KEY, value }]);
    await store.close();
    await expectRefused(path);
  });
});
