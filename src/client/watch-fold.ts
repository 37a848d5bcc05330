import { WATCH_QUEUE_CHANGES_MAX, WATCH_QUEUE_INSTANCES_MAX } from "../limits.ts";
import type { DeltaMessage, Endpoint, KeyBody, SnapshotMessage } from "../wire/messages.ts";
import { keyText } from "./instance-content.ts";

export interface WatchSnapshot {
  readonly type: "snapshot";
  readonly instances: readonly Endpoint[];
  readonly put: readonly Endpoint[];
  readonly remove: readonly Endpoint[];
  readonly revision: number;
  /** Replaces what was delivered before: the history between the two is lost. */
  readonly reset?: boolean;
  /**
   * The registry was restored from a backup or recovered since: with `reset`, and the list may be
   * older than what was delivered before. Revisions of before mean nothing now.
   */
  readonly lineageChanged?: boolean;
  /** How old the list may be; absent where the node cannot tell. */
  readonly ageMs?: number;
}

export interface WatchChange {
  readonly type: "change";
  /** All instances at `revision`, sorted by protocol and address. */
  readonly instances: readonly Endpoint[];
  /** New or changed since the last event. */
  readonly put: readonly Endpoint[];
  /** Gone since the last event, as they were. */
  readonly remove: readonly Endpoint[];
  readonly revision: number;
  /** Stands for several changes, after this revision: the latest state of each instance. */
  readonly collapsed?: { readonly from: number };
}

/** `put` and `remove` are relative to the event before; for the first one, to nothing. */
export type WatchEvent = WatchSnapshot | WatchChange;

interface SnapshotStep {
  readonly type: "snapshot";
  readonly revision: number;
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  readonly isReset: boolean;
  readonly isOtherLineage: boolean;
  readonly ageMs: number | null;
}

interface ChangeStep {
  readonly type: "change";
  readonly revision: number;
  readonly put: ReadonlyMap<string, Endpoint>;
  readonly remove: ReadonlySet<string>;
  readonly collapsedFrom: number | null;
}

type Step = SnapshotStep | ChangeStep;

interface Changed {
  readonly put: readonly Endpoint[];
  readonly remove: readonly Endpoint[];
}

/** `ignored`: it was taken in before. `gap`: no snapshot came first, so there is nothing to change. */
export type Accepted = "taken" | "ignored" | "gap";

/**
 * From the frames of a watch to the events of its reader. Pure. Frames wait as they came; when too
 * many wait, they are folded into one that says the same, so the memory of a reader that does not
 * read is bounded by what it last saw and what there is now.
 */
export class WatchFold {
  /** What the reader was last given, by key and in order. */
  #view = new Map<string, Endpoint>();
  #sorted: readonly Endpoint[] = [];
  #viewRevision: number | null = null;
  /** A snapshot is only ever the first: it voids what waited before it. */
  #steps: Step[] = [];
  /** In the steps behind the first. */
  #waitingInstances = 0;
  /** Up to where all frames were taken in; null before the first snapshot. */
  #revision: number | null = null;
  /** The resume point: `#revision`, or further where a mark said that there is nothing between. */
  #resumeFrom: number | null = null;
  /** The next snapshot is of another lineage than what the reader has, or waits for it. */
  #isOtherLineage = false;
  /** A collapsed delivery whose last frame has not come. */
  #partial: ChangeStep | null = null;

  /** The revision to resume after; null asks for a snapshot. */
  get resumeFrom(): number | null {
    return this.#resumeFrom;
  }

  /** Instances that are held for the reader, beside what it has seen. */
  get waitingCount(): number {
    return this.#steps.reduce((count, step) => count + sizeOf(step), 0);
  }

