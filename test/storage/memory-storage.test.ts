import { MemoryDisk, MemoryStorage } from "../../src/storage/memory-storage.ts";
import { describeStorage } from "./contract.ts";

describeStorage("memory", async () => {
  const disk = new MemoryDisk("0123456789abcdef");
  return { open: async () => MemoryStorage.open(disk) };
});
