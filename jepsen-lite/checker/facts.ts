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
  /** Looked at once: what it may show. */
  readonly possible: Set<Origin>;
  /** Views by revision, of reads: most say what another has said. */
  readonly views: Map<number, View>;
}

/** What a history says of each key, from everybody who says something. */
export class Facts {
  readonly byKey = new Map<Key, Fact[]>();
  readonly findings: Finding[] = [];
  readonly #recorded: Recorded;
  readonly #domains = new Map<string, Domain>();
  /** By the object, since a recorder that keeps its selectors saves the comparison. */
  readonly #bySelector = new Map<Selector, Domain>();

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
    const known = this.#bySelector.get(selector);
    if (known !== undefined) {
      return known;
    }
    const name = JSON.stringify(selector);
    const domain = this.#domains.get(name) ?? this.#newDomain(selector);
    this.#domains.set(name, domain);
    this.#bySelector.set(selector, domain);
    return domain;
  }

  #newDomain(selector: Selector): Domain {
    const keys = this.#recorded.keys.filter((key) => covers(selector, key));
    const unseenBy = selector.meta.length === 0 ? null : selector;
    return { selector, keys, unseenBy, possible: new Set(), views: new Map() };
  }

  /** Says of one revision what a selector selects. */
  addView(domain: Domain, view: View, revision: number, at: number): void {
    const { keys, unseenBy, views } = domain;
    const known = views.get(revision);
    if (known !== undefined && isSame(known, view)) {
      return;
    }
    views.set(revision, view);
    const shown = this.shown(domain, view, at);
    for (const key of keys) {
      const content = shown.get(key) ?? null;
      const unseen = content === null ? unseenBy : null;
      this.add(key, {
        from: revision,
        to: revision,
        content,
        unseenBy: unseen,
        source: "read",
        at,
      });
    }
  }

  /** A view as a map, without what nobody wrote and what its selector does not select. */
  shown(domain: Domain, view: View, at: number): Map<Key, Content> {
    const shown = new Map<Key, Content>();
    for (const [key, content] of view) {
      if (this.#isPossible(domain, key, content, at)) {
        shown.set(key, content);
      }
    }
    return shown;
  }

  #isPossible({ selector, possible }: Domain, key: Key, content: Content, at: number): boolean {
    const origin = this.#recorded.origins.get(content);
    if (origin?.put.key === key && origin.write.invoked.at < at && possible.has(origin)) {
      return true;
    }
    const fault = faultOf(selector, key, origin, at);
    if (fault === null) {
      if (origin !== undefined) {
        possible.add(origin);
      }
    } else {
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
