import { MemoryDisk, MemoryStorage } from "../../src/storage/memory-storage.ts";
import { type Disk, describeStorage } from "./contract.ts";
import { describeSnapshots } from "./snapshot-contract.ts";

async function makeDisk(): Promise<Disk> {
  const disk = new MemoryDisk("0123456789abcdef");
  return { open: async () => MemoryStorage.open(disk) };
}

describeStorage("memory", makeDisk);
describeSnapshots("memory", makeDisk);
