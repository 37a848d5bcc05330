import { createHash } from "node:crypto";
import { cp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import { kindsOf } from "../../jepsen-lite/crash-points/seam.ts";
import type { PersistRequest } from "../../src/raft/types.ts";
import { BLOCK_BYTES } from "../../src/storage/block.ts";
import type { FileSteps } from "../../src/storage/file-step.ts";
import {
  DIRECTORY_FILES,
  ENTRY_KEYS,
  encodeEntry,
  entryKey,
  FORMAT_KEY,
  FORMAT_VERSION,
  LOG_START,
} from "../../src/storage/layout.ts";
import { openLevelStore } from "../../src/storage/level-store.ts";
import { encodeMark } from "../../src/storage/mark-record.ts";
import { MarkSlots } from "../../src/storage/mark-slots.ts";
import { PersistPlanner, type PersistStep } from "../../src/storage/persist-plan.ts";
import {
  CHUNK_KEYS,
  chunkKey,
  encodeChunk,
  POINTER_KEY,
} from "../../src/storage/snapshot-layout.ts";
import { VoteCopies } from "../../src/storage/vote-copies.ts";
import { encodeVote, firstVote } from "../../src/storage/vote-record.ts";
import { commandCodec } from "../../src/wire/command-codec.ts";
import { unpackRow } from "../../src/wire/msgpack.ts";
import { snapshotCodec } from "../../src/wire/snapshot-codec.ts";
import {
  entriesBetween,
  hardState,
  snapshotAt,
  stage,
  switchTo,
  temporaryDirectory,
} from "../storage/fixture.ts";
import { firstPart, Story, secondPart, snapshotOf } from "../storage/format/story.ts";
import { blocksOf, readPage, rowsOf, sectionOf, TOP } from "./page.ts";

const page = readPage("docs/storage.md");
const KEPT = join(TOP, "test", "storage", "format-1");
const OWN = "ab".repeat(8);

const rows = (name: string): string[][] => rowsOf(page, name);

const ofFiles = (steps: FileSteps): string[] =>
  [...steps].map(({ type, file }) => `${type} ${file}`);

/** Requests to one planner, as the steps that the page names. */
class Steps {
  readonly #votes = VoteCopies.read(encodeVote(firstVote(OWN)), null, OWN)!;
  readonly #mark = MarkSlots.read(
    encodeMark({ position: LOG_START, votes: 0, write: 0, incarnation: OWN }),
    null,
    OWN,
  )!;
  readonly #planner = new PersistPlanner({
    loaded: {
      hardState: hardState(1),
      snapshot: null,
      logStart: { index: 0, term: 0 },
      entries: [],
      commitIndex: 0,
    },
    positions: [LOG_START],
    pointer: null,
    leftovers: [],
  });
  #write = 0;

  start(): string[] {
    return [...ofFiles(this.#votes.rewrite()), ...this.#of(this.#planner.startSteps(OWN))];
  }

  request(...parts: readonly Partial<PersistRequest>[]): string[] {
    return parts.flatMap((part) => {
      this.#write += 1;
      const none = { hardState: null, entries: [], commitIndex: 0, snapshot: null };
      return this.#of(this.#planner.plan({ ...none, ...part, write: this.#write }));
    });
  }

  sweep(): string[] {
    return [`batch ${kindsOf(this.#planner.sweep())}`];
  }

  #of(steps: readonly PersistStep[]): string[] {
    return steps.flatMap((step) => {
      switch (step.type) {
        case "vote":
          return ofFiles(this.#votes.write(step.hardState));
        case "mark":
          return ofFiles(this.#mark.set({ position: step.position, votes: 0 }));
        case "batch":
          return [`batch ${kindsOf(step.operations)}`];
        default:
          this.#mark.raise({ position: step.position, votes: 0 });
          return ofFiles(this.#mark.writeWanted()).map((text) => `${text}, later`);
      }
    });
  }
}

function derived(): Record<string, string[]> {
  const steps = new Steps();
  const start = steps.start();
  const vote = steps.request({ hardState: hardState(1, "a") });
  const append = steps.request({ entries: entriesBetween(1, 9, 1), commitIndex: 5 });
  steps.request({ hardState: hardState(2) });
  const truncate = steps.request({ entries: entriesBetween(8, 8, 2), commitIndex: 5 });
  const [own, former] = [snapshotAt(5, 1, 1), { index: 5, nonce: 1 }];
  const take = steps.request({ snapshot: stage(own) }, { snapshot: switchTo(own) });
  const cut = steps.request({ snapshot: { type: "cut", index: 5 } });
  const received = snapshotAt(7, 2, 2);
  const chain = "00112233445566ff";
  const install = steps.request(
    { snapshot: stage(received) },
    { snapshot: switchTo(received, chain) },
  );
  expect(steps.request({ snapshot: { type: "drop", id: former } })).toEqual([]);
  return { start, vote, append, truncate, take, cut, install, sweep: steps.sweep() };
}

/** What stands in the blocks `text n1/mark`: the lines of the records, as they are in the file. */
async function linesIn(place: string): Promise<string[]> {
  const [file = "", key] = place.split(" ");
  const content = key === undefined ? await readFile(join(KEPT, file)) : await valueIn(file, key);
  return content
    .toString("latin1")
    .split("\n")
    .filter((line) => line !== "");
}

async function valueIn(database: string, key: string): Promise<Buffer> {
  const path = join(await temporaryDirectory(), "db");
  await cp(join(KEPT, database), path, { recursive: true });
  const store = await openLevelStore(path, { create: false });
  try {
    return Buffer.from((await store.get(Buffer.from(key)))!);
  } finally {
    await store.close();
  }
}

describe("docs/storage.md", () => {
  test("names the version of the format", () => {
    expect(page).toContain(`The format is version ${FORMAT_VERSION}.`);
  });

  test("has every file of a directory, and no other", () => {
    expect(rows("files").map(([name]) => name)).toEqual(Object.values(DIRECTORY_FILES));
  });

  test("names only such files in what it says of crashes, with their generation or without", () => {
    const names = new Set<string>(Object.values(DIRECTORY_FILES));
    const tables = ["make", "birth", "aside", "rebuild", "give-up", "end"].map((name) =>
      sectionOf(page, `crash ${name}`),
    );
    const named = tables.flatMap((table) =>
      [...table.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name.replace(/\.\d$/, "")),
    );
    const others = [FORMAT_KEY.toString(), "rollcall discard-state"];
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((name) => !names.has(name) && !others.includes(name))).toEqual([]);
  });

  test("has records as they stand in the kept directories", async () => {
    const blocks = blocksOf(page).filter(({ language }) => language === "text");
    for (const { mark, text } of blocks) {
      expect(await linesIn(mark), mark).toEqual(text.trimEnd().split("\n"));
    }
    expect(blocks.length).toBe(7);
  });

  test("has the keys of the database, each as long as it is", () => {
    const bytes: Record<string, number> = {
      [ENTRY_KEYS.from.toString()]: entryKey(1).length,
      [FORMAT_KEY.toString()]: FORMAT_KEY.length,
      [POINTER_KEY.toString()]: POINTER_KEY.length,
      [Buffer.from(CHUNK_KEYS.from).toString()]: chunkKey({ index: 1, nonce: 1 }, 1).length,
    };
    const sums = rows("keys").map(([key = "", sum = ""]) => [
      key,
      sum.split(" + ").reduce((total, part) => total + Number(part), 0),
    ]);
    expect(Object.fromEntries(sums)).toEqual(bytes);
    expect(page).toContain(`whole blocks of ${BLOCK_BYTES.toLocaleString("en-US")} bytes`);
  });

  test("has the bytes of an entry and of a chunk where they are", () => {
    const data = Buffer.from("the data");
    const entry = { index: 0x0102, term: 0x0304, kind: "conf", data } as const;
    const { key, value, position } = encodeEntry(entry, "aabbccddeeff0011", 0x0506);
    const hexOf = (number: number) => number.toString(16).padStart(16, "0");
    const fields: [RegExp, string][] = [
      [/^CRC-32 of the key and of bytes 4 to 52/, crcOf(key, value.subarray(4, 52))],
      [/^commit index/, hexOf(0x0506)],
      [/^chain of this/, position.chain],
      [/^chain of the entry before/, "aabbccddeeff0011"],
      [/^index/, hexOf(0x0102)],
      [/^term/, hexOf(0x0304)],
      [/^kind: 0 noop, 1 commands, 2 conf/, hexOf(2)],
      [/^data/, data.toString("hex")],
    ];
    expectLayout("entry", value, fields);
    const chain = createHash("sha256").update(value.subarray(20)).digest("hex").slice(0, 16);
    expect(position.chain).toBe(chain);

    const chunk = encodeChunk({ index: 1, nonce: 2 }, 3, data);
    if (chunk.type !== "put") throw new Error("a chunk is put");
    expectLayout("chunk", Buffer.from(chunk.value), [
      [/^CRC-32 of the key and the data/, crcOf(chunk.key, data)],
      [/^data/, data.toString("hex")],
    ]);
  });

  test("has every command and every item of a snapshot, with its number and its fields", () => {
    const story = new Story();
    firstPart(story);
    const { chunks } = snapshotOf(story);
    secondPart(story);
    const commands = story.entries
      .filter(({ kind }) => kind === "commands")
      .flatMap(({ data }) => commandCodec.decodeBatch(data).commands);
    const tuples = commands.map((command) => ({
      name: command.type as string,
      tuple: unpackRow(commandCodec.encode(command))[0],
    }));
    expect(rows("commands").map(fieldsOf)).toEqual(shapesOf(tuples));
    const items = chunks.flatMap((chunk) => {
      const named = snapshotCodec.decodeChunk(chunk);
      return unpackRow(chunk).map((tuple, at) => ({ name: named[at]!.type as string, tuple }));
    });
    expect(rows("items").map(fieldsOf)).toEqual(shapesOf(items));
    const conf = unpackRow(story.entries.find(({ kind }) => kind === "conf")!.data)[0] as unknown[];
    const [, fields = ""] = /one tuple: `\[(.*?)\]`/.exec(page) ?? [];
    expect(fields.split(", ").length).toBe(conf.length);
  });

  const steps = derived();
  test.for(Object.keys(steps))("has the steps of %s as they are carried out", (name) => {
    expect(rows(`steps ${name}`).map(([step]) => step)).toEqual(steps[name]);
  });
});

/** Rows of offset, bytes and field; together they are the whole value. */
function expectLayout(name: string, value: Buffer, fields: readonly [RegExp, string][]): void {
  let at = 0;
  const found = rows(name).map(([offset, bytes, field = ""]) => {
    expect(Number(offset), field).toBe(at);
    const end = bytes === "…" ? value.length : at + Number(bytes);
    const hex = value.toString("hex", at, end);
    at = end;
    return [field, hex];
  });
  expect(at).toBe(value.length);
  expect(found).toEqual(fields.map(([field, hex]) => [expect.stringMatching(field), hex]));
}

function crcOf(...parts: readonly Uint8Array[]): string {
  return crc32(Buffer.concat(parts)).toString(16).padStart(8, "0");
}

const fieldsOf = ([name, number, fields = ""]: readonly string[]) => [
  name,
  Number(number),
  fields.split(", ").length,
];

/** Name, number and how many fields, each once, by number. */
function shapesOf(tuples: readonly { name: string; tuple: unknown }[]): unknown[] {
  const shapes = new Map(
    tuples.map(({ name, tuple }) => {
      const [number, ...fields] = tuple as [number, ...unknown[]];
      return [name, [name, number, fields.length]] as const;
    }),
  );
  return [...shapes.values()].sort((one, other) => one[1] - other[1]);
}
