import type { RunFiles } from "../chaos/run-directory.ts";
import { Row, type Span } from "./spans.ts";
import { type Buckets, bucketAt } from "./time.ts";

export interface NodeRow {
  readonly name: string;
  /** A role by its own word, or `silent` or `down`. */
  readonly spans: readonly Span<string>[];
  /** By bucket, the highest that it told of; null where it told of none. */
  readonly commits: readonly (number | null)[];
  readonly terms: readonly (number | null)[];
  readonly elected: readonly Election[];
}

export interface Election {
  readonly atMs: number;
  readonly node: string;
  /** Null where nobody told of it: it was over before the next sample. */
  readonly term: number | null;
}

/** In the order of their names; those that a sample or an election names. */
export function nodesOf({ history, views }: RunFiles, buckets: Buckets): NodeRow[] {
  const byName = new Map<string, Told>();
  const toldBy = (name: string): Told => {
    const known = byName.get(name) ?? new Told(buckets);
    byName.set(name, known);
    return known;
  };
  for (const event of history) {
    if (event.type === "leader") toldBy(event.node).elected.push(event.atMs);
  }
  for (const sample of views) toldBy(sample.node).take(sample);
  return [...byName]
    .map(([name, told]) => told.done(name))
    .sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
}

/** Of all nodes, one after the other. */
export function electionsOf(nodes: readonly NodeRow[]): Election[] {
  return nodes.flatMap(({ elected }) => elected).sort((a, b) => a.atMs - b.atMs);
}

/** Longer than one that does not answer is waited for. */
const GONE_MS = 3_000;

class Told {
  readonly elected: number[] = [];
  readonly #row: Row<string>;
  readonly #buckets: Buckets;
  readonly #commits: (number | null)[];
  readonly #terms: (number | null)[];
  #lastMs = 0;
  readonly #leading: { readonly atMs: number; readonly term: number }[] = [];

  constructor(buckets: Buckets) {
    this.#buckets = buckets;
    this.#row = new Row(buckets.endMs);
    this.#commits = new Array<number | null>(buckets.count).fill(null);
    this.#terms = [...this.#commits];
  }

  take(sample: RunFiles["views"][number]): void {
    const { atMs } = sample;
    this.#wasAskedUntil(atMs);
    this.#lastMs = atMs;
    this.#row.become(sample.state === "up" ? sample.role : sample.state, atMs);
    if (sample.state !== "up") return;
    const bucket = bucketAt(this.#buckets, atMs);
    raise(this.#commits, bucket, sample.commit);
    raise(this.#terms, bucket, sample.term);
    if (sample.role === "leader") this.#leading.push({ atMs, term: sample.term });
  }

  done(name: string): NodeRow {
    this.#wasAskedUntil(this.#buckets.endMs);
    const elected = this.elected.map((atMs, i): Election => {
      const until = this.elected[i + 1] ?? Number.POSITIVE_INFINITY;
      const told = this.#leading.find((each) => each.atMs >= atMs && each.atMs < until);
      return { atMs, node: name, term: told?.term ?? null };
    });
    return {
      ...{ name, spans: this.#row.spans, elected },
      ...{ commits: this.#commits, terms: this.#terms },
    };
  }

  /** Who is no member any more is not asked, and is nothing. */
  #wasAskedUntil(atMs: number): void {
    if (atMs - this.#lastMs > GONE_MS) this.#row.become(null, this.#lastMs + 1);
  }
}

function raise(values: (number | null)[], at: number, value: number): void {
  values[at] = Math.max(values[at] ?? 0, value);
}
