import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { checkRoom } from "../../src/server/check-room.ts";
import { temporaryDirectory } from "../storage/fixture.ts";

const GIB = 2 ** 30;
const WANTED = {
  ...{ dataDir: "/not/there/yet", diskLowBytes: null, sessions: 7, stateBytes: 0 },
  otherwise: "--drop-sessions keeps what is persistent alone",
};

/** A disk of which something is mounted at /not alone. */
function disk(freeBytes: number) {
  return async (path: string) => (path === "/not" ? { freeBytes, totalBytes: 100 * GIB } : null);
}

it("a place for a new lineage has room for the sessions to come back", async () => {
  await checkRoom(WANTED, disk(GIB));
  await expect(checkRoom(WANTED, disk(GIB / 2))).rejects.toMatchObject({
    exitCode: 78,
    message: expect.stringMatching(
      /^the disk of \/not\/there\/yet would be low: 480 MiB of room, 512 MiB wanted; .* that are kept \(7\) would end$/,
    ),
    hint: expect.stringContaining("--drop-sessions"),
  });
});

it("no other way out is named where there is none", async () => {
  await expect(checkRoom({ ...WANTED, otherwise: "" }, disk(0))).rejects.toMatchObject({
    hint: expect.stringMatching(/^make room, or name another place\. --disk-low/),
  });
});

it("what a making that was cut short has left counts as room: it is removed first", async () => {
  const dataDir = await temporaryDirectory();
  const left = 4 * 2 ** 20;
  await mkdir(join(dataDir, "db"));
  await writeFile(join(dataDir, "db", "000005.ldb"), Buffer.alloc(left, 1));
  await writeFile(join(dataDir, "strange"), Buffer.alloc(left, 1));
  const totalBytes = 100 * GIB;
  const short = async () => ({ freeBytes: GIB / 2 + 32 * 2 ** 20 - left, totalBytes });
  await expect(checkRoom({ ...WANTED, dataDir }, short)).rejects.toThrow("508 MiB of room");
  await writeFile(join(dataDir, "unfinished"), "");
  await checkRoom({ ...WANTED, dataDir }, short);
});

it("what is to be written, and the reserve that it asks for, count", async () => {
  const stateBytes = GIB / 4;
  await expect(checkRoom({ ...WANTED, stateBytes }, disk(GIB))).rejects.toThrow("256 MiB of room");
  await checkRoom({ ...WANTED, stateBytes }, disk(2 * GIB));
});

it("a node that never calls its disk low, and one without sessions, are not looked at", async () => {
  await checkRoom({ ...WANTED, diskLowBytes: 0 }, disk(0));
  await checkRoom({ ...WANTED, sessions: 0 }, disk(0));
  await checkRoom(WANTED, async () => null);
});
