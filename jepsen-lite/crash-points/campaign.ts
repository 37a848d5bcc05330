import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Prng } from "../prng.ts";
import { VIOLATIONS, Violation, type ViolationKind } from "../real/violation.ts";
import { kindOf, type Point, textOf } from "./points.ts";

/** An operation, and where it can be crashed. */
export interface Site {
  readonly name: string;
  /** All that can be reached, by a run that nobody kills. */
  points(type: Point["type"]): Promise<readonly Point[]>;
  /**
   * Does it all anew up to that point, and looks at what is left. False where the point was not
   * reached. Rejects with a Violation.
   */
  crash(point: Point): Promise<boolean>;
  /** Nothing of it runs any more. */
  close(): Promise<void>;
}

/** Makes a site in a directory that is its own; contents are drawn from `seed`. */
export interface Plan {
  readonly name: string;
  /** How many points of it are drawn in the time of one. */
  readonly weight: number;
  readonly prepare: (directory: string, seed: number) => Promise<Site>;
}

/** What came of the points of one operation. */
export interface Result {
  readonly name: string;
  /** That there are, of the seeds that were drawn from. */
  readonly known: number;
  readonly steps: number;
  readonly syscalls: number;
  /** Points that a run has come to its end without. */
  readonly missed: number;
  readonly seconds: number;
  readonly broken: Readonly<Record<ViolationKind, number>>;
  readonly violations: readonly string[];
}

export interface CampaignOptions {
  readonly seed: number;
  readonly points: number;
  readonly directory: string;
  readonly types: readonly Point["type"][];
  readonly isMeant: (point: Point) => boolean;
  readonly onResult: (result: Result) => void;
}

interface Drawn {
  readonly plan: Plan;
  readonly site: Site;
  readonly known: number;
  readonly points: readonly Point[];
}

/**
 * Crashes at `points` points, each another one: all that there are of one seed where that is enough,
 * and a part of them, as large for every operation, where it is not. Then of the next seeds. Fewer
 * where there are none.
 */
export async function runCampaign(
  plans: readonly Plan[],
  options: CampaignOptions,
): Promise<readonly Result[]> {
  const tallies = new Map(plans.map(({ name }) => [name, new Tally(name)]));
  let left = options.points;
  for (let turn = 0; left > 0; turn += 1) {
    const seed = options.seed + turn;
    const place = join(options.directory, `seed-${seed}`);
    await mkdir(place);
    const drawn = await draw(plans, place, seed, left, options);
    if (drawn.every(({ points }) => points.length === 0)) break;
    for (const { plan, site, known, points } of drawn) {
      const tally = tallies.get(plan.name);
      if (tally === undefined) throw new Error(`no tally of ${plan.name}`);
      const isKept = await tally.run(site, seed, known, points);
      left -= points.length;
      await site.close();
      if (isKept) await rm(join(place, plan.name), { recursive: true, force: true });
      options.onResult(tally.result);
    }
  }
  return [...tallies.values()].map(({ result }) => result);
}

async function draw(
  plans: readonly Plan[],
  directory: string,
  seed: number,
  count: number,
  { types, isMeant }: CampaignOptions,
): Promise<readonly Drawn[]> {
  const prng = new Prng(seed, plans.length);
  const all: { plan: Plan; site: Site; waiting: Point[]; known: number; chosen: Point[] }[] = [];
  for (const plan of plans) {
    const place = join(directory, plan.name);
    await mkdir(place);
    const site = await plan.prepare(place, seed);
    const points: Point[] = [];
    for (const type of types) points.push(...(await site.points(type)).filter(isMeant));
    all.push({ plan, site, waiting: spread(points, prng), known: points.length, chosen: [] });
  }
  let left = count;
  while (left > 0 && all.some(({ waiting }) => waiting.length > 0)) {
    for (const { plan, waiting, chosen } of all) {
      const next = waiting.splice(0, Math.min(plan.weight, left));
      chosen.push(...next);
      left -= next.length;
    }
  }
  return all.map(({ plan, site, known, chosen }) => ({ plan, site, known, points: chosen }));
}

/** Shuffled, with one of every kind before the second of any. */
function spread(points: readonly Point[], prng: Prng): Point[] {
  const kinds = new Map<string, Point[]>();
  for (const point of prng.shuffled(points)) {
    const kind = kindOf(point);
    kinds.set(kind, [...(kinds.get(kind) ?? []), point]);
  }
  const rows = prng.shuffled([...kinds.values()]);
  const longest = Math.max(0, ...rows.map(({ length }) => length));
  const turns = Array.from({ length: longest }, (_, turn) =>
    rows.flatMap((row) => row[turn] ?? []),
  );
  return turns.flat();
}

class Tally {
  readonly #name: string;
  readonly #counts = { known: 0, steps: 0, syscalls: 0, missed: 0, seconds: 0 };
  readonly #broken = Object.fromEntries(Object.keys(VIOLATIONS).map((kind) => [kind, 0])) as Record<
    ViolationKind,
    number
  >;
  readonly #violations: string[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  get result(): Result {
    const broken = { ...this.#broken };
    return { name: this.#name, ...this.#counts, broken, violations: [...this.#violations] };
  }

  /** False where something was broken. */
  async run(site: Site, seed: number, known: number, points: readonly Point[]): Promise<boolean> {
    const startedMs = performance.now();
    this.#counts.known += known;
    for (const point of points) {
      try {
        if (await site.crash(point)) this.#counts[`${point.type}s`] += 1;
        else this.#counts.missed += 1;
      } catch (error) {
        if (!(error instanceof Violation)) throw error;
        this.#counts[`${point.type}s`] += 1;
        this.#broken[error.kind] += 1;
        const where = `${this.#name} of seed ${seed}, "${textOf(point)}"`;
        this.#violations.push(`${error.kind}: ${where}: ${error.message}`);
      }
    }
    this.#counts.seconds += (performance.now() - startedMs) / 1000;
    return this.#violations.length === 0;
  }
}
