import type { Content, Key, Selector, View } from "../history.ts";
import { covers, selects } from "../model/selector.ts";
import type { Origin, Recorded } from "./recorded.ts";
import type { Finding } from "./verdict.ts";

/** Who says so. The earlier in this list, the sooner it is what is wrong where two disagree. */
export const SOURCES = ["watch", "read", "write", "node"] as const;
export type Source = (typeof SOURCES)[number];

/**
 * At each revision from `from` to `to`, the key held `content`; null: nothing that `unseenBy`
 * selects, and where that asks for no meta, nothing at all.
 */
export interface Fact {
  readonly from: number;
  readonly to: number;
  readonly content: Content | null;
  readonly unseenBy: Selector | null;
  readonly source: Source;
  /** The position of the event that says so. */
  readonly at: number;
}

/** The keys that a selector covers. */
export interface Domain {
  readonly selector: Selector;
  readonly keys: readonly Key[];
  /** Null where what is not shown is not there. */
  readonly unseenBy: Selector | null;
}

/** What a history says of each key, from everybody who says something. */
export class Facts {
  readonly byKey = new Map<Key, Fact[]>();
  readonly findings: Finding[] = [];
  readonly #recorded: Recorded;
  readonly #domains = new Map<string, Domain>();
  /** Views of reads by selector and revision: most say what another has said. */
  readonly #known = new Map<string, View>();

  constructor(recorded: Recorded) {
    this.#recorded = recorded;
    for (const key of recorded.keys) {
      this.byKey.set(key, []);
    }
  }

  add(key: Key, fact: Fact): void {
    this.byKey.get(key)?.push(fact);
  }

  domain(selector: Selector): Domain {
    const name = JSON.stringify(selector);
    let domain = this.#domains.get(name);
    if (domain === undefined) {
      const keys = this.#recorded.keys.filter((key) => covers(selector, key));
      domain = { selector, keys, unseenBy: selector.meta.length === 0 ? null : selector };
      this.#domains.set(name, domain);
    }
    return domain;
  }

  /** Says of one revision what a selector selects. */
  addView({ selector, keys, unseenBy }: Domain, view: View, revision: number, at: number): void {
    const name = `${revision} ${JSON.stringify(selector)}`;
    const known = this.#known.get(name);
    if (known !== undefined && isSame(known, view)) {
      return;
    }
    this.#known.set(name, view);
    const shown = this.shown(selector, view, at);
    for (const key of keys) {
      const content = shown.get(key) ?? null;
      const unseen = content === null ? unseenBy : null;
      this.add(key, { from: revision, to: revision, content, unseenBy: unseen, source: "read", at });
    }
  }

  /** A view as a map, without what nobody wrote and what its selector does not select. */
  shown(selector: Selector, view: View, at: number): Map<Key, Content> {
    const shown = new Map<Key, Content>();
    for (const [key, content] of view) {
      if (this.#isPossible(selector, key, content, at)) {
        shown.set(key, content);
      }
    }
    return shown;
  }

  #isPossible(selector: Selector, key: Key, content: Content, at: number): boolean {
    const origin = this.#recorded.origins.get(content);
    const fault = faultOf(selector, key, origin, at);
    if (fault !== null) {
      const [promise, what] = fault;
      const events = origin === undefined ? [at] : [origin.write.invoked.at, at];
      this.findings.push({ checker: "serializable", promise, what: `${key}: ${what}`, events });
    }
    return fault === null;
  }
}

function faultOf(
  selector: Selector,
  key: Key,
  origin: Origin | undefined,
  at: number,
): [promise: string, what: string] | null {
  if (origin === undefined || origin.put.key !== key || origin.write.invoked.at > at) {
    return ["Once, in order", "shown with a content that nobody had written there"];
  }
  if (!covers(selector, key) || !selects(selector, origin.put.meta)) {
    return ["Only what is selected", `shown to ${JSON.stringify(selector)}`];
  }
  const failed = origin.write.answers[0];
  // A write that is refused later, on another attempt, was applied once at the most, too.
  if (failed?.event.type === "fail") {
    return ["Definite or indefinite", `shown, and its write was refused with ${failed.event.code}`];
  }
  return null;
}

function isSame(a: View, b: View): boolean {
  return (
    a.length === b.length &&
    a.every(([key, content], i) => b[i]?.[0] === key && b[i]?.[1] === content)
  );
}
