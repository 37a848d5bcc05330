import { Violation } from "./violation.ts";

interface Leadership {
  readonly node: string;
  readonly life: number;
}

/** Who has led in which term, as the nodes say themselves. */
export class Leaderships {
  readonly #byTerm = new Map<number, Leadership>();
  readonly #faults: string[] = [];

  /** Elections that somebody has won. */
  get count(): number {
    return this.#byTerm.size;
  }

  /** The last term that had a leader, and its leader. */
  get last(): { readonly term: number; readonly node: string } | null {
    const term = Math.max(0, ...this.#byTerm.keys());
    const leadership = this.#byTerm.get(term);
    return leadership === undefined ? null : { term, node: leadership.node };
  }

  /**
   * A term has one leader, and that in one of its lives: n1 led in term 4 and was started again. To
   * lead once more it has to be elected in a later term.
   */
  leads(term: number, node: string, life: number): void {
    const known = this.#byTerm.get(term);
    if (known === undefined) {
      this.#byTerm.set(term, { node, life });
    } else if (known.node !== node || known.life !== life) {
      const before = `${known.node} in its life ${known.life}`;
      this.#faults.push(`term ${term}: ${before}, and ${node} in its life ${life}`);
    }
  }

  /** Terms that more than one has led, or one in more than one life. */
  get faults(): readonly string[] {
    return this.#faults;
  }

  check(): void {
    if (this.#faults.length > 0) {
      throw new Violation("twoLeaders", this.#faults.join("; "), this.#faults.length);
    }
  }
}
