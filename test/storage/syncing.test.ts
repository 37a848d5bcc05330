import { type FileHandle, open, readlink } from "node:fs/promises";
import { join } from "node:path";
import { Level } from "level";
import { afterEach, describe, expect, it, vi } from "vitest";
import { VoteFile } from "../../src/storage/vote-file.ts";
import { encodeVote } from "../../src/storage/vote-record.ts";
import { entry, hardState, openBorn, random, request, temporaryDirectory } from "./fixture.ts";

const OWN = "0123456789abcdef";

/** What all file handles of the process do, so that it can be listened to or broken. */
async function fileHandles(): Promise<FileHandle> {
  const handle = await open(await temporaryDirectory(), "r");
  await handle.close();
  return Object.getPrototypeOf(handle) as FileHandle;
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe("what a node vouches for is synced:", () => {
  it("every write asks LevelDB for it, those of a birth and of a start too", async () => {
    const [put, batch] = [vi.spyOn(Level.prototype, "put"), vi.spyOn(Level.prototype, "batch")];
    const options = () => [
      ...put.mock.calls.map((call: unknown[]) => call[2]),
      ...batch.mock.calls.map((call: unknown[]) => call[1]),
    ];
    const path = await temporaryDirectory();
    const directory = await openBorn(path);
    const { storage } = await directory.open();
    const started = options().length;
    expect(started).toBeGreaterThanOrEqual(2);
    await storage.persist(request(1, { hardState: hardState(1), entries: [entry(1, 1)] }));
    await storage.persist(request(2, { entries: [entry(2, 1)] }));
    await storage.persist(request(3, { hardState: hardState(2), entries: [entry(2, 2)] }));
    await storage.close();
    expect(put.mock.calls.length).toBeGreaterThanOrEqual(2);
    expect(options()).toEqual(Array.from({ length: started + 3 }, () => ({ sync: true })));
  });

  it.skipIf(process.platform !== "linux")(
    "a vote is written and synced in one copy, and only then in the other",
    async () => {
      const directory = await temporaryDirectory();
      await VoteFile.create(directory, OWN);
      const file = await VoteFile.open(directory, OWN, null);
      const handles = await fileHandles();
      const done: string[] = [];
      const listenTo = (name: "write" | "datasync"): void => {
        const real = handles[name] as (...args: unknown[]) => Promise<unknown>;
        vi.spyOn(handles, name).mockImplementation(async function (
          this: FileHandle,
          ...args: unknown[]
        ) {
          const path = await readlink(`/proc/self/fd/${this.fd}`);
          const result = await real.apply(this, args);
          done.push(`${name} ${path.slice(directory.length + 1)}`);
          return result;
        } as never);
      };
      listenTo("write");
      listenTo("datasync");
      await file.write(hardState(5, "a"));
      const written = done.splice(0);
      await file.close();
      expect(written).toEqual([
        "write vote-a",
        "datasync vote-a",
        "write vote-b",
        "datasync vote-b",
      ]);
    },
  );
});

describe("a crash while the copies of a vote are written again at a start", () => {
  const CASES = [
    ["vote-a", "newer"],
    ["vote-b", "newer"],
    ["vote-a", "only"],
    ["vote-b", "only"],
  ] as const;

  it.each(CASES)("leaves the vote, though %s has the %s good one", async (good, kind) => {
    const directory = await temporaryDirectory();
    await VoteFile.create(directory, OWN);
    const file = await VoteFile.open(directory, OWN, null);
    await file.write(hardState(4, "z"));
    await file.write(hardState(5, "a"));
    await file.close();
    const other = await open(join(directory, good === "vote-a" ? "vote-b" : "vote-a"), "r+");
    if (kind === "only") {
      await other.write(random.bytes(4096), 0, 4096, 0);
    } else {
      // The crash of before fell between the copies: this one has the state of then.
      const older = encodeVote({ ...hardState(4, "z"), write: 1, incarnation: OWN });
      await other.write(older, 0, older.length, 0);
    }
    await other.close();

    const handles = await fileHandles();
    const write = handles.write as (...args: unknown[]) => Promise<unknown>;
    vi.spyOn(handles, "write").mockImplementation(async function (this: FileHandle) {
      await write.call(this, Buffer.alloc(2048, 0x55), 0, 2048, 0);
      throw new Error("the power went");
    } as never);
    await expect(VoteFile.open(directory, OWN, null)).rejects.toThrow("the power went");
    vi.restoreAllMocks();

    const again = await VoteFile.open(directory, OWN, null);
    expect(again.hardState).toEqual(hardState(5, "a"));
    await again.close();
  });
});
