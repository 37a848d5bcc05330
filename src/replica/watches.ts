import {
  CATCH_UP_BYTES_MAX,
  HISTORY_BYTES_MAX,
  HISTORY_CHANGES_MAX,
  MARK_INTERVAL_MS,
} from "../limits.ts";
import type { Change } from "../registry/change.ts";
import type { Instance, Selector } from "../registry/instance.ts";
import { hasSameContent } from "../registry/instances.ts";
import { matches } from "../registry/selector.ts";
import { must } from "../util/assert.ts";
import { type Connection, type Emit, toClient } from "./connections.ts";
import type { Freshness } from "./freshness.ts";
import { ByApplication, History, instanceBytes, instanceKey, subject } from "./history.ts";
import type { ConnectionId, DeltaBody, SnapshotBody, WatchId } from "./inputs.ts";

/** What the watches read of the state machine. */
export interface WatchedState {
  readonly revision: number;
  select(selector: Selector): readonly Instance[];
}

export interface WatchLimits {
  readonly historyChangesMax: number;
  readonly historyBytesMax: number;
  readonly catchUpBytesMax: number;
  readonly markIntervalMs: number;
}

export const WATCH_LIMITS: WatchLimits = {
  historyChangesMax: HISTORY_CHANGES_MAX,
  historyBytesMax: HISTORY_BYTES_MAX,
  catchUpBytesMax: CATCH_UP_BYTES_MAX,
  markIntervalMs: MARK_INTERVAL_MS,
};

export interface SubscribeOptions {
  readonly selector: Selector;
  readonly from: number | null;
  readonly mode: "delta" | "full";
  readonly allowUnknownAge: boolean;
}

interface Watch {
  readonly id: WatchId;
  readonly connection: Connection;
  readonly group: WatchGroup;
  readonly mode: "delta" | "full";
}

interface WaitingWatch extends SubscribeOptions {
  readonly id: WatchId;
  readonly connection: Connection;
}

/** The watches with one selector: what they receive is made once. */
interface WatchGroup {
  readonly key: string;
  readonly selector: Selector;
  readonly watches: Set<Watch>;
  /** The last that was made, until an instance of the application changes. */
  snapshot: SnapshotBody | null;
}

function selectorKey(selector: Selector): string {
  return JSON.stringify([selector.protocol, selector.meta]);
}

/**
 * Who is told what, in revision order: first a snapshot, then each command's changes once and
 * whole. A watch holds no queue: a connection that cannot be written to remembers the revision at
 * which it stopped, and what it missed is made from the history when it drains.
 */
export class Watches {
  readonly #state: WatchedState;
  readonly #freshness: Freshness;
  readonly #emit: Emit;
  readonly #limits: WatchLimits;
  readonly #history: History;
  readonly #applications = new ByApplication<Map<string, WatchGroup>>();
  readonly #byConnection = new Map<ConnectionId, Map<WatchId, Watch>>();
  #waiting: WaitingWatch[] = [];
  /** Groups with full-mode watches that are owed a new list at the end of the turn. */
  readonly #dirty = new Set<WatchGroup>();
  #isTicked = false;
  #count = 0;

