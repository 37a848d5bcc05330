import type { Content, Key, Selector, View } from "../history.ts";
import { covers } from "../model/selector.ts";
import { ownersOf } from "./owners.ts";
import {
  acknowledged,
  byeOf,
  hasFailed,
  type Operation,
  outcome,
  type Recorded,
  type Session,
} from "./recorded.ts";
import type { Finding, Part } from "./verdict.ts";

/**
 * No acknowledged write is lost, and none comes back, by time alone: it looks at no revision, so a
 * cluster that counts its revisions wrong cannot talk its way out.
 *
 * A linearizable read that was sent after a write was acknowledged shows, for each key of it that it
 * covers, what that write put there, or what some other write put that was not over before this
 * one was sent. It shows nothing there only where a removal may have come after (one that was not
 * over before the write was sent), or the session of a write that may be the last one may have
 * ended: it gave no sign of life, confirmed, that was sent after the read was answered. It shows nothing
 * of a session whose end was acknowledged to it before.
 *
 * O(events + answers × keys of a selector × log writes of a key).
 */
export function checkLostWrites(recorded: Recorded): Part {
  const findings: Finding[] = [];
  const owners = ownersOf(recorded);
  const keys = keysOf(recorded, owners);
  const acks = recorded.writes
    .flatMap((write) => {
      const answer = acknowledged(write);
      return answer === null ? [] : [{ at: answer.at, write }];
    })
    .sort((a, b) => a.at - b.at);
  const domains = new Domains(keys);
  let next = 0;
  let looked = 0;
  for (const read of recorded.reads) {
    const answer = outcome(read);
    for (let ack = acks[next]; ack !== undefined && ack.at < read.invoked.at; ack = acks[next]) {
      acknowledge(ack.write, keys);
      next += 1;
    }
    if (read.call.mode.type === "linearizable" && answer?.event.type === "ok") {
      const { view } = answer.event;
      const ofKeys = domains.of(read.call.selector);
      if (view !== undefined) {
        looked += ofKeys.some(({ lastPut }) => lastPut >= 0) ? 1 : 0;
        const isWhole = read.call.selector.meta.length === 0;
        findings.push(...faultsOf(ofKeys, { view, isWhole, read, at: answer.at }, recorded));
        findings.push(...ofEnded({ view, isWhole, read, at: answer.at }, owners));
      }
    }
  }
  return { findings, looked };
}

/** The keys that each selector covers, found once. */
class Domains {
  readonly #keys: ReadonlyMap<Key, OfKey>;
  readonly #bySelector = new Map<Selector, readonly OfKey[]>();

  constructor(keys: ReadonlyMap<Key, OfKey>) {
    this.#keys = keys;
  }