  /** All up to here is with the reader; 0 while it has had nothing. */
  get deliveredRevision(): number {
    return this.#steps.length === 0 && this.#partial === null
      ? (this.#resumeFrom ?? 0)
      : (this.#viewRevision ?? 0);
  }

  /** The stream broke: the half of a collapsed delivery is worth nothing. */
  interrupted(): void {
    this.#partial = null;
  }

  /** Revisions of before mean nothing now: the next frame has to be a snapshot. */
  forgetRevisions(): void {
    this.#partial = null;
    this.#revision = null;
    this.#resumeFrom = null;
    this.#isOtherLineage = true;
  }

  snapshot(message: SnapshotMessage): void {
    const isFirst = this.#viewRevision === null;
    const [waiting] = this.#steps;
    const isUntold = waiting?.type === "snapshot" && waiting.isOtherLineage;
    const isOtherLineage = this.#isOtherLineage || isUntold;
    this.#isOtherLineage = false;
    this.#partial = null;
    this.#revision = message.revision;
    this.#resumeFrom = message.revision;
    this.#steps = [];
    this.#waitingInstances = 0;
    this.#push({
      type: "snapshot",
      revision: message.revision,
      endpoints: byKey(message.endpoints),
      // A reader that has seen nothing has nothing to throw away.
      isReset: !isFirst,
      isOtherLineage,
      ageMs: message.ageMs ?? null,
    });
  }

  delta(message: DeltaMessage): Accepted {
    if (this.#revision === null) {
      return "gap";
    }
    const { collapsed, revision } = message;
    if (collapsed === undefined) {
      if (revision <= this.#revision) {
        return "ignored";
      }
      this.#partial = null;
      this.#advance(revision);
      this.#push(changeOf(message, null));
      return "taken";
    }
    this.#partial =
      this.#partial === null
        ? changeOf(message, collapsed.from)
        : followedBy(this.#partial, changeOf(message, collapsed.from));
    if (!collapsed.last) {
      return "taken";
    }
    const whole = this.#partial;
    this.#partial = null;
    if (revision <= this.#revision) {
      return "ignored";
    }
    this.#advance(revision);
    this.#push(whole);
    return "taken";
  }

  /** Nothing has changed up to `revision` but what was sent. */
  mark(revision: number): void {
    if (this.#resumeFrom !== null && this.#partial === null && revision > this.#resumeFrom) {
      this.#resumeFrom = revision;
    }
  }

  /** The next event, which counts as delivered. */
  take(): WatchEvent | null {
    const step = this.#steps.shift();
    if (step === undefined) {
      return null;
    }
    const next = this.#steps[0];
    this.#waitingInstances -= next === undefined ? 0 : sizeOf(next);
    const isFirst = this.#viewRevision === null;
    const changed = step.type === "snapshot" ? this.#replace(step) : this.#change(step);
    this.#viewRevision = step.revision;
    const rest = { instances: this.#sorted, ...changed, revision: step.revision };
    if (step.type === "snapshot") {
      return {
        type: "snapshot",
        ...rest,
        ...(step.isReset && !isFirst && { reset: true }),
        ...(step.isOtherLineage && !isFirst && { lineageChanged: true }),
        ...(step.ageMs !== null && { ageMs: step.ageMs }),
      };
    }
    return {
      type: "change",
      ...rest,
      ...(step.collapsedFrom !== null && { collapsed: { from: step.collapsedFrom } }),
    };
  }

  #advance(revision: number): void {
    this.#revision = revision;
    this.#resumeFrom = Math.max(revision, this.#resumeFrom ?? 0);
  }

  #push(step: Step): void {
    this.#steps.push(step);
    if (this.#steps.length > 1) {
      this.#waitingInstances += sizeOf(step);
    }
    const isCrowded =
      this.#steps.length > WATCH_QUEUE_CHANGES_MAX ||
      this.#waitingInstances > WATCH_QUEUE_INSTANCES_MAX;
    if (isCrowded) {
      this.#collapse();
    }
  }

  #replace(step: SnapshotStep): Changed {
    const changed = difference(this.#view, step.endpoints);
    this.#view = new Map(step.endpoints);
    this.#sorted = sorted(step.endpoints.values());
    return changed;
  }

