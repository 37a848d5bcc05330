import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openDirectory } from "../../src/storage/directory.ts";
import { inspectDirectory } from "../../src/storage/inspection.ts";
import { MarkFile } from "../../src/storage/mark-file.ts";
import { VoteCopies } from "../../src/storage/vote-copies.ts";
import { VoteFile } from "../../src/storage/vote-file.ts";
import {
  decodeVote,
  encodeVote,
  newerVote,
  type VoteRecord,
} from "../../src/storage/vote-record.ts";
import { hardState, random, request, temporaryDirectory, usedDirectory } from "./fixture.ts";

const OWN = "0123456789abcdef";
const COPIES = ["vote-a", "vote-b"] as const;

/** A directory in which n1 voted for `a` in term 5. */
async function votedDirectory(): Promise<string> {
  const directory = await temporaryDirectory();
  await VoteFile.create(directory, OWN);
  const file = await VoteFile.open(directory, OWN, null);
  await file.write(hardState(4, "z"));
  await file.write(hardState(5, "a"));
  await file.close();
  return directory;
}

async function voteIn(directory: string): Promise<{ vote: unknown; repaired: string | null }> {
  const file = await VoteFile.open(directory, OWN, null);
  await file.close();
  return { vote: file.hardState, repaired: file.repaired };
}

function record(term: number, write: number, vote: string | null = "a"): VoteRecord {
  return { term, vote, write, incarnation: OWN };
}

describe("the vote survives the loss of either copy:", () => {
  const losses: readonly [string, (path: string) => Promise<void>][] = [
    ["missing", (path) => rm(path)],
    ["empty", (path) => writeFile(path, "")],
    ["zeroed", (path) => writeFile(path, Buffer.alloc(4096))],
    [
      "torn",
      async (path) => {
        const content = await readFile(path);
        await writeFile(path, content.fill(0x55, 20, 60));
      },
    ],
  ];
  for (const copy of COPIES) {
    it.each(losses)(`${copy} %s`, async (_, lose) => {
      const directory = await votedDirectory();
      await lose(join(directory, copy));
      expect(await voteIn(directory)).toEqual({ vote: hardState(5, "a"), repaired: copy });
      expect(await voteIn(directory)).toEqual({ vote: hardState(5, "a"), repaired: null });
      await lose(join(directory, copy === "vote-a" ? "vote-b" : "vote-a"));
      expect((await voteIn(directory)).vote).toEqual(hardState(5, "a"));
    });
  }

  it("any byte of one copy flipped", async () => {
    const directory = await votedDirectory();
    const content = await readFile(join(directory, "vote-a"));
    fc.assert(
      fc.property(fc.nat(content.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const flipped = Buffer.from(content);
        flipped[at]! ^= mask;
        const decoded = decodeVote(flipped, OWN);
        if (decoded !== null) expect(decoded).toEqual(decodeVote(content, OWN));
      }),
    );
  });
});

