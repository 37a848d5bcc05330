import { describeStorage } from "./contract.ts";
import { openBorn, temporaryDirectory } from "./fixture.ts";

describeStorage("LevelDB", async () => {
  const path = await temporaryDirectory();
  return {
    open: async () => {
      const directory = await openBorn(path);
      return directory.open();
    },
  };
});