  constructor(state: WatchedState, freshness: Freshness, emit: Emit, limits: WatchLimits) {
    this.#state = state;
    this.#freshness = freshness;
    this.#emit = emit;
    this.#limits = limits;
    this.#history = new History(
      { changesMax: limits.historyChangesMax, bytesMax: limits.historyBytesMax },
      state.revision,
    );
  }

  get count(): number {
    return this.#count;
  }

  subscribe(connection: Connection, id: WatchId, options: SubscribeOptions, nowMs: number): void {
    const waiting = { ...options, id, connection };
    if (this.#mayStart(waiting)) {
      this.#start(waiting, nowMs);
    } else {
      this.#waiting.push(waiting);
    }
  }

  unsubscribe(connection: ConnectionId, id: WatchId): void {
    this.#waiting = this.#waiting.filter(
      (waiting) => waiting.connection.id !== connection || waiting.id !== id,
    );
    const watches = this.#byConnection.get(connection);
    const watch = watches?.get(id);
    if (watches !== undefined && watch !== undefined) {
      watches.delete(id);
      this.#forget(watch);
    }
  }

  disconnected(connection: ConnectionId): void {
    for (const watch of this.#byConnection.get(connection)?.values() ?? []) {
      this.#forget(watch);
    }
    this.#byConnection.delete(connection);
  }

  /** All changes of one command. */
  applied(changes: readonly Change[]): void {
    for (const change of changes) {
      this.#history.add(change);
    }
    if (this.#count === 0) {
      return;
    }
    for (const ofApplication of splitByApplication(changes)) {
      const groups = this.#applications.get(subject(must(ofApplication[0])));
      for (const group of groups?.values() ?? []) {
        this.#tell(group, ofApplication);
      }
    }
  }

  /**
   * The state has leapt over changes: who reads gets a RESET now, who does not gets one when its
   * socket drains, since the history does not reach back to where it stopped.
   */
  installed(nowMs: number): void {
    this.#history.restart(this.#state.revision);
    for (const watches of this.#byConnection.values()) {
      for (const watch of watches.values()) {
        if (watch.connection.isWritable) {
          this.#emitSnapshot(watch, this.#snapshotBody(watch.group, true, nowMs));
        }
      }
    }
    this.#dirty.clear();
  }

  /** Progress marks may be due at the end of this turn. */
  tick(): void {
    this.#isTicked = true;
  }

  /** At the end of a turn: full lists, the watches that waited for a revision or a leader, marks. */
  flush(nowMs: number): void {
    for (const group of this.#dirty) {
      const body = this.#snapshotBody(group, false, nowMs);
      for (const watch of group.watches) {
        if (watch.mode === "full" && watch.connection.isWritable) {
          this.#emitSnapshot(watch, body);
        }
      }
    }
    this.#dirty.clear();
    if (this.#waiting.length > 0) {
      const before = this.#waiting;
      this.#waiting = [];
      for (const waiting of before) {
        if (this.#mayStart(waiting)) {
          this.#start(waiting, nowMs);
        } else if (waiting.connection.isOpen) {
          this.#waiting.push(waiting);
        }
      }
    }
    if (this.#isTicked) {
      this.#isTicked = false;
      this.#mark(nowMs);
    }
  }

  setWritable(connection: Connection, isWritable: boolean, nowMs: number): void {
    if (connection.isWritable === isWritable) {
      return;
    }
    connection.isWritable = isWritable;
    if (!isWritable) {
      connection.blockedAt = this.#state.revision;
      return;
    }
    for (const watch of this.#byConnection.get(connection.id)?.values() ?? []) {
      this.#catchUp(watch, connection.blockedAt, nowMs);
    }
  }

  /**
   * n2 ticked and then took a subscription from revision 1; its answer left at once. Had the tick
   * made the mark, this would have come before the changes that the new watch is owed, and a client
   * that broke off there would have resumed behind them. So marks are the last of a turn, and a
   * connection that is owed changes or a watch's start gets none.
   */
  #mark(nowMs: number): void {
    const revision = this.#state.revision;
    const owed = new Set(this.#waiting.map((waiting) => waiting.connection.id));
    for (const [id, watches] of this.#byConnection) {
      const first = watches.values().next();
      if (first.done === true) {
        continue;
      }
      const connection = first.value.connection;
      const isDue = nowMs - connection.lastMarkMs >= this.#limits.markIntervalMs;
      if (isDue && connection.isWritable && !owed.has(id)) {
        connection.lastMarkMs = nowMs;
        this.#emit(toClient({ type: "mark", connection: id, revision }));
      }
    }
  }

  #mayStart(waiting: WaitingWatch): boolean {
    const isServed =
      this.#freshness.state === "current" ||
      (this.#freshness.state === "alone" && waiting.allowUnknownAge);
    const { connection } = waiting;
    const revision = Math.max(waiting.from ?? 0, connection.floorRevision);
    const isReached = this.#state.revision >= revision;
    return isServed && isReached && connection.isWritable && connection.isOpen;
  }

  #start(waiting: WaitingWatch, nowMs: number): void {
    const { selector, connection } = waiting;
    const groups = this.#applications.get(selector) ?? new Map<string, WatchGroup>();
    this.#applications.set(selector, groups);
    const key = selectorKey(selector);
    const group = groups.get(key) ?? { key, selector, watches: new Set<Watch>(), snapshot: null };
    groups.set(key, group);
    const watch: Watch = { id: waiting.id, connection, group, mode: waiting.mode };
    group.watches.add(watch);
    const watches = this.#byConnection.get(connection.id) ?? new Map<WatchId, Watch>();
    this.#byConnection.set(connection.id, watches);
    watches.set(watch.id, watch);
    this.#count += 1;
    if (waiting.from === null || waiting.mode === "full") {
      this.#emitSnapshot(watch, this.#snapshotBody(group, false, nowMs));
    } else {
      this.#resume(watch, waiting.from, nowMs);
    }
  }

  /** Each missed change once, revision by revision; a RESET where the history is gone or too long. */
  #resume(watch: Watch, from: number, nowMs: number): void {
    const changes = this.#history.since(watch.group.selector, from);
    if (changes === null || bytesOf(changes) > this.#limits.catchUpBytesMax) {
      this.#emitSnapshot(watch, this.#snapshotBody(watch.group, true, nowMs));
      return;
    }
    for (const ofRevision of byRevision(changes)) {
      const body = deltaBody(watch.group.selector, ofRevision);
      if (body !== null) {
        this.#emitDelta(watch, body);
      }
    }
  }

  /** For a reader that was slow: all of (from, now] as the latest state of each instance. */
  #catchUp(watch: Watch, from: number, nowMs: number): void {
    const selector = watch.group.selector;
    const changes = this.#history.since(selector, from);
    if (changes !== null && changes.length === 0) {
      return;
    }
    if (watch.mode === "full") {
      this.#emitSnapshot(watch, this.#snapshotBody(watch.group, false, nowMs));
      return;
    }
    const latest = changes === null ? null : collapse(changes);
    if (changes === null || latest === null || bytesOf(latest) > this.#limits.catchUpBytesMax) {
      this.#emitSnapshot(watch, this.#snapshotBody(watch.group, true, nowMs));
      return;
    }
    // What came and went again is told as nothing, but told: a mark alone would say that it never was.
    const isSeen = [...byRevision(changes)].some((some) => deltaBody(selector, some) !== null);
    if (isSeen) {
      const body = deltaBody(selector, latest) ?? { put: [], remove: [] };
      const collapsed = { from, isLast: true };
      this.#emitDelta(watch, { ...body, revision: this.#state.revision, collapsed });
    }
  }

  #tell(group: WatchGroup, changes: readonly Change[]): void {
    group.snapshot = null;
    const body = deltaBody(group.selector, changes);
    if (body === null) {
      return;
    }
    for (const watch of group.watches) {
      if (watch.mode === "full") {
        this.#dirty.add(group);
      } else if (watch.connection.isWritable) {
        this.#emitDelta(watch, body);
      }
    }
  }

  /** The same object for all that ask for the same within a turn: a storm encodes a list once. */
  #snapshotBody(group: WatchGroup, isReset: boolean, nowMs: number): SnapshotBody {
    const { revision } = this.#state;
    const ageMs = this.#freshness.ageMs(nowMs);
    const last = group.snapshot;
    if (last !== null && last.revision === revision) {
      if (last.isReset === isReset && last.ageMs === ageMs) {
        return last;
      }
      group.snapshot = { revision, instances: last.instances, isReset, ageMs };
    } else {
      group.snapshot = { revision, instances: this.#state.select(group.selector), isReset, ageMs };
    }
    return group.snapshot;
  }

  #emitSnapshot(watch: Watch, body: SnapshotBody): void {
    const connection = watch.connection.id;
    this.#emit(toClient({ type: "snapshot", connection, watch: watch.id, body }));
  }

  #emitDelta(watch: Watch, body: DeltaBody): void {
    const connection = watch.connection.id;
    this.#emit(toClient({ type: "delta", connection, watch: watch.id, body }));
  }

  #forget(watch: Watch): void {
    this.#count -= 1;
    const { group } = watch;
    group.watches.delete(watch);
    if (group.watches.size > 0) {
      return;
    }
    this.#dirty.delete(group);
    const groups = must(this.#applications.get(group.selector));
    groups.delete(group.key);
    if (groups.size === 0) {
      this.#applications.delete(group.selector);
    }
  }
}

