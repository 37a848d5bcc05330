import type { Content, Key, ReadCall, Selector, WriteCall } from "../history.ts";
import { covers, selects } from "../model/selector.ts";
import { earliest } from "./lease-bounds.ts";
import type { Act, Model } from "./linearizable.ts";
import {
  byeOf,
  firstAt,
  hasFailed,
  isOlder,
  type Operation,
  outcome,
  type Placed,
  type Recorded,
  type Session,
} from "./recorded.ts";

/**
 * What a history says of one key, as acts of an object of its own. Linearizability is local: a row of
 * all operations has a row for each key in it, so what no row of a key allows, nothing allows. No
 * revision is looked at. Positions in the history are the time.
 */
export interface KeyHistory {
  readonly key: Key;
  readonly acts: readonly KeyAct[];
  readonly model: KeyModel;
}

/**
 * - `put`, `remove`: a part of a write; all of its parts are acts of their keys. What is put belongs to
 *   its session, or to nobody where it is lasting.
 * - `update`: something was there, has another content now, and its owner is who it was.
 * - `refused`: a write of this key alone that was refused with TAKEN_OVER.
 * - `absent`, `present`: an update that was refused with NOT_FOUND, or because it compares (CONFLICT).
 * - `read`: a part of a linearizable read.
 * - `end`: of a session, which takes with it what it owns, be that by its bye or otherwise.
 */
export interface KeyAct extends Act {
  readonly kind: "put" | "update" | "remove" | Refusal | "read" | "end";
  /** Whose it is; null of a read. */
  readonly session: Session | null;
  /** Null of an end. */
  readonly operation: Operation<WriteCall> | Operation<ReadCall> | null;
  /** That is put, updated to, or shown; null where nothing is. */
  readonly content: Content | null;
  /** Of a read that shows nothing: something may be there that this does not select. */
  readonly unseenBy: Selector | null;
}

type Refusal = "refused" | "absent" | "present";

interface OfKey {
  /** By session, and there by number. */
  readonly writes: Map<Session, Operation<WriteCall>[]>;
  readonly reads: Operation<ReadCall>[];
  /** What each of `reads` shows. */
  readonly shown: (Content | null)[];
}

/**
 * The acts of all keys, one key after the other. Where a client cannot know, or where only revisions
 * tell, more is allowed than the registry does:
 *
 * - of two sessions that may have been opened at once, each may be the newer one;
 * - TAKEN_OVER to a write of several keys, of which any may be the one, says nothing;
 * - what an update compares with is not looked at: one that was acknowledged changed something, and one
 *   that was refused with CONFLICT found something (`checkCompares` looks at what);
 * - a refusal of an update that names no revision may be the word of a client library, and says nothing;
 * - that no key is both lasting and of a session is taken for granted, and a CONFLICT for it not looked at;
 * - an end that its client was not told, or not why (`unknown`), may have come at any time from when
 *   on a TTL or a grace can have been over, or its client had left, or never; one that was told is
 *   before that, whenever it should have been: `checkLeases` looks at that;
 * - a bye that was acknowledged may have found that its session had ended before; one without an answer
 *   is an end that may have come at any time since it was sent, or never;
 * - a write without an answer happens at any time before a later number of its session does, or never;
 * - that a write of several keys is whole, and that what a session owned goes at once, is not seen.
 *
 * O(operations + linearizable reads × keys of a selector).
 */
export function* keyHistories(recorded: Recorded): Generator<KeyHistory> {
  const all = new Map<Key, OfKey>();
  for (const key of recorded.keys) {
    all.set(key, { writes: new Map(), reads: [], shown: [] });
  }
  for (const session of recorded.sessions.values()) {
    for (const write of session.writes) {
      addWrite(all, session, write);
    }
  }
  addReads(all, recorded);
  const ends = new Map<Session, Pick<Act, "call" | "return">>();
  for (const session of recorded.sessions.values()) {
    ends.set(session, endOf(session, recorded));
  }
  for (const [key, ofKey] of all) {
    yield keyHistory(key, ofKey, ends);
  }
}

function addWrite(
  all: ReadonlyMap<Key, OfKey>,
  session: Session,
  write: Operation<WriteCall>,
): void {
  const { puts, removes } = write.call;
  const keys = [...puts.map(({ key }) => key), ...removes];
  if (hasFailed(write) && (keys.length > 1 || refusalOf(write) === null)) {
    return;
  }
  for (const key of keys) {
    const writes = all.get(key)?.writes;
    const own = writes?.get(session) ?? [];
    own.push(write);
    writes?.set(session, own);
  }
}