describe("a vote file", () => {
  it("is refused when neither copy can be read", async () => {
    const directory = await votedDirectory();
    for (const copy of COPIES) await writeFile(join(directory, copy), "garbage");
    await expect(VoteFile.open(directory, OWN, null)).rejects.toMatchObject({ code: "DAMAGED" });
    for (const copy of COPIES) await rm(join(directory, copy));
    await expect(VoteFile.open(directory, OWN, null)).rejects.toMatchObject({ code: "DAMAGED" });
  });

  it("is refused when both copies are older than the mark knows, and left as it is", async () => {
    const path = await usedDirectory({ hardState: hardState(5, "a") });
    const former = join(path, "former");
    await mkdir(former);
    for (const copy of COPIES) await copyFile(join(path, copy), join(former, copy));
    const directory = await openDirectory(path, "n1", random);
    const { incarnation } = directory.identity;
    const { storage } = await directory.open();
    await storage.persist(request(1, { hardState: hardState(6, "b") }));
    await directory.close();
    for (const copy of COPIES) await copyFile(join(former, copy), join(path, copy));
    const older = await readFile(join(path, "vote-b"));
    const text =
      /vote-a and .*vote-b are older than the mark.*term and vote of this node are lost$/;
    for (const damage of [false, true]) {
      if (damage) await rm(join(path, "db", "CURRENT"));
      const again = await openDirectory(path, "n1", random);
      const look = damage ? again.salvage() : again.open();
      await expect(look).rejects.toMatchObject({
        code: "DAMAGED",
        message: expect.stringMatching(text),
      });
      await again.close();
      expect(await readFile(join(path, "vote-b"))).toEqual(older);
    }
    const { damages } = await inspectDirectory(path);
    const what = "it is older than the mark, which knows of a later vote";
    expect(damages.filter(({ text: why }) => why === what).map(({ file }) => file)).toEqual(COPIES);
    // One of them from before, and the other one unreadable, is no different.
    await rm(join(path, "vote-a"));
    const mark = await MarkFile.read(join(path, "mark"), incarnation);
    await expect(VoteFile.open(path, incarnation, mark)).rejects.toThrow(text);
  });

  it("of another directory is not believed", async () => {
    const directory = await votedDirectory();
    await expect(VoteFile.open(directory, "f".repeat(16), null)).rejects.toMatchObject({
      code: "DAMAGED",
    });
  });

  it("is read as the newer state when a crash fell between its copies", async () => {
    const directory = await votedDirectory();
    await copyFile(join(directory, "vote-b"), join(directory, "older"));
    const file = await VoteFile.open(directory, OWN, null);
    await file.write(hardState(6, "b"));
    await file.close();
    await copyFile(join(directory, "older"), join(directory, "vote-b"));
    expect((await voteIn(directory)).vote).toEqual(hardState(6, "b"));
    await rm(join(directory, "vote-a"));
    expect((await voteIn(directory)).vote).toEqual(hardState(6, "b"));
  });
});

describe("a start that reads a copy which was never synced", () => {
  const older = encodeVote(record(5, 1));
  const newer = encodeVote(record(6, 2));
  const torn = Buffer.alloc(4096, 0x55);
  const CASES = [
    ["vote-a", newer, older],
    ["vote-a", newer, torn],
    ["vote-a", newer, newer],
    ["vote-b", older, newer],
    ["vote-b", torn, newer],
  ] as const;

  // Killed while the copy was written, n1 starts, and the power goes while it writes the other one:
  // both would be torn.
  it.each(CASES)("syncs it before it touches the other one: %s", (kept, a, b) => {
    const steps = [...VoteCopies.read(a, b, OWN)!.rewrite()];
    const other = kept === "vote-a" ? "vote-b" : "vote-a";
    const content = expect.objectContaining({ length: 4096 });
    expect(steps).toEqual([
      { type: "sync", file: kept },
      { type: "write", file: other, block: 0, content },
      { type: "sync", file: other },
    ]);
    expect(steps[1]).toHaveProperty("content", newer);
  });
});

describe("of two readable copies", () => {
  it("the higher term wins, then the later write, whichever stands first", () => {
    const cases: readonly [VoteRecord, VoteRecord][] = [
      [record(6, 1), record(5, 9)],
      [record(5, 8, "b"), record(5, 7, null)],
    ];
    for (const [newer, older] of cases) {
      expect(newerVote(newer, older)).toBe(newer);
      expect(newerVote(older, newer)).toBe(newer);
      expect(newerVote(null, older)).toBe(older);
      expect(newerVote(older, null)).toBe(older);
    }
    expect(newerVote(null, null)).toBeNull();
  });

  it("each is a whole block, and comes back as it was written", () => {
    const encoded = encodeVote(record(7, 3, null));
    expect(encoded).toHaveLength(4096);
    expect(decodeVote(encoded, OWN)).toEqual(record(7, 3, null));
    expect(decodeVote(encoded, "f".repeat(16))).toBeNull();
  });
});
