import { Violation } from "./violation.ts";

/** Null: not there. A text is in no other write. */
export type Content = string | null;

interface Attempt {
  /** It has happened. */
  ok(): void;
  /** It has not, and will not. */
  refused(): void;
  /** Nobody can tell. */
  unknown(): void;
}

/**
 * What clients were told of their writes, and what therefore may be there. The writes to a key come
 * one after the other from one session, so that an acknowledged one decides what became of all
 * before it.
 */
export class Ledger {
  readonly #possible = new Map<string, Set<Content>>();
  readonly #refused = new Set<string>();
  readonly counts = { acknowledged: 0, refused: 0, unknown: 0 };

  attempt(key: string, content: Content): Attempt {
    const possible = this.#possible.get(key) ?? new Set<Content>([null]);
    this.#possible.set(key, possible);
    const wasPossible = possible.has(content);
    possible.add(content);
    return {
      ok: () => {
        this.counts.acknowledged += 1;
        this.#possible.set(key, new Set([content]));
      },
      refused: () => {
        this.counts.refused += 1;
        if (!wasPossible) possible.delete(content);
        if (content !== null) this.#refused.add(content);
      },
      unknown: () => {
        this.counts.unknown += 1;
      },
    };
  }

  /** Holds a linearizable read of everything against it, sent after the last of the answers. */
  check(shown: ReadonlyMap<string, string>, where: string): void {
    const strange = [...shown].filter(([key, content]) => {
      return !this.#possible.has(key) || this.#refused.has(content);
    });
    if (strange.length > 0) {
      const [[key, content] = []] = strange;
      const what = `${where} shows ${content} at ${key}, which was refused or never written`;
      throw new Violation("strange", what, strange.length);
    }
    const lost = [...this.#possible].filter(([key, possible]) => {
      return !possible.has(shown.get(key) ?? null);
    });
    if (lost.length > 0) {
      const [[key = "", possible = []] = []] = lost;
      const expected = [...possible].map((content) => content ?? "nothing").join(" or ");
      const what = `${where} shows ${shown.get(key) ?? "nothing"} at ${key}, not ${expected}`;
      throw new Violation("lost", what, lost.length);
    }
  }
}