  #change(step: ChangeStep): Changed {
    const remove: Endpoint[] = [];
    for (const key of step.remove) {
      const endpoint = this.#view.get(key);
      if (endpoint !== undefined) {
        remove.push(endpoint);
        this.#view.delete(key);
      }
    }
    for (const [key, endpoint] of step.put) {
      this.#view.set(key, endpoint);
    }
    const touched = (endpoint: Endpoint): boolean => {
      const key = keyText(endpoint);
      return step.remove.has(key) || step.put.has(key);
    };
    const untouched = this.#sorted.filter((endpoint) => !touched(endpoint));
    this.#sorted = sorted([...untouched, ...step.put.values()]);
    return { put: [...step.put.values()], remove };
  }

  #collapse(): void {
    const [first, ...later] = this.#steps;
    if (first === undefined) {
      return;
    }
    const merged = later.reduce(combined, first);
    const bounded = merged.type === "snapshot" ? merged : this.#withoutVisitors(merged);
    this.#steps = [bounded];
    this.#waitingInstances = 0;
  }

  /** What came and went while the reader looked away was never there for it. */
  #withoutVisitors(step: ChangeStep): ChangeStep {
    const remove = new Set([...step.remove].filter((key) => this.#view.has(key)));
    return { ...step, remove, collapsedFrom: step.collapsedFrom ?? this.#viewRevision ?? 0 };
  }
}

function changeOf({ revision, put, remove }: DeltaMessage, from: number | null): ChangeStep {
  return {
    type: "change",
    revision,
    put: byKey(put),
    remove: new Set(remove.map((key: KeyBody) => keyText(key))),
    collapsedFrom: from,
  };
}

function followedBy(first: ChangeStep, second: ChangeStep): ChangeStep {
  const put = new Map(first.put);
  const remove = new Set(first.remove);
  for (const key of second.remove) {
    put.delete(key);
    remove.add(key);
  }
  for (const [key, endpoint] of second.put) {
    remove.delete(key);
    put.set(key, endpoint);
  }
  const { collapsedFrom } = first;
  return { type: "change", revision: second.revision, put, remove, collapsedFrom };
}

function combined(first: Step, second: Step): Step {
  if (second.type === "snapshot") {
    return second;
  }
  if (first.type === "change") {
    return followedBy(first, second);
  }
  return { ...first, revision: second.revision, endpoints: applied(first.endpoints, second) };
}

function applied(view: ReadonlyMap<string, Endpoint>, step: ChangeStep): Map<string, Endpoint> {
  const next = new Map(view);
  for (const key of step.remove) {
    next.delete(key);
  }
  for (const [key, endpoint] of step.put) {
    next.set(key, endpoint);
  }
  return next;
}

function difference(
  before: ReadonlyMap<string, Endpoint>,
  after: ReadonlyMap<string, Endpoint>,
): Changed {
  const put: Endpoint[] = [];
  const remove: Endpoint[] = [];
  for (const [key, endpoint] of after) {
    const old = before.get(key);
    if (old === undefined || old.modifiedRevision !== endpoint.modifiedRevision) {
      put.push(endpoint);
    }
  }
  for (const [key, endpoint] of before) {
    if (!after.has(key)) {
      remove.push(endpoint);
    }
  }
  return { put, remove };
}

function byKey(endpoints: readonly Endpoint[]): Map<string, Endpoint> {
  return new Map(endpoints.map((endpoint) => [keyText(endpoint), endpoint]));
}

function sizeOf(step: Step): number {
  return step.type === "snapshot" ? step.endpoints.size : step.put.size + step.remove.size;
}

function sorted(endpoints: Iterable<Endpoint>): readonly Endpoint[] {
  return [...endpoints].sort((a, b) => compare(a.protocol, b.protocol) || compare(a.addr, b.addr));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
