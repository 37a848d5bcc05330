import { confOf } from "../../src/raft/conf-state.ts";
import type { ConfMember } from "../../src/raft/types.ts";
import { RegistryBuilder } from "../../src/registry/builder.ts";
import { Registry } from "../../src/registry/registry.ts";
import type { Restored } from "../../src/replica/inputs.ts";
import type { Opened } from "../../src/storage/memory-storage.ts";
import { snapshotCodec } from "../../src/wire/snapshot-codec.ts";

/** What a replica starts with, out of what its disk has loaded. */
export function restoredOf(opened: Opened, voters: readonly string[]): Restored {
  const { loaded, log, lostEnd } = opened;
  const { snapshot } = loaded;
  const builder = new RegistryBuilder();
  for (const chunk of log.chunks()) {
    for (const item of snapshotCodec.decodeChunk(chunk)) {
      builder.add(item);
    }
  }
  return {
    ...loaded,
    lostEnd,
    snapshot: snapshot ?? { index: 0, term: 0, conf: confOf(voters.map(memberOf)) },
    registry: snapshot === null ? new Registry() : builder.finish(snapshot.digest),
  };
}

function memberOf(id: string): ConfMember {
  return { id, name: id, address: "" };
}
