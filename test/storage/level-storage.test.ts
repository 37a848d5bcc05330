import { expect, it } from "vitest";
import { storedRegistry } from "../../src/server/stored-registry.ts";
import { type Disk, describeStorage } from "./contract.ts";
import {
  chunkOf,
  entriesBetween,
  hardState,
  openBorn,
  snapshotAt,
  temporaryDirectory,
  usedDirectory,
} from "./fixture.ts";
import { describeSnapshots } from "./snapshot-contract.ts";

async function makeDisk(): Promise<Disk> {
  const path = await temporaryDirectory();
  return {
    open: async () => {
      const directory = await openBorn(path);
      return directory.open();
    },
  };
}

describeStorage("LevelDB", makeDisk);
describeSnapshots("LevelDB", makeDisk);

it("the reading of a log, and of a snapshot, is cut short with the reason that is given", async () => {
  const path = await usedDirectory({ hardState: hardState(1), entries: entriesBetween(1, 3, 1) });
  const abort = new AbortController();
  abort.abort(new Error("stopped"));
  const { signal } = abort;
  const directory = await openBorn(path);
  await expect(directory.open({ signal })).rejects.toBe(signal.reason);
  await directory.close();
  const snapshot = snapshotAt(3, 1, 7);
  const stored = {
    chunks: async function* () {
      yield chunkOf(snapshot, 0);
    },
  };
  await expect(storedRegistry({ snapshot }, stored, signal)).rejects.toBe(signal.reason);
});
