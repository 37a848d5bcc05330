import { fieldOf, integerField, seal, textField, unseal } from "./sealed.ts";
import type { BirthRecord, Identity, Membership } from "./storage.ts";

/** The two files that say whose a directory is. Each decodes to null when it is not as written. */
export function encodeIdentity(identity: Identity): Buffer {
  const { formatVersion, name, incarnation } = identity;
  return seal("identity", { formatVersion, name, incarnation });
}

export function decodeIdentity(bytes: Uint8Array): Identity | null {
  const record = unseal("identity", bytes);
  const formatVersion = integerField(record, "formatVersion");
  const name = textField(record, "name");
  const incarnation = textField(record, "incarnation");
  if (formatVersion === null || name === null || incarnation === null) return null;
  return { formatVersion, name, incarnation };
}

/** `incarnation` is that of the directory, which stands among the members unless it has joined. */
export function encodeBirth(membership: Membership, incarnation: string): Buffer {
  const { clusterId, epoch, members, joinedIndex } = membership;
  return seal("birth", { incarnation, clusterId, epoch, members, joinedIndex });
}

export function decodeBirth(
  bytes: Uint8Array,
): { membership: Membership; incarnation: string } | null {
  const read = unseal("birth", bytes);
  const incarnation = textField(read, "incarnation");
  const clusterId = textField(read, "clusterId");
  const epoch = integerField(read, "epoch");
  const members = membersOf(fieldOf(read, "members"));
  if (incarnation === null || clusterId === null || epoch === null || members === null) return null;
  // Before nodes could join there was no such field.
  const joinedIndex = integerField(read, "joinedIndex") ?? 0;
  return { membership: { clusterId, epoch, members, joinedIndex }, incarnation };
}

function membersOf(value: unknown): BirthRecord["members"] | null {
  if (!Array.isArray(value)) return null;
  const members: { name: string; incarnation: string }[] = [];
  for (const item of value as readonly unknown[]) {
    const name = textField(item, "name");
    const incarnation = textField(item, "incarnation");
    if (name === null || incarnation === null) return null;
    members.push({ name, incarnation });
  }
  return members;
}
