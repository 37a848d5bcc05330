import type { Content, Key, WriteCall } from "../history.ts";
import { type Causes, causesOf } from "./causes.ts";
import { checkCompares } from "./compares.ts";
import type { Facts } from "./facts.ts";
import {
  acknowledged,
  firstAt,
  type Operation,
  outcome,
  overFrom,
  type Recorded,
  type Session,
} from "./recorded.ts";
import { type Run, timelines } from "./timelines.ts";
import type { Finding, Part } from "./verdict.ts";
import { nameOf, type Windows, windows } from "./windows.ts";

/**
 * Strict serializability in the order of revisions: there is one row of states, one a revision, that
 * explains every answer, every read and every watch.
 *
 * - Whatever names a revision (answers, reads, what watches claim, what nodes tell) agrees on what
 *   each key held there; each content is there in one piece (`timelines`).
 * - Every write that had an effect had it at one revision, in all its keys, after every revision
 *   that anybody had been told of before it was sent, and in the order of its session (`windows`).
 *   No two writes have their effect at one revision.
 * - What is gone was replaced, removed by a write that may have happened then, or ended with the
 *   session that owned it; nothing of a session is there once its end is applied (`causes`).
 * - An update had something to change, and one that compares had what it names (`compares`).
 * - An older session takes nothing from a newer one that still owns it, and is told that a newer one
 *   does only where there is one.
 * - Every revision that nodes tell follows the one before.
 * - A read names a revision that is not below what its mode asks for: linearizable, all that anybody
 *   had been told of before it was sent; at least R, R; with an age, all that anybody had been told
 *   that long ago.
 *
 * It is sound: no correct cluster breaks it, whatever was lost on the way. It is not complete: it
 * does not search for a row of states, and what no answer, read, watch or node has shown may be
 * wrong. O(n log n) in the events of the history and the keys of its views.
 */
export function checkSerializable(recorded: Recorded, facts: Facts): Part {
  const findings: Finding[] = [];
  for (const write of recorded.writes) {
    claim(write, facts);
  }
  for (const read of recorded.reads) {
    checkRead(read, recorded, facts, findings);
  }
  claimRevisions(recorded, facts, findings);
  // One by one: of a broken node there may be more than a call takes.
  for (const finding of facts.findings) findings.push(finding);
  const lines = timelines(recorded, facts, findings);
  const runs = new Map<Content, Run>();
  for (const line of lines.values()) {
    for (const run of line) {
      if (run.content !== null) {
        runs.set(run.content, run);
      }
    }
  }
  const when = windows(recorded, runs, findings);
  oneEach(when, findings);
  const causes = causesOf(recorded, when);
  for (const [key, line] of lines) {
    line.forEach((run, i) => {
      checkEnd(key, run, line[i + 1], recorded, causes, findings);
    });
  }
  for (const finding of checkCompares(recorded, lines, when)) findings.push(finding);
  for (const write of recorded.writes) {
    checkTakenOver(write, recorded, causes, findings);
  }
  return { findings, looked: recorded.writes.filter((write) => acknowledged(write)).length };
}

/** What an answer to a write says of the state at its revision. */
function claim(write: Operation<WriteCall>, facts: Facts): void {
  const first = outcome(write);
  if (first?.event.type === "fail" && first.event.code === "NOT_FOUND") {
    const [put] = write.call.puts;
    const { at, event } = first;
    if (put !== undefined && event.revision !== null) {
      const known = { from: event.revision, to: event.revision, unseenBy: null, at } as const;
      facts.add(put.key, { ...known, content: null, source: "write" });
    }
  }
  const answer = acknowledged(write);
  if (answer === null) {
    return;
  }
  const { revision, at } = answer;
  const known = { from: revision, to: revision, unseenBy: null, source: "write", at } as const;
  for (const { key, content } of write.call.puts) {
    facts.add(key, { ...known, content });
  }
  for (const key of write.call.removes) {
    facts.add(key, { ...known, content: null });
  }
}

function checkRead(
  read: Recorded["reads"][number],
  { told, history }: Recorded,
  facts: Facts,
  findings: Finding[],
): void {
  const answer = outcome(read);
  if (answer?.event.type !== "ok" || answer.event.view === undefined) {
    return;
  }
  const { at, event } = answer;
  const { view } = answer.event;
  const { mode, selector } = read.call;
  const revision = event.revision ?? 0;
  const fault = (promise: string, what: string): void => {
    const where = `a ${mode.type} read of ${read.process} answered revision ${revision}, ${what}`;
    findings.push({
      checker: "serializable",
      promise,
      what: where,
      events: [read.invoked.at, at],
    });
  };
  const before = told[read.invoked.at] ?? 0;
  if (mode.type === "linearizable" && revision < before) {
    fault("Linearizable", `${before} had been told before it was sent`);
  }
  if (mode.type === "atLeast" && revision < mode.revision) {
    fault("At least R", `${mode.revision} was asked for`);
  }
  const ageMs = event.ageMs ?? null;
  if (mode.type === "stale" && mode.maxAgeMs !== null && (ageMs ?? Infinity) > mode.maxAgeMs) {
    fault("Stale, at most N ms", `of age ${ageMs}, ${mode.maxAgeMs} ms were asked for`);
  }
  const asOfMs = event.asOfMs ?? null;
  if (asOfMs !== null) {
    const old = told[firstAt(history, asOfMs)] ?? 0;
    if (revision < old) {
      fault("Stale, at most N ms", `of age ${ageMs} ms, ${old} is older`);
    }
  }
  facts.addView(facts.domain(selector), view, revision, at);
}

