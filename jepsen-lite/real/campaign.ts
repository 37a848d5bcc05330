import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Prng } from "../prng.ts";
import { Load } from "./load.ts";
import { PowerCluster } from "./power-cluster.ts";
import { VIOLATIONS, Violation, type ViolationKind } from "./violation.ts";

/** What a scenario disturbs, in one round of it. */
export interface World {
  readonly cluster: PowerCluster;
  readonly load: Load;
  readonly prng: Prng;
  /** One a round; each once before any comes again, in an order that the seed draws. */
  readonly turn: <T>(items: readonly T[]) => T;
  /** For what is to be kept of a round that breaks something. */
  readonly place: string;
}

export interface Scenario {
  readonly name: string;
  readonly nodes: number;
  /** Under load; every machine works again at the end. */
  readonly round: (world: World) => Promise<void>;
}

/** What came of one scenario. */
export interface Result {
  readonly scenario: string;
  readonly rounds: number;
  readonly counted: ReturnType<typeof countsOf>;
  readonly seconds: number;
  readonly broken: Readonly<Record<ViolationKind, number>>;
  /** Null where every promise was kept. */
  readonly violation: string | null;
}

/** Somebody else who is promised something, and says after each round whether that was kept. */
export interface Witness {
  check(): Promise<void>;
  close(): Promise<void>;
}

export interface CampaignOptions {
  readonly bin: string;
  readonly seed: number;
  readonly directory: string;
  /** Asked before each round. */
  readonly isOver: (rounds: number, cluster: PowerCluster) => boolean;
  readonly witness?: (cluster: PowerCluster) => Promise<Witness>;
  readonly onRound: (result: Result) => void;
}

/**
 * One scenario, on one cluster that lives through all of it: round after round under load, and after
 * each, everything is looked at. Ends at the first violation, and keeps the logs of the nodes then.
 */
export async function runScenario(
  scenario: Scenario,
  stream: number,
  { bin, seed, directory, isOver, witness: asWitness, onRound }: CampaignOptions,
): Promise<Result> {
  const prng = new Prng(seed, stream);
  const place = join(directory, scenario.name);
  await mkdir(place);
  const startedMs = performance.now();
  const cluster = await PowerCluster.start(bin, scenario.nodes, place, prng);
  const load = await Load.start(cluster.urls, prng);
  const witness = await asWitness?.(cluster);
  let rounds = 0;
  const resultOf = (violation: Violation | null): Result => ({
    scenario: scenario.name,
    rounds,
    counted: countsOf(cluster, load),
    seconds: (performance.now() - startedMs) / 1000,
    broken: Object.fromEntries(
      Object.keys(VIOLATIONS).map((kind) => [kind, kind === violation?.kind ? violation.count : 0]),
    ) as Record<ViolationKind, number>,
    violation:
      violation === null ? null : `${violation.kind} in round ${rounds}: ${violation.message}`,
  });
  try {
    while (!isOver(rounds, cluster)) {
      const turn = <T>(items: readonly T[]): T => {
        return new Prng(seed, stream).shuffled(items)[(rounds - 1) % items.length] as T;
      };
      rounds += 1;
      await scenario.round({ cluster, load, prng, turn, place });
      await cluster.up(cluster.machines);
      await load.pause();
      await cluster.check(load.ledger, cluster.machines);
      await witness?.check();
      load.go();
      onRound(resultOf(null));
    }
    await witness?.close();
    await load.close();
    await rm(place, { recursive: true, force: true }).catch(() => {});
    return resultOf(null);
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    return resultOf(error);
  } finally {
    await cluster.remove();
    await witness?.close();
    await load.close();
  }
}

function countsOf({ cuts, ends, leaderships }: PowerCluster, { ledger }: Load) {
  return { cuts, ends, elections: leaderships.count, ...ledger.counts };
}
