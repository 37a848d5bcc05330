import type { Key, Put, WriteCall } from "../history.ts";
import { acknowledged, hasFailed, type Operation, outcome, type Recorded } from "./recorded.ts";
import type { Run } from "./timelines.ts";
import type { Finding } from "./verdict.ts";
import { nameOf, type Window, type Windows } from "./windows.ts";

/** A write that put something at a key, if at all at a revision of its window. */
interface Made {
  readonly write: Operation<WriteCall>;
  readonly put: Put;
  readonly window: Window;
}

/** An answer to an update of a key, at a revision. */
interface Answered {
  readonly write: Operation<WriteCall>;
  readonly put: Put;
  readonly ifRevision: number | null;
  readonly revision: number;
  readonly at: number;
}

/**
 * Updates, which change what is there, and compare.
 *
 * - One that was acknowledged at R had something to change at R - 1. If it compared with V, the last
 *   change of its key before R was at V: some write to the key may have been made at V, none after
 *   it, and nothing was gone or already there that says otherwise.
 * - One that was refused with CONFLICT at A compared with another revision than that of what is known
 *   to have been there at A, and something was there. (NOT_FOUND is a claim like a read's.)
 *
 * O(updates × writes and runs of a key).
 */
export function checkCompares(
  { writes }: Recorded,
  lines: ReadonlyMap<Key, readonly Run[]>,
  when: Windows,
): Finding[] {
  const madeByKey = madeOf(writes, when);
  return writes.flatMap((write) => {
    const { update, puts } = write.call;
    const [put] = puts;
    const answer = outcome(write);
    const revision = answer?.event.revision ?? null;
    if (update === undefined || put === undefined || answer === null || revision === null) {
      return [];
    }
    const known = { runs: lines.get(put.key) ?? [], made: madeByKey.get(put.key) ?? [] };
    const { ifRevision } = update;
    const answered = { write, put, ifRevision, revision, at: answer.at };
    if (acknowledged(write) !== null) {
      return new Verdict(answered).acknowledged(known);
    }
    const isConflict = answer.event.type === "fail" && answer.event.code === "CONFLICT";
    return isConflict ? new Verdict(answered).refused(known) : [];
  });
}

function madeOf(
  writes: readonly Operation<WriteCall>[],
  when: Windows,
): ReadonlyMap<Key, readonly Made[]> {
  const all = new Map<Key, Made[]>();
  for (const write of writes) {
    const window = when.get(write);
    if (window !== undefined && !hasFailed(write)) {
      for (const put of write.call.puts) {
        const made = all.get(put.key) ?? [];
        made.push({ write, put, window });
        all.set(put.key, made);
      }
    }
  }
  return all;
}

interface Known {
  readonly runs: readonly Run[];
  readonly made: readonly Made[];
}

class Verdict {
  readonly #answered: Answered;

  constructor(answered: Answered) {
    this.#answered = answered;
  }

  acknowledged({ runs, made }: Known): Finding[] {
    const { write, put, ifRevision, revision, at } = this.#answered;
    const before = revision - 1;
    const absent = runs.find((run) => run.content === null && covers(run, before));
    if (absent !== undefined) {
      const what = `was acknowledged at revision ${revision}, and nothing was there to change at ${before}`;
      return [this.#fault(what, [absent.toAt, at])];
    }
    if (ifRevision === null) {
      return [];
    }
    const named = `compared with revision ${ifRevision}, and was acknowledged at ${revision}`;
    if (ifRevision >= revision) {
      return [this.#fault(`${named}, which is no later one`, [at])];
    }
    const others = made.filter((each) => each.write !== write);
    const mayBe = others.some(({ window }) => window.after < ifRevision && window.by >= ifRevision);
    if (!mayBe) {
      return [this.#fault(`${named}: no write to ${put.key} can have been made there`, [at])];
    }
    const later = others.find(
      ({ window }) => window.hasHappened && window.after >= ifRevision && window.by <= before,
    );
    if (later !== undefined) {
      const { window } = later;
      const what = `${named}: ${nameOf(later.write)} was made between`;
      return [this.#fault(what, [window.afterAt, window.byAt, at])];
    }
    const other = runs.find((run) => isOtherThan(run, ifRevision, before));
    if (other !== undefined) {
      const what = `${named}: ${other.content ?? "nothing"} was there from ${other.from} to ${other.to}`;
      return [this.#fault(what, [other.fromAt, other.toAt, at])];
    }
    return [];
  }

  refused({ runs, made }: Known): Finding[] {
    const { ifRevision, revision, at } = this.#answered;
    const was = `was refused with CONFLICT at revision ${revision}`;
    if (ifRevision === null) {
      return [this.#fault(`${was}, and compares with nothing`, [at])];
    }
    const there = runs.find((run) => covers(run, revision));
    if (there?.content === null) {
      return [this.#fault(`${was}, and nothing was there`, [there.toAt, at])];
    }
    const same = made.find(
      ({ put, window }) =>
        window.hasHappened &&
        window.by === ifRevision &&
        window.after === ifRevision - 1 &&
        there?.content === put.content,
    );
    if (same !== undefined) {
      const what = `${was}, and what was there was made at ${ifRevision}, with which it compares`;
      return [this.#fault(what, [same.window.byAt, there?.toAt ?? at, at])];
    }
    return [];
  }

  #fault(what: string, events: readonly number[]): Finding {
    const { write } = this.#answered;
    return {
      checker: "serializable",
      promise: "Compared",
      what: `${nameOf(write)} ${what}`,
      events: [write.invoked.at, ...events],
    };
  }
}

function covers(run: Run, revision: number): boolean {
  return run.from <= revision && run.to >= revision;
}

/** Whether what a run says of (compared, before] is not what was made at `compared`. */
function isOtherThan(run: Run, compared: number, before: number): boolean {
  if (run.from > before || run.to < compared) {
    return false;
  }
  return run.content === null || run.from < compared || run.after >= compared;
}
