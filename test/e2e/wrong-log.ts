import { join } from "node:path";
import { openDirectory } from "../../src/storage/directory.ts";
import type { LogPosition } from "../../src/storage/layout.ts";
import {
  bufferOf,
  type Chain,
  DIRECTORY_FILES,
  decodeEntry,
  ENTRY_KEYS,
  encodeEntry,
} from "../../src/storage/layout.ts";
import { openLevelStore } from "../../src/storage/level-store.ts";
import { MarkFile } from "../../src/storage/mark-file.ts";
import { commandCodec } from "../../src/wire/command-codec.ts";

const TIMERS = {
  after: () => {
    throw new Error("a mark that is set is not raised");
  },
};

/**
 * In the directory of a node that is down, which has taken no snapshot yet: every registration of
 * `addr` gets the weight 7, and the log is made whole around that. What the node makes of its log is
 * then not what the others make of theirs, and nothing on its disk shows it.
 */
export async function falsify(dataDir: string, name: string, addr: string): Promise<void> {
  const directory = await openDirectory(dataDir, name, { bytes: () => new Uint8Array() });
  const { incarnation } = directory.identity;
  await directory.close();
  const store = await openLevelStore(join(dataDir, DIRECTORY_FILES.database), { create: false });
  let chain: Chain | null = null;
  let last: LogPosition | null = null;
  let changed = 0;
  for await (const [key, value] of store.iterate(ENTRY_KEYS)) {
    const decoded = decodeEntry(key, value);
    if (decoded === null) throw new Error(`${dataDir} has an entry that cannot be read`);
    const { entry, previous, commitIndex } = decoded;
    let { data } = entry;
    if (entry.kind === "commands" && bufferOf(data).includes(addr)) {
      const { atMs, commands } = commandCodec.decodeBatch(data);
      data = commandCodec.encodeBatch(
        atMs,
        commands.map((command) => {
          if (command.type !== "register") return commandCodec.encode(command);
          const instances = command.instances.map((spec) => ({ ...spec, weight: 7 }));
          return commandCodec.encode({ ...command, instances });
        }),
      );
      changed += 1;
    }
    const written = encodeEntry({ ...entry, data }, chain ?? previous, commitIndex);
    await store.batch([{ type: "put", key: written.key, value: written.value }]);
    chain = written.position.chain;
    last = written.position;
  }
  await store.close();
  if (changed === 0 || last === null) throw new Error(`${addr} is in no entry of ${dataDir}`);
  const mark = await MarkFile.open(
    join(dataDir, DIRECTORY_FILES.mark),
    incarnation,
    TIMERS,
    () => {},
  );
  await mark.set({ position: last, votes: 0 });
  await mark.close();
}
