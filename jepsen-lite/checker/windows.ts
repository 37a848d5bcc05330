import type { Content, WriteCall } from "../history.ts";
import { acknowledged, hasFailed, type Operation, type Recorded } from "./recorded.ts";
import type { Run } from "./timelines.ts";
import type { Finding } from "./verdict.ts";

/** A write takes effect, if at all, at a revision in (after, by]. */
export interface Window {
  after: number;
  by: number;
  /** Positions of what says so. */
  afterAt: number;
  byAt: number;
  /** Whether it is known to have had an effect. */
  hasHappened: boolean;
}

export type Windows = ReadonlyMap<Operation<WriteCall>, Window>;

/**
 * When each write took effect, from all that is known of it:
 *
 * - real time: after every revision that any client had been told of when it was first sent;
 * - its answer: at the revision that it names, where it puts something; a removal of what was gone
 *   already may be answered later;
 * - what was seen: after its content was not there yet, and not after it was, in all of its keys,
 *   since a write is whole;
 * - its session: the writes of one session take effect in the order of their numbers.
 *
 * A write whose window is empty breaks what its window was made from. O(writes + runs).
 */
export function windows(
  recorded: Recorded,
  runs: ReadonlyMap<Content, Run>,
  findings: Finding[],
): Windows {
  const all = new Map<Operation<WriteCall>, Window>();
  for (const { writes } of recorded.sessions.values()) {
    for (const write of writes) {
      all.set(write, windowOf(write, recorded, runs, findings));
    }
    order(writes, all, findings);
  }
  return all;
}

function windowOf(
  write: Operation<WriteCall>,
  { told }: Recorded,
  runs: ReadonlyMap<Content, Run>,
  findings: Finding[],
): Window {
  const invokedAt = write.invoked.at;
  const window: Window = {
    after: told[invokedAt] ?? 0,
    by: Number.POSITIVE_INFINITY,
    afterAt: invokedAt,
    byAt: invokedAt,
    hasHappened: false,
  };
  const answer = acknowledged(write);
  const isPut = write.call.puts.length > 0;
  if (answer !== null) {
    const { revision, at } = answer;
    // A removal of what is not there changes nothing, and names the revision that there was.
    if (revision < window.after || (isPut && revision === window.after)) {
      const what = `${nameOf(write)} was answered with revision ${revision}, and ${window.after} had been told before it was sent`;
      findings.push(finding("Real time", what, [invokedAt, at]));
    }
    if (isPut) {
      narrow(window, { after: revision - 1, by: revision, at });
      window.hasHappened = true;
    } else {
      narrow(window, { after: -1, by: revision, at });
    }
  }
  for (const { content } of write.call.puts) {
    const run = runs.get(content);
    if (run !== undefined) {
      const { after, from, fromAt } = run;
      window.hasHappened = true;
      narrow(window, { after, by: from, at: fromAt });
    }
  }
  if (window.after >= window.by && isPut && !(answer !== null && answer.revision <= window.after)) {
    const what = `${nameOf(write)} took effect after revision ${window.after}, and was seen at ${window.by}`;
    findings.push(
      finding("Whole, at one revision", what, [invokedAt, window.afterAt, window.byAt]),
    );
  }
  return window;
}

function narrow(window: Window, { after, by, at }: { after: number; by: number; at: number }) {
  if (after > window.after) {
    window.after = after;
    window.afterAt = at;
  }
  if (by < window.by) {
    window.by = by;
    window.byAt = at;
  }
}

/** Each has its effect after the ones before it; an effect is one revision. */
function order(
  writes: readonly Operation<WriteCall>[],
  all: Map<Operation<WriteCall>, Window>,
  findings: Finding[],
): void {
  let earliest = -1;
  let earliestAt = 0;
  for (const write of writes) {
    const window = all.get(write);
    if (window === undefined || hasFailed(write)) {
      continue;
    }
    const answer = acknowledged(write);
    const isPut = write.call.puts.length > 0;
    // The earlier one is at `earliest` or later.
    const limit = isPut ? window.by - 1 : window.by;
    if ((window.hasHappened || answer !== null) && earliest > limit) {
      const what = `${nameOf(write)} took effect by revision ${window.by}, an earlier number after ${earliest - 1}`;
      findings.push(finding("Once, in order", what, [earliestAt, write.invoked.at, window.byAt]));
    }
    narrow(window, { after: earliest, by: Number.POSITIVE_INFINITY, at: earliestAt });
    const low = isPut ? window.after + 1 : (answer?.revision ?? -1);
    if ((window.hasHappened || answer !== null) && low > earliest) {
      earliest = low;
      earliestAt = window.afterAt;
    }
  }
  let latest = Number.POSITIVE_INFINITY;
  let latestAt = 0;
  for (const write of writes.toReversed()) {
    const window = all.get(write);
    if (window === undefined || hasFailed(write)) {
      continue;
    }
    narrow(window, { after: -1, by: latest, at: latestAt });
    const isPut = write.call.puts.length > 0;
    const high = isPut ? window.by - 1 : window.by;
    if ((window.hasHappened || acknowledged(write) !== null) && high < latest) {
      latest = high;
      latestAt = window.byAt;
    }
  }
}

function finding(promise: string, what: string, events: readonly number[]): Finding {
  return { checker: "serializable", promise, what, events };
}

export function nameOf({ call: { session, seq } }: Pick<Operation<WriteCall>, "call">): string {
  return `write ${seq} of session ${session.slice(0, 8)}`;
}