function addReads(all: ReadonlyMap<Key, OfKey>, { reads }: Recorded): void {
  const domains = new Map<string, readonly (readonly [Key, OfKey])[]>();
  for (const read of reads) {
    const event = outcome(read)?.event;
    const { mode, selector } = read.call;
    if (mode.type !== "linearizable" || event?.type !== "ok" || event.view === undefined) {
      continue;
    }
    const name = JSON.stringify([selector.namespace, selector.application, selector.protocol]);
    const domain = domains.get(name) ?? [...all].filter(([key]) => covers(selector, key));
    domains.set(name, domain);
    const view = new Map(event.view);
    for (const [key, ofKey] of domain) {
      ofKey.reads.push(read);
      ofKey.shown.push(view.get(key) ?? null);
    }
  }
}

/** What a refusal says of its key; null where that is nothing. */
function refusalOf(write: Operation<WriteCall>): Refusal | null {
  const event = outcome(write)?.event;
  const { update } = write.call;
  if (event?.type !== "fail") {
    return null;
  }
  switch (event.code) {
    case "TAKEN_OVER":
      return "refused";
    case "NOT_FOUND":
      return update !== undefined && event.revision !== null ? "absent" : null;
    case "CONFLICT":
      return (update?.ifRevision ?? null) !== null && event.revision !== null ? "present" : null;
    default:
      return null;
  }
}

/** Position `at` is that of an event, so half of one is between two. */
function endOf(session: Session, recorded: Recorded): Pick<Act, "call" | "return"> {
  const bye = byeOf(session);
  const confirmed = [session.open, ...session.touches, ...session.writes].filter(
    (operation) => operation !== bye && outcome(operation)?.event.type === "ok",
  );
  const alive = confirmed.reduce((last, { invoked }) => Math.max(last, invoked.at), 0);
  const call = Math.max(alive + 0.5, earliestAt(session, bye, recorded));
  const returned = overAt(session, bye);
  return { call: Math.min(call, returned - 0.5), return: returned };
}

/** Where its client knows that it is over. */
function overAt({ toldEnd }: Session, bye: Operation<WriteCall> | null): number {
  const answer = bye && outcome(bye);
  const said = answer?.event.type === "ok" ? answer.at : Number.POSITIVE_INFINITY;
  const isTold = toldEnd !== null && toldEnd.event.reason !== "unknown";
  return Math.min(said, isTold ? toldEnd.at : Number.POSITIVE_INFINITY);
}

/** Where it can have ended, by its client's word or without it. */
function earliestAt(
  session: Session,
  bye: Operation<WriteCall> | null,
  recorded: Recorded,
): number {
  const otherwise = firstAt(recorded.history, earliestMs(session, recorded)) - 0.5;
  const reason = session.toldEnd?.event.reason;
  const isOtherwise = reason !== undefined && reason !== "unknown" && reason !== "closed";
  if (bye === null || hasFailed(bye) || isOtherwise) {
    return otherwise;
  }
  return reason === "closed" ? bye.invoked.at : Math.min(otherwise, bye.invoked.at);
}

/** Without a bye: by its reason; where that is not known, by whichever comes first. */
function earliestMs(session: Session, { setup, history }: Recorded): number {
  const { ttl, grace } = earliest(session, setup);
  const byTtlMs = ttl?.byMs ?? Number.NEGATIVE_INFINITY;
  const byGraceMs = grace?.byMs ?? Number.POSITIVE_INFINITY;
  switch (session.toldEnd?.event.reason) {
    case "ttl":
      return byTtlMs;
    case "grace":
      return byGraceMs;
    case "closed":
    case "killed":
      return Number.NEGATIVE_INFINITY;
    default: {
      // It may have said goodbye when it left.
      const left = session.abandonedAt === null ? undefined : history[session.abandonedAt];
      return Math.min(byTtlMs, byGraceMs, left?.atMs ?? Number.POSITIVE_INFINITY);
    }
  }
}

const NO_LOOK = { awaits: null, unseenBy: null } as const;

function keyHistory(
  key: Key,
  { writes, reads, shown }: OfKey,
  ends: ReadonlyMap<Session, Pick<Act, "call" | "return">>,
): KeyHistory {
  const acts: KeyAct[] = [];
  const puts: KeyAct[] = [];
  const sessions = [...writes.keys()];
  let lane = 0;
  for (const [session, own] of writes) {
    for (const write of own) {
      const act = actOf(key, session, lane, write, puts.length + 1);
      acts.push(act);
      if (act.makes !== null) {
        puts.push(act);
      }
    }
    const end = ends.get(session) ?? { call: 0, return: Number.POSITIVE_INFINITY };
    const nothing = { operation: null, content: null, makes: null } as const;
    acts.push({ kind: "end", ...end, lane, isLook: false, session, ...nothing, ...NO_LOOK });
    lane += 1;
  }
  const made = new Map(puts.map(({ content, makes }) => [content, makes]));
  reads.forEach((read, i) => {
    const content = shown[i] ?? null;
    // What nobody has put is in no state.
    const awaits = content === null ? null : (made.get(content) ?? puts.length + 1);
    acts.push(readOf(read, content, awaits));
  });
  return { key, acts, model: new KeyModel(puts, sessions) };
}

