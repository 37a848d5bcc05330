import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Prng } from "../prng.ts";
import { Load } from "../real/load.ts";
import { PowerCluster } from "../real/power-cluster.ts";
import { VIOLATIONS, Violation, type ViolationKind } from "../real/violation.ts";
import type { Scenario } from "./scenarios.ts";

/** What came of one scenario. */
export interface Result {
  readonly scenario: string;
  readonly rounds: number;
  readonly cuts: number;
  readonly elections: number;
  readonly acknowledged: number;
  readonly refused: number;
  readonly unknown: number;
  readonly seconds: number;
  readonly broken: Readonly<Record<ViolationKind, number>>;
  /** Null where every promise was kept. */
  readonly violation: string | null;
}

export interface CampaignOptions {
  readonly bin: string;
  readonly seed: number;
  /** Of each scenario, at least. */
  readonly cuts: number;
  readonly directory: string;
  readonly onRound: (result: Result) => void;
}

/**
 * One scenario, on one cluster that lives through all of it: round after round under load, and after
 * each, everything is looked at. Ends at the first violation, and keeps the logs of the nodes then.
 */
export async function runScenario(
  scenario: Scenario,
  stream: number,
  { bin, seed, cuts, directory, onRound }: CampaignOptions,
): Promise<Result> {
  const prng = new Prng(seed, stream);
  const place = join(directory, scenario.name);
  await mkdir(place);
  const startedMs = performance.now();
  const cluster = await PowerCluster.start(bin, scenario.nodes, place, prng);
  const load = await Load.start(cluster.urls, prng);
  let rounds = 0;
  const resultOf = (violation: Violation | null): Result => ({
    scenario: scenario.name,
    rounds,
    cuts: cluster.cuts,
    elections: cluster.leaderships.count,
    ...load.ledger.counts,
    seconds: (performance.now() - startedMs) / 1000,
    broken: Object.fromEntries(
      VIOLATIONS.map((kind) => [kind, kind === violation?.kind ? violation.count : 0]),
    ) as Record<ViolationKind, number>,
    violation:
      violation === null ? null : `${violation.kind} in round ${rounds}: ${violation.message}`,
  });
  try {
    while (cluster.cuts < cuts) {
      rounds += 1;
      await scenario.round({ cluster, load, prng });
      await cluster.up(cluster.machines);
      await load.pause();
      await cluster.check(load.ledger, cluster.machines);
      load.go();
      onRound(resultOf(null));
    }
    await load.close();
    await rm(place, { recursive: true, force: true }).catch(() => {});
    return resultOf(null);
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    return resultOf(error);
  } finally {
    await cluster.remove();
    await load.close();
  }
}
