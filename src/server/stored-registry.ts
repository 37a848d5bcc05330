import { RegistryBuilder } from "../registry/builder.ts";
import { Registry } from "../registry/registry.ts";
import type { LoadedLog, Storage } from "../storage/storage.ts";
import { snapshotCodec } from "../wire/snapshot-codec.ts";

/** The state as of the stored snapshot. */
export async function storedRegistry(
  { snapshot }: Pick<LoadedLog, "snapshot">,
  storage: Pick<Storage, "chunks">,
): Promise<Registry> {
  if (snapshot === null) {
    return new Registry();
  }
  const builder = new RegistryBuilder();
  for await (const chunk of storage.chunks()) {
    for (const item of snapshotCodec.decodeChunk(chunk)) {
      builder.add(item);
    }
  }
  return builder.finish(snapshot.digest);
}