/** A stream of everything, without a gap. */
function claimRevisions({ revisions, keys }: Recorded, facts: Facts, findings: Finding[]): void {
  const held = new Map<Key, { content: Content | null; from: number; at: number }>();
  for (const key of keys) {
    held.set(key, { content: null, from: 0, at: 0 });
  }
  let last = { revision: 0, at: 0 };
  const settle = (key: Key, to: number): void => {
    const before = held.get(key);
    if (before !== undefined) {
      facts.add(key, { ...before, to, unseenBy: null, source: "node" });
    }
  };
  for (const { at, event } of revisions) {
    const { revision, put, remove } = event;
    if (revision !== last.revision + 1) {
      const what = `revision ${revision} comes after ${last.revision}`;
      findings.push({
        checker: "serializable",
        promise: "One history",
        what,
        events: [last.at, at],
      });
    }
    last = { revision, at };
    for (const [key, content] of [...put, ...remove.map((gone) => [gone, null] as const)]) {
      if (held.get(key)?.content !== content) {
        settle(key, revision - 1);
        held.set(key, { content, from: revision, at });
      }
    }
  }
  if (revisions.length > 0) {
    for (const key of keys) {
      settle(key, last.revision);
    }
  }
}

/** An effect is a revision of its own. */
function oneEach(when: Windows, findings: Finding[]): void {
  const known = new Map<number, Operation<WriteCall>>();
  for (const [write, { after, by, hasHappened }] of when) {
    if (!hasHappened || by !== after + 1) {
      continue;
    }
    const other = known.get(by);
    if (other !== undefined) {
      findings.push({
        checker: "serializable",
        promise: "One history",
        what: `${nameOf(other)} and ${nameOf(write)} both made revision ${by}`,
        events: [
          other.answers[0]?.at ?? other.invoked.at,
          write.answers[0]?.at ?? write.invoked.at,
        ],
      });
    }
    known.set(by, write);
  }
}

function checkEnd(
  key: Key,
  run: Run,
  next: Run | undefined,
  { origins, sessions }: Recorded,
  causes: Causes,
  findings: Finding[],
): void {
  const origin = run.content === null ? undefined : origins.get(run.content);
  if (run.content === null || origin === undefined) {
    return;
  }
  const fault = (promise: string, what: string, events: readonly (number | null)[]): void => {
    const known = events.filter((at) => at !== null);
    findings.push({ checker: "serializable", promise, what: `${key}: ${what}`, events: known });
  };
  const owners = causes.owners(run.content);
  const [owner, ...others] = owners;
  const over = owner !== undefined && others.length === 0 ? overBy(owner) : null;
  if (over !== null && run.to >= over.revision) {
    const what = `${run.content} is there at revision ${run.to}, its session ended by ${over.revision}`;
    fault("For good", what, [over.at, run.toAt]);
  }
  if (run.goneBy === null) {
    return;
  }
  const isReplaced = next !== undefined && next.content !== null;
  if (!isReplaced || run.goneBy < next.from) {
    const isHidden =
      run.isGoneUnseen && causes.mayBeReplaced(key, origin.write, run.to, run.goneBy);
    if (!isHidden && !causes.mayBeGone(key, owners, run.to, run.goneBy)) {
      const what = `${run.content} was there at revision ${run.to}, and is gone by ${run.goneBy}, by nobody`;
      fault("No acknowledged write is lost", what, [run.toAt, run.goneAt]);
    }
    return;
  }
  const successor = sessions.get(origins.get(next.content)?.write.call.session ?? "");
  if (successor !== undefined && causes.isOlderThanAll(successor, owners)) {
    if (!causes.mayBeGone(key, owners, run.to, next.from - 1)) {
      const what = `${next.content} replaced ${run.content} of a newer session by revision ${next.from}`;
      fault("One owner", what, [run.toAt, next.fromAt]);
    }
  }
}

/** Where a session is over, or, by what its client was told, has been for a while. */
function overBy(session: Session): { readonly at: number; readonly revision: number } | null {
  const { toldEnd } = session;
  const told = toldEnd === null || toldEnd.event.reason === "unknown" ? null : toldEnd;
  return overFrom(session) ?? (told && { at: told.at, revision: told.event.revision });
}

function checkTakenOver(
  write: Operation<WriteCall>,
  { sessions }: Recorded,
  causes: Causes,
  findings: Finding[],
): void {
  const answer = outcome(write);
  if (answer?.event.type !== "fail" || answer.event.code !== "TAKEN_OVER") {
    return;
  }
  const own = sessions.get(write.call.session);
  const keys = [...write.call.puts.map(({ key }) => key), ...write.call.removes];
  if (own !== undefined && !keys.some((key) => causes.mayBeTaken(key, own, answer.at))) {
    const what = `${nameOf(write)} was refused with TAKEN_OVER, and no newer session wrote to its keys`;
    const events = [write.invoked.at, answer.at];
    findings.push({ checker: "serializable", promise: "One owner", what, events });
  }
}