function bytesOf(changes: readonly Change[]): number {
  let bytes = 0;
  for (const change of changes) {
    bytes += instanceBytes(subject(change));
  }
  return bytes;
}

function splitByApplication(changes: readonly Change[]): Iterable<readonly Change[]> {
  if (changes.length === 1) {
    return [changes];
  }
  const lists: Change[][] = [];
  const split = new ByApplication<Change[]>();
  for (const change of changes) {
    const name = subject(change);
    const list = split.get(name);
    if (list === undefined) {
      const begun = [change];
      split.set(name, begun);
      lists.push(begun);
    } else {
      list.push(change);
    }
  }
  return lists;
}

function* byRevision(changes: readonly Change[]): Generator<readonly Change[]> {
  let run: Change[] = [];
  for (const change of changes) {
    if (run[0] !== undefined && run[0].revision !== change.revision) {
      yield run;
      run = [];
    }
    run.push(change);
  }
  if (run.length > 0) {
    yield run;
  }
}

/** One change an instance: what it was before the first of them, what it is after the last. */
function collapse(changes: readonly Change[]): readonly Change[] {
  const latest = new Map<string, Change>();
  for (const change of changes) {
    const key = instanceKey(subject(change));
    const earlier = latest.get(key);
    latest.set(key, earlier === undefined ? change : { ...change, before: earlier.before });
  }
  return [...latest.values()].filter((change) => change.before !== null || change.after !== null);
}

/**
 * A *remove* also for an instance that still exists but has left the selector; nothing for one
 * that has only changed hands.
 */
function deltaBody(selector: Selector, changes: readonly Change[]): DeltaBody | null {
  const put: Instance[] = [];
  const remove: Instance[] = [];
  for (const { before, after } of changes) {
    const wasIn = before !== null && matches(selector, before);
    if (after !== null && matches(selector, after)) {
      if (!wasIn || !hasSameContent(before, after)) {
        put.push(after);
      }
    } else if (wasIn) {
      remove.push(before);
    }
  }
  const last = changes[changes.length - 1];
  return last === undefined || put.length + remove.length === 0
    ? null
    : { revision: last.revision, put, remove, collapsed: null };
}