  of(selector: Selector): readonly OfKey[] {
    let covered = this.#bySelector.get(selector);
    if (covered === undefined) {
      covered = [...this.#keys.values()].filter(({ key }) => covers(selector, key));
      this.#bySelector.set(selector, covered);
    }
    return covered;
  }
}

interface OfKey {
  readonly key: Key;
  /** Where the last of the acknowledged writes to it were sent: before those, all is over. */
  lastPut: number;
  lastWrite: number;
  readonly puts: PutOf[];
  readonly removals: { readonly invokedAt: number; readonly latestOver: number }[];
}

interface PutOf {
  readonly invokedAt: number;
  /** Infinite where it was never acknowledged. */
  readonly overAt: number;
  /** Where the last confirmed sign of life of its session was sent. */
  readonly lastSign: number;
}

interface Seen {
  readonly view: View;
  /** What is not in the view is not there. */
  readonly isWhole: boolean;
  readonly read: Operation;
  readonly at: number;
}

function overAt(write: Operation): number {
  return acknowledged(write)?.at ?? Number.POSITIVE_INFINITY;
}

type OwnersOf = ReturnType<typeof ownersOf>;

function keysOf({ keys, writes, sessions }: Recorded, owners: OwnersOf): ReadonlyMap<Key, OfKey> {
  const all = new Map<Key, OfKey>();
  for (const key of keys) {
    all.set(key, { key, lastPut: -1, lastWrite: -1, puts: [], removals: [] });
  }
  const signs = new Map<string, number>();
  for (const session of sessions.values()) {
    signs.set(session.id, lastSign(session));
  }
  for (const write of writes.filter((each) => !hasFailed(each))) {
    const invokedAt = write.invoked.at;
    for (const { key, content } of write.call.puts) {
      // Any of those that may own it may take it along; what nobody owns stays.
      const sign = Math.min(...owners(content).map(({ id }) => signs.get(id) ?? -1));
      all.get(key)?.puts.push({ invokedAt, overAt: overAt(write), lastSign: sign });
    }
    for (const key of write.call.removes) {
      const removals = all.get(key)?.removals;
      const latestOver = Math.max(removals?.at(-1)?.latestOver ?? -1, overAt(write));
      removals?.push({ invokedAt, latestOver });
    }
  }
  return all;
}

function acknowledge({ call, invoked }: Recorded["writes"][number], keys: ReadonlyMap<Key, OfKey>) {
  for (const { key } of call.puts) {
    const ofKey = keys.get(key);
    if (ofKey !== undefined) {
      ofKey.lastPut = Math.max(ofKey.lastPut, invoked.at);
      ofKey.lastWrite = Math.max(ofKey.lastWrite, invoked.at);
    }
  }
  for (const key of call.removes) {
    const ofKey = keys.get(key);
    if (ofKey !== undefined) {
      ofKey.lastWrite = Math.max(ofKey.lastWrite, invoked.at);
    }
  }
}

function faultsOf(keys: readonly OfKey[], seen: Seen, { origins }: Recorded): Finding[] {
  const shown = new Map<Key, Content>(seen.view);
  return keys.flatMap((ofKey) => {
    const content = shown.get(ofKey.key);
    const write = content === undefined ? undefined : origins.get(content)?.write;
    if (write !== undefined && overAt(write) < ofKey.lastWrite) {
      return [faultOf(ofKey, `${content} is back`, seen, ofKey.lastWrite)];
    }
    const isGone = content === undefined && seen.isWhole && ofKey.lastPut >= 0;
    if (isGone && !mayBeGone(ofKey, seen.at)) {
      return [faultOf(ofKey, "nothing is there, and nobody removed it", seen, ofKey.lastPut)];
    }
    return [];
  });
}

/** What is shown of a session that has said that it is over. */
function ofEnded(seen: Seen, owners: OwnersOf): Finding[] {
  return seen.view.flatMap(([key, content]) => {
    const [session, ...others] = owners(content);
    const bye = session === undefined || others.length > 0 ? null : byeOf(session);
    const over = bye === null ? null : acknowledged(bye);
    if (over === null || over.at > seen.read.invoked.at) {
      return [];
    }
    const what = `${key}: ${content} is there, in a linearizable read of ${seen.read.process} after the end of its session was acknowledged`;
    const events = [over.at, seen.read.invoked.at, seen.at];
    return [{ checker: "lost-writes", promise: "For good", what, events }];
  });
}

function faultOf({ key }: OfKey, what: string, { read, at }: Seen, after: number): Finding {
  return {
    checker: "lost-writes",
    promise: "No acknowledged write is lost",
    what: `${key}: ${what}, in a linearizable read of ${read.process} after an acknowledged write`,
    events: [after, read.invoked.at, at],
  };
}

/** By position `at`, at which a read was answered. */
function mayBeGone({ lastPut, puts, removals }: OfKey, at: number): boolean {
  const begun = firstFrom(removals, at) - 1;
  if ((removals[begun]?.latestOver ?? -1) >= lastPut) {
    return true;
  }
  for (let i = firstFrom(puts, at) - 1; i >= 0; i -= 1) {
    const put = puts[i];
    if (put !== undefined && put.overAt >= lastPut && put.lastSign < at) {
      return true;
    }
  }
  return false;
}

/** Where the last sign of life that was confirmed was sent. */
function lastSign({ writes, touches }: Session): number {
  let last = -1;
  for (const operation of [...writes, ...touches]) {
    if (outcome(operation)?.event.type === "ok") {
      last = Math.max(last, operation.invoked.at);
    }
  }
  return last;
}

/** The first that was sent at `at` or later; they are in the order in which they were sent. */
function firstFrom(sent: readonly { readonly invokedAt: number }[], at: number): number {
  let low = 0;
  let high = sent.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sent[middle]?.invokedAt ?? 0) < at) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
