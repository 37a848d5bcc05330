import type { Content, Key, WriteCall } from "../history.ts";
import {
  acknowledged,
  hasFailed,
  type Operation,
  type Recorded,
  type Session,
} from "./recorded.ts";

/**
 * With whose end each content goes: with the session that registered it; an update leaves its
 * instance to who had it, so there it is the owner of what was compared with, and otherwise any
 * session that registered the key. None, where it belongs to no session. O(writes × sessions of a key).
 */
export function ownersOf({ writes, sessions }: Recorded): (content: Content) => readonly Session[] {
  const registered = new Map<Key, Set<Session>>();
  const owners = new Map<Content, readonly Session[]>();
  const contentAt = new Map<string, Content>();
  for (const write of writes) {
    const session = sessions.get(write.call.session);
    const answer = acknowledged(write);
    for (const { key, content } of write.call.puts) {
      if (answer !== null) {
        contentAt.set(`${answer.revision} ${key}`, content);
      }
      if (isRegistration(write) && session !== undefined) {
        owners.set(content, [session]);
        registered.set(key, (registered.get(key) ?? new Set()).add(session));
      }
    }
  }
  // In the order in which they were sent: what a write compares with was made before.
  for (const { call } of writes) {
    const [put] = call.puts;
    if (call.update !== undefined && call.isLasting !== true && put !== undefined) {
      const compared = contentAt.get(`${call.update.ifRevision} ${put.key}`);
      const before = compared === undefined ? undefined : owners.get(compared);
      owners.set(put.content, before ?? [...(registered.get(put.key) ?? [])]);
    }
  }
  return (content) => owners.get(content) ?? [];
}

function isRegistration(write: Operation<WriteCall>): boolean {
  const { update, isLasting } = write.call;
  return update === undefined && isLasting !== true && !hasFailed(write);
}
