import type { Call, Event, History } from "../history.ts";
import { type Buckets, bucketAt } from "./time.ts";

/** What operations are told apart by. */
export const KINDS = [
  "write",
  "linearizable read",
  "at-least read",
  "stale read",
  "open",
  "touch",
] as const;
export type Kind = (typeof KINDS)[number];

/** Milliseconds from the first sending to the first answer, of those that were answered ok. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface OfKind {
  readonly kind: Kind;
  readonly invoked: number;
  readonly ok: number;
  /** Definitely without effect. */
  readonly refused: number;
  /** Nobody knows: given up, or never answered. */
  readonly unknown: number;
  readonly latency: Latency | null;
  /** By bucket of the sending. */
  readonly latencies: readonly (Latency | null)[];
}

/** Counts by bucket: answers in that of the answer, the unknown in that of the sending. */
export interface Rates {
  readonly writes: readonly number[];
  readonly reads: readonly number[];
  /** Openings and touches of sessions. */
  readonly sessions: readonly number[];
  readonly refused: readonly number[];
  readonly unknown: readonly number[];
}

/** What one client asked for, by bucket of the sending. */
export interface OfClient {
  readonly invoked: number[];
  readonly unknown: number[];
}

export interface Operations {
  readonly kinds: readonly OfKind[];
  readonly rates: Rates;
  readonly clients: ReadonlyMap<string, OfClient>;
}

interface Waiting {
  readonly kind: Kind;
  readonly atMs: number;
  readonly client: OfClient;
}

type Completion = Event & { readonly type: "ok" | "fail" | "info" };

/** O(events), but for the sorting of latencies. */
export function operationsOf(history: History, buckets: Buckets): Operations {
  const tally = new Tally(buckets);
  for (const event of history) {
    if (event.type === "invoke") tally.invoke(event);
    else if (event.type === "ok" || event.type === "fail" || event.type === "info") {
      tally.complete(event);
    }
  }
  return tally.done();
}

export function kindOf(call: Call): Kind {
  if (call.kind !== "read") return call.kind;
  switch (call.mode.type) {
    case "linearizable":
      return "linearizable read";
    case "atLeast":
      return "at-least read";
    case "stale":
      return "stale read";
  }
}

class KindTally {
  readonly kind: Kind;
  invoked = 0;
  ok = 0;
  refused = 0;
  unknown = 0;
  readonly #byBucket: number[][];

  constructor(kind: Kind, { count }: Buckets) {
    this.kind = kind;
    this.#byBucket = Array.from({ length: count }, () => []);
  }

  take(bucket: number, tookMs: number): void {
    this.ok += 1;
    this.#byBucket[bucket]?.push(tookMs);
  }

  done(): OfKind {
    const { kind, invoked, ok, refused, unknown } = this;
    const latencies = this.#byBucket.map(latencyOf);
    const latency = latencyOf(this.#byBucket.flat());
    return { kind, invoked, ok, refused, unknown, latency, latencies };
  }
}

class Tally {
  readonly #buckets: Buckets;
  readonly #kinds: Readonly<Record<Kind, KindTally>>;
  readonly #rates: Record<keyof Rates, number[]>;
  readonly #clients = new Map<string, OfClient>();
  readonly #waiting = new Map<number, Waiting>();

  constructor(buckets: Buckets) {
    this.#buckets = buckets;
    const kinds = KINDS.map((kind) => [kind, new KindTally(kind, buckets)]);
    this.#kinds = Object.fromEntries(kinds) as Record<Kind, KindTally>;
    const [writes, reads, sessions] = [this.#zeros(), this.#zeros(), this.#zeros()];
    this.#rates = { writes, reads, sessions, refused: this.#zeros(), unknown: this.#zeros() };
  }

  invoke({ op, process, call, atMs }: Event & { type: "invoke" }): void {
    const kind = kindOf(call);
    const client = this.#client(laneOf(process));
    this.#kinds[kind].invoked += 1;
    this.#count(client.invoked, atMs);
    this.#waiting.set(op, { kind, atMs, client });
  }

  /** The first of an operation counts. */
  complete({ type, op, atMs }: Completion): void {
    const waiting = this.#waiting.get(op);
    if (waiting === undefined) return;
    this.#waiting.delete(op);
    const kind = this.#kinds[waiting.kind];
    if (type === "ok") {
      kind.take(bucketAt(this.#buckets, waiting.atMs), atMs - waiting.atMs);
      this.#count(this.#rates[rateOf(waiting.kind)], atMs);
    } else if (type === "fail") {
      kind.refused += 1;
      this.#count(this.#rates.refused, atMs);
    } else {
      this.#unknown(waiting);
    }
  }

  done(): Operations {
    for (const waiting of this.#waiting.values()) this.#unknown(waiting);
    const kinds = Object.values(this.#kinds).map((kind) => kind.done());
    return { kinds, rates: this.#rates, clients: this.#clients };
  }

  #unknown({ kind, atMs, client }: Waiting): void {
    this.#kinds[kind].unknown += 1;
    this.#count(this.#rates.unknown, atMs);
    this.#count(client.unknown, atMs);
  }

  #client(lane: string): OfClient {
    const known = this.#clients.get(lane);
    if (known !== undefined) return known;
    const client = { invoked: this.#zeros(), unknown: this.#zeros() };
    this.#clients.set(lane, client);
    return client;
  }

  #count(counts: number[], atMs: number): void {
    const bucket = bucketAt(this.#buckets, atMs);
    counts[bucket] = (counts[bucket] ?? 0) + 1;
  }

  #zeros(): number[] {
    return new Array<number>(this.#buckets.count).fill(0);
  }
}

function rateOf(kind: Kind): "writes" | "reads" | "sessions" {
  if (kind === "write") return "writes";
  return kind === "open" || kind === "touch" ? "sessions" : "reads";
}

function latencyOf(values: number[]): Latency | null {
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort();
  const at = (quantile: number): number =>
    sorted[Math.max(0, Math.ceil(quantile * sorted.length) - 1)] ?? 0;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** `h1/7` and `m1.300` are one of many that share a lane, `h1` and `m1`. */
export function laneOf(process: string): string {
  const [lane = process] = process.split(/[/.]/);
  return lane;
}
