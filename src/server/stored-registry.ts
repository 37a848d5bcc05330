import { RegistryBuilder } from "../registry/builder.ts";
import { Registry } from "../registry/registry.ts";
import type { LoadedLog, Storage } from "../storage/storage.ts";
import { snapshotCodec } from "../wire/snapshot-codec.ts";

/** The state as of the stored snapshot. `signal` cuts it short: it rejects with the reason. */
export async function storedRegistry(
  { snapshot }: Pick<LoadedLog, "snapshot">,
  storage: Pick<Storage, "chunks">,
  signal?: AbortSignal,
): Promise<Registry> {
  if (snapshot === null) {
    return new Registry();
  }
  const builder = new RegistryBuilder();
  for await (const chunk of storage.chunks()) {
    signal?.throwIfAborted();
    for (const item of snapshotCodec.decodeChunk(chunk)) {
      builder.add(item);
    }
  }
  return builder.finish(snapshot.digest);
}
