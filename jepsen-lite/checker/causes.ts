import type { Content, Key, WriteCall } from "../history.ts";
import { ownersOf } from "./owners.ts";
import {
  acknowledged,
  hasFailed,
  isOlder,
  type Operation,
  overFrom,
  type Recorded,
  type Session,
} from "./recorded.ts";
import type { Windows } from "./windows.ts";

interface Remover {
  readonly session: Session;
  readonly after: number;
  readonly by: number;
}

/** All that can take an instance away, by key. */
interface OfKey {
  /** Of removals, by `by`; those of no known end are last. */
  readonly removers: Remover[];
  /** Writes that put something there, and whose end was not seen. */
  readonly puts: { readonly write: Operation<WriteCall>; readonly session: Session }[];
}

/** What may have made an instance go. Never says no where there is a way. */
export class Causes {
  readonly #recorded: Recorded;
  readonly #when: Windows;
  readonly #byKey = new Map<Key, OfKey>();
  /** At which revisions a write put something, and where. */
  readonly #puts = new Map<number, ReadonlySet<Key>>();
  /** With whose end a content goes. */
  readonly owners: (content: Content) => readonly Session[];
  readonly #aliveAt = new Map<Session, number>();

  constructor(recorded: Recorded, when: Windows) {
    this.#recorded = recorded;
    this.#when = when;
    this.owners = ownersOf(recorded);
    for (const key of recorded.keys) {
      this.#byKey.set(key, { removers: [], puts: [] });
    }
    for (const session of recorded.sessions.values()) {
      this.#aliveAt.set(session, aliveAt(session));
      for (const write of session.writes) {
        if (!hasFailed(write)) {
          this.#add(write, session);
        }
      }
    }
    for (const { removers } of this.#byKey.values()) {
      removers.sort((a, b) => a.by - b.by);
    }
  }

  /**
   * Whether what one of `owners` had at `key` may have gone, and nothing have come instead, in
   * (after, by]: by a removal, by the end of its owner, or by the end of another session whose write
   * came between and was never seen.
   */
  mayBeGone(key: Key, owners: readonly Session[], after: number, by: number): boolean {
    const ofKey = this.#byKey.get(key);
    if (ofKey === undefined || after >= by) {
      return false;
    }
    const exact = after + 1 === by ? this.#puts.get(by) : undefined;
    if (exact !== undefined) {
      // That revision is of a write that puts something: it removes nothing elsewhere.
      return exact.has(key);
    }
    if (owners.some((owner) => this.#mayHaveEnded(owner, after, by))) {
      return true;
    }
    for (let i = firstPast(ofKey.removers, after); i < ofKey.removers.length; i += 1) {
      const remover = ofKey.removers[i];
      const isDue = remover !== undefined && remover.after < by;
      if (isDue && !this.isOlderThanAll(remover.session, owners)) {
        return true;
      }
    }
    return ofKey.puts.some(({ write, session }) => {
      const window = this.#when.get(write);
      const mayComeBetween = window !== undefined && window.by > after && window.after < by;
      const isOther = !owners.includes(session) && !isKept(write);
      return mayComeBetween && isOther && this.#mayHaveEnded(session, after, by);
    });
  }

  /** Whether whoever owns it was opened after `session`; no where nobody owns it. */
  isOlderThanAll(session: Session, owners: readonly Session[]): boolean {
    return owners.length > 0 && owners.every((owner) => isOlder(session, owner));
  }

  /** Whether another content than that of `own` may have come to `key` in (after, by]. */
  mayBeReplaced(key: Key, own: Operation<WriteCall>, after: number, by: number): boolean {
    const puts = this.#byKey.get(key)?.puts ?? [];
    return puts.some(({ write }) => {
      const window = this.#when.get(write);
      return write !== own && window !== undefined && window.by > after && window.after < by;
    });
  }

  /** Whether another session than `own`, not an older one, may own `key` before position `at`. */
  mayBeTaken(key: Key, own: Session, at: number): boolean {
    const puts = this.#byKey.get(key)?.puts ?? [];
    return puts.some(
      ({ write, session }) =>
        session !== own && !isKept(write) && write.invoked.at < at && !isOlder(session, own),
    );
  }

  #add(write: Operation<WriteCall>, session: Session): void {
    const window = this.#when.get(write);
    if (window === undefined) {
      return;
    }
    const { after, by } = window;
    const answer = acknowledged(write);
    // One that is acknowledged has its effect at the revision that it names, if it has one.
    const known = answer === null ? window : { after: answer.revision - 1, by: answer.revision };
    for (const key of write.call.removes) {
      this.#byKey.get(key)?.removers.push({ session, after: known.after, by: known.by });
    }
    for (const { key } of write.call.puts) {
      this.#byKey.get(key)?.puts.push({ write, session });
    }
    if (window.hasHappened && by === after + 1 && write.call.puts.length > 0) {
      this.#puts.set(by, new Set(write.call.puts.map(({ key }) => key)));
    }
  }

  #mayHaveEnded(session: Session, after: number, by: number): boolean {
    const { ended } = session;
    if (ended !== null) {
      return ended.event.revision > after && ended.event.revision <= by;
    }
    if (this.#recorded.setup.hasNodeEvents) {
      return false;
    }
    const overBy = session.toldEnd?.event.revision ?? overFrom(session)?.revision ?? by;
    return (this.#aliveAt.get(session) ?? 0) < by && overBy > after;
  }
}

export function causesOf(recorded: Recorded, when: Windows): Causes {
  return new Causes(recorded, when);
}

/** It makes its session nobody's owner. */
function isKept({ call: { update, isLasting } }: Operation<WriteCall>): boolean {
  return update !== undefined || isLasting === true;
}

/** The highest revision at which the session is known not to have ended. */
function aliveAt({ writes }: Session): number {
  let highest = 0;
  for (const write of writes.filter(({ call }) => call.isBye !== true)) {
    highest = Math.max(highest, acknowledged(write)?.revision ?? 0);
  }
  return highest;
}

/** The first whose removal may be after revision `after`. */
function firstPast(removers: readonly Remover[], after: number): number {
  let low = 0;
  let high = removers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((removers[middle]?.by ?? 0) <= after) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
