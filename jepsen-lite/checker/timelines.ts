import type { Content, Key, Selector } from "../history.ts";
import { selects } from "../model/selector.ts";
import { type Fact, type Facts, SOURCES } from "./facts.ts";
import type { Recorded } from "./recorded.ts";
import type { Finding } from "./verdict.ts";

/** A time in which a key held one content, or nothing, as far as is known. */
export interface Run {
  readonly content: Content | null;
  /** The highest revision at which something else is known to have been there. */
  readonly after: number;
  /** The lowest and the highest at which this is. */
  readonly from: number;
  to: number;
  /** The lowest at which it is known to be gone; null where it never was. */
  goneBy: number | null;
  /** That was seen by somebody who might not see what came instead. */
  isGoneUnseen: boolean;
  /** Positions of the events that say `from`, `to` and `goneBy`. */
  readonly fromAt: number;
  toAt: number;
  goneAt: number | null;
}

const PROMISES: Record<Fact["source"], string> = {
  watch: "In order, each change once, no gap",
  read: "The state at one revision",
  write: "An acknowledged write is in the state that its answer names",
  node: "One history",
};

/**
 * What each key held, one run after the other. Since each content is written once, it is there in
 * one piece: two facts contradict each other when they say different things of one revision, or
 * when something else was there between two times of a content.
 *
 * O(f log f) in the facts of a key.
 */
export function timelines(
  { origins }: Recorded,
  { byKey }: Facts,
  findings: Finding[],
): ReadonlyMap<Key, readonly Run[]> {
  const isSeenBy = (selector: Selector, content: Content): boolean => {
    const origin = origins.get(content);
    return origin !== undefined && selects(selector, origin.put.meta);
  };
  const all = new Map<Key, readonly Run[]>();
  for (const [key, facts] of byKey) {
    facts.sort((a, b) => a.from - b.from || a.at - b.at);
    const timeline = new Timeline(key, isSeenBy);
    for (const fact of facts) {
      const finding = timeline.take(fact);
      if (finding !== null) {
        findings.push(finding);
        break;
      }
    }
    all.set(key, timeline.runs);
  }
  return all;
}

/** The cluster is empty at first. */
const EMPTY: Fact = { from: 0, to: 0, content: null, unseenBy: null, source: "node", at: 0 };

class Timeline {
  readonly runs: Run[] = [];
  readonly #key: Key;
  readonly #isSeenBy: (selector: Selector, content: Content) => boolean;
  readonly #over = new Set<Content>();
  /** By selector: up to where it saw nothing. */
  readonly #unseen = new Map<Selector, Fact>();
  /** What the last run is of, and the latest fact that says so. */
  #run: Run;
  #last: Fact = EMPTY;

  constructor(key: Key, isSeenBy: (selector: Selector, content: Content) => boolean) {
    this.#key = key;
    this.#isSeenBy = isSeenBy;
    this.#run = this.#start(EMPTY, -1);
  }

  /** In the order of `from`. Null where it agrees with all before. */
  take(fact: Fact): Finding | null {
    return fact.unseenBy === null ? this.#takeWhole(fact) : this.#takeUnseen(fact, fact.unseenBy);
  }

  #takeWhole(fact: Fact): Finding | null {
    const run = this.#run;
    const last = this.#last;
    const hidden = this.#hidden(fact.content);
    if (hidden !== null && hidden.to >= fact.from) {
      return this.#contradiction(hidden, fact);
    }
    if (run.content === fact.content && (fact.content === null || run.goneBy === null)) {
      if (fact.to > run.to) {
        run.to = fact.to;
        run.toAt = fact.at;
        this.#last = fact;
      }
      return null;
    }
    if (fact.from <= run.to) {
      return this.#contradiction(last, fact);
    }
    if (fact.content !== null && (this.#over.has(fact.content) || run.content === fact.content)) {
      return this.#contradiction(last, fact);
    }
    if (run.content !== null) {
      this.#over.add(run.content);
    }
    run.goneBy ??= fact.from;
    run.goneAt ??= fact.at;
    this.#run = this.#start(fact, Math.max(run.to, hidden?.to ?? -1));
    return null;
  }

  #takeUnseen(fact: Fact, selector: Selector): Finding | null {
    const run = this.#run;
    if (run.content !== null && this.#isSeenBy(selector, run.content)) {
      if (fact.from <= run.to) {
        return this.#contradiction(this.#last, fact);
      }
      run.isGoneUnseen ||= run.goneBy === null;
      run.goneBy ??= fact.from;
      run.goneAt ??= fact.at;
    }
    const unseen = this.#unseen.get(selector);
    if (unseen === undefined || unseen.to < fact.to) {
      this.#unseen.set(selector, fact);
    }
    return null;
  }

  /** The latest fact that says that this content was not there. */
  #hidden(content: Content | null): Fact | null {
    let latest: Fact | null = null;
    for (const [selector, fact] of this.#unseen) {
      const isLater = latest === null || fact.to > latest.to;
      if (content !== null && isLater && this.#isSeenBy(selector, content)) {
        latest = fact;
      }
    }
    return latest;
  }

  #start(fact: Fact, after: number): Run {
    const { content, from, to, at } = fact;
    const gone = { goneBy: null, isGoneUnseen: false, goneAt: null };
    const run: Run = { content, after, from, to, fromAt: at, toAt: at, ...gone };
    this.runs.push(run);
    this.#last = fact;
    return run;
  }

  #contradiction(before: Fact, fact: Fact): Finding {
    const sources = [before.source, fact.source];
    const source = SOURCES.find((each) => sources.includes(each)) ?? "node";
    const what =
      `${this.#key} held ${said(before)}, says a ${before.source},` +
      ` and ${said(fact)}, says a ${fact.source}`;
    const events = [before.at, fact.at];
    return { checker: "serializable", promise: PROMISES[source], what, events };
  }
}

function said({ from, to, content, unseenBy }: Fact): string {
  const nothing =
    unseenBy === null ? "nothing" : `nothing that ${JSON.stringify(unseenBy.meta)} selects`;
  const when = from === to ? `at revision ${from}` : `from revision ${from} to ${to}`;
  return `${content ?? nothing} ${when}`;
}