function actOf(
  key: Key,
  session: Session,
  lane: number,
  write: Operation<WriteCall>,
  makes: number,
): KeyAct {
  const shared = { ...timesOf(write), lane, session, operation: write, ...NO_LOOK };
  const refusal = refusalOf(write);
  if (refusal !== null) {
    return { ...shared, kind: refusal, isLook: true, content: null, makes: null };
  }
  const put = write.call.puts.find((each) => each.key === key);
  if (put === undefined) {
    return { ...shared, kind: "remove", isLook: false, content: null, makes: null };
  }
  const kind = write.call.update === undefined ? "put" : "update";
  return { ...shared, kind, isLook: false, content: put.content, makes };
}

/** Written out: most acts are reads, and a spread costs more than all of the search. */
function readOf(
  operation: Operation<ReadCall>,
  content: Content | null,
  awaits: number | null,
): KeyAct {
  const { selector } = operation.call;
  return {
    kind: "read",
    call: operation.invoked.at,
    return: outcome(operation)?.at ?? Number.POSITIVE_INFINITY,
    lane: null,
    isLook: true,
    awaits,
    makes: null,
    session: null,
    operation,
    content,
    unseenBy: content === null && selector.meta.length > 0 ? selector : null,
  };
}

function timesOf(operation: Operation): Pick<Act, "call" | "return"> {
  return {
    call: operation.invoked.at,
    return: outcome(operation)?.at ?? Number.POSITIVE_INFINITY,
  };
}

/**
 * What is there, and whose it is. Shown is 0 where nothing is, and otherwise n: what the n-th put or
 * update makes. The owner of what is put is known by its lane; that of an update is who it was. So a
 * state is what is shown, and the lane of its owner, above that.
 */
export class KeyModel implements Model<KeyAct> {
  readonly #puts: readonly KeyAct[];
  /** By lane. */
  readonly #sessions: readonly Session[];
  readonly #span: number;

  constructor(puts: readonly KeyAct[], sessions: readonly Session[]) {
    this.#puts = puts;
    this.#sessions = sessions;
    this.#span = puts.length + 1;
  }

  shown(state: number): number {
    return state % this.#span;
  }

  contentOf(shown: number): Content | null {
    return this.#puts[shown - 1]?.content ?? null;
  }

  step(state: number, act: KeyAct): number | null {
    const shown = this.shown(state);
    const owner = this.#sessions[Math.floor(state / this.#span) - 1] ?? null;
    switch (act.kind) {
      case "put":
        return isNewer(owner, act.session) ? null : this.#stateOf(act);
      case "update":
        return shown === 0 || isNewer(owner, act.session) ? null : state - shown + (act.makes ?? 0);
      case "remove":
        return isNewer(owner, act.session) ? null : 0;
      case "refused":
        return mayBeNewer(owner, act.session) ? state : null;
      case "absent":
        return shown === 0 ? state : null;
      case "present":
        return shown === 0 || isNewer(owner, act.session) ? null : state;
      case "end":
        return owner !== null && owner === act.session ? 0 : state;
      case "read":
        return this.#isShown(shown, act) ? state : null;
    }
  }

  #stateOf({ operation, lane, makes }: KeyAct): number {
    const call = operation?.call;
    const isOwned = call?.kind === "write" && call.isLasting !== true;
    return (isOwned ? (lane ?? -1) + 1 : 0) * this.#span + (makes ?? 0);
  }

  #isShown(shown: number, { content, awaits, unseenBy }: KeyAct): boolean {
    if (content !== null) {
      return shown === awaits;
    }
    return shown === 0 || (unseenBy !== null && !selects(unseenBy, this.#metaOf(shown)));
  }

  #metaOf(shown: number): Selector["meta"] {
    const { operation, content } = this.#puts[shown - 1] ?? {};
    const call = operation?.call;
    const puts = call?.kind === "write" ? call.puts : [];
    return puts.find((put) => put.content === content)?.meta ?? [];
  }
}

/** For sure. */
function isNewer(owner: Session | null, session: Session | null): boolean {
  return owner !== null && session !== null && owner !== session && isOlder(session, owner);
}

function mayBeNewer(owner: Session | null, session: Session | null): boolean {
  return owner !== null && session !== null && owner !== session && !isOlder(owner, session);
}

/** The events that an act stands for. */
export function eventsOf({ operation, session }: KeyAct): number[] {
  const said = operation ?? (session && byeOf(session));
  const placed: readonly (Placed<never> | { readonly at: number } | null)[] =
    said === null ? [session?.toldEnd ?? null] : [said.invoked, outcome(said)];
  return placed.flatMap((each) => (each === null ? [] : [each.at]));
}
