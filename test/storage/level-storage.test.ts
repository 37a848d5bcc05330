import { type Disk, describeStorage } from "./contract.ts";
import { openBorn, temporaryDirectory } from "./fixture.ts";
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
