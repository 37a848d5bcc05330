import type { Finding } from "../checker/verdict.ts";
import type { Event } from "../history.ts";
import { changedKeys, type EventIndex, shownKeys } from "./event-index.ts";
import { kindOf } from "./operations.ts";
import { wordsOf } from "./words.ts";

/** An event as it is shown. */
export interface Told {
  /** Its position in the history. */
  readonly at: number;
  readonly atMs: number;
  readonly process: string;
  readonly op: number | null;
  readonly words: string;
  /** The line of the history, or its beginning. */
  readonly line: string;
  readonly isOfFinding: boolean;
}

/** An operation from its sending to its answer; null where there is none. */
export interface Bar {
  readonly op: number;
  readonly process: string;
  /** From 0 on; of those of one process no two in one row are at once. */
  readonly row: number;
  readonly fromMs: number;
  readonly toMs: number | null;
  readonly what: string;
  readonly isOfFinding: boolean;
}

/** The events of a finding, with those before and after them that have to do with them. */
export interface Around {
  readonly fromMs: number;
  readonly toMs: number;
  readonly events: readonly Told[];
  readonly bars: readonly Bar[];
}

/** How far it is looked, in events, to each side of each event of the finding. */
const REACH = 4_000;
const EACH_SIDE_MAX = 8;
const OF_PROCESS_MAX = 3;
const EVENTS_MAX = 80;
const LINE_MAX = 600;

/** What ties events together. */
interface Ties {
  readonly operations: ReadonlySet<number>;
  readonly sessions: ReadonlySet<string>;
  readonly streams: ReadonlySet<number>;
  readonly keys: ReadonlySet<string>;
  readonly processes: ReadonlySet<string>;
}

export function around(index: EventIndex, finding: Finding): Around {
  const own = new Set(finding.events.filter((at) => index.history[at] !== undefined));
  const ties = tiesOf(index, finding, [...own]);
  const chosen = new Set(own);
  for (const op of ties.operations) {
    const operation = index.operation(op);
    if (operation === null) continue;
    chosen.add(operation.invoked);
    if (operation.completed !== null) chosen.add(operation.completed);
  }
  for (const at of tellers(index, finding.what, Math.min(...own))) chosen.add(at);
  for (const at of own) {
    for (const step of [-1, 1]) {
      for (const near of neighbours(index, ties, at, step)) {
        if (chosen.size < EVENTS_MAX) chosen.add(near);
      }
    }
  }
  const events = [...chosen]
    .sort((a, b) => a - b)
    .map((at) => toldAt(index, at, own.has(at), ties.keys));
  const bars = barsOf(index, events, ties);
  const times = events.map(({ atMs }) => atMs);
  return { fromMs: Math.min(...times), toMs: Math.max(...times), events, bars };
}

/** Who was told last, before that, of each revision that is named. */
function tellers(index: EventIndex, what: string, before: number): number[] {
  const named = new Set(
    [...what.matchAll(/\b[1-9]\d*\b(?! ms)/g)].map(([number]) => Number(number)),
  );
  const found: number[] = [];
  for (let at = before - 1; at >= Math.max(0, before - REACH) && named.size > 0; at -= 1) {
    const event = index.history[at];
    const revision = event !== undefined && "revision" in event ? event.revision : null;
    if (revision !== null && named.delete(revision)) found.push(at);
  }
  return found;
}

function tiesOf(index: EventIndex, { what }: Finding, own: readonly number[]): Ties {
  const events = own.map((at) => index.history[at] as Event);
  const invocations = events.flatMap((event) => index.invocation(event) ?? []);
  const all = [...events, ...invocations];
  const named = all.flatMap((event) => [...changedKeys(event), ...shownKeys(event)]);
  const meant = named.filter((key) => what.includes(key));
  return {
    operations: new Set(invocations.map(({ op }) => op)),
    sessions: new Set(events.flatMap((event) => index.session(event) ?? [])),
    streams: new Set(events.flatMap((event) => ("stream" in event ? event.stream : []))),
    keys: new Set(meant.length > 0 ? meant : all.flatMap(changedKeys)),
    processes: new Set(events.flatMap((event) => index.process(event) ?? [])),
  };
}

/** The nearest to one side that have to do with it, and some of the same client. */
function neighbours(index: EventIndex, ties: Ties, from: number, step: number): number[] {
  const [tied, ofProcess]: [number[], number[]] = [[], []];
  for (let far = 1; far <= REACH && tied.length < EACH_SIDE_MAX; far += 1) {
    const at = from + far * step;
    const event = index.history[at];
    if (event === undefined) break;
    if (isTied(index, ties, event)) tied.push(at);
    else if (ofProcess.length < OF_PROCESS_MAX && ties.processes.has(index.process(event) ?? "")) {
      ofProcess.push(at);
    }
  }
  return [...tied, ...ofProcess];
}

function isTied(index: EventIndex, ties: Ties, event: Event): boolean {
  if ("op" in event && ties.operations.has(event.op)) return true;
  if ("stream" in event && ties.streams.has(event.stream)) return true;
  if (changedKeys(event).some((key) => ties.keys.has(key))) return true;
  const call = index.invocation(event)?.call;
  // Signs of life are many, and say something where it is about a session alone.
  if (call?.kind === "touch" && ties.keys.size > 0) return false;
  const session = index.session(event);
  return session !== null && ties.sessions.has(session);
}

function toldAt(
  index: EventIndex,
  at: number,
  isOfFinding: boolean,
  keys: ReadonlySet<string>,
): Told {
  const event = index.history[at] as Event;
  const line = JSON.stringify(event);
  return {
    ...{ at, atMs: event.atMs, isOfFinding },
    process: index.process(event) ?? "",
    op: "op" in event ? event.op : null,
    words: wordsOf(event, keys),
    line: line.length > LINE_MAX ? `${line.slice(0, LINE_MAX)}…` : line,
  };
}

function barsOf(index: EventIndex, events: readonly Told[], { operations }: Ties): Bar[] {
  const shown = new Set(events.flatMap(({ op }) => op ?? []));
  const bars = [...shown].flatMap((op): Omit<Bar, "row">[] => {
    const operation = index.operation(op);
    const invoked = operation === null ? undefined : index.history[operation.invoked];
    if (operation === null || invoked?.type !== "invoke") return [];
    const { completed } = operation;
    const answer = completed === null ? undefined : index.history[completed];
    const { process, call, atMs: fromMs } = invoked;
    const toMs = answer?.atMs ?? null;
    const what = `${kindOf(call)}, operation ${op}: ${answer?.type ?? "no answer"}`;
    return [{ op, process, fromMs, toMs, what, isOfFinding: operations.has(op) }];
  });
  return inRows(bars.sort((a, b) => a.fromMs - b.fromMs));
}

/** Each in the first row of its process that is free by then. */
function inRows(bars: readonly Omit<Bar, "row">[]): Bar[] {
  const busyMs = new Map<string, number[]>();
  return bars.map((bar) => {
    const rows = busyMs.get(bar.process) ?? [];
    busyMs.set(bar.process, rows);
    const free = rows.findIndex((untilMs) => untilMs <= bar.fromMs);
    const row = free === -1 ? rows.length : free;
    rows[row] = bar.toMs ?? Number.POSITIVE_INFINITY;
    return { ...bar, row };
  });
}
