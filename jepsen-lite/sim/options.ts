import type { Prng } from "./prng.ts";

/** What a seed draws before anything happens. Chances are per mille. */
export interface SimOptions {
  readonly nodes: number;
  readonly clients: number;
  readonly watchers: number;
  /** Faults happen for this long; then everything is healed. */
  readonly safetyMs: number;
  readonly livenessMs: number;
  readonly network: {
    readonly delayMsMin: number;
    readonly delayMsMax: number;
    /** One in so many messages takes up to twenty times as long. */
    readonly tailChance: number;
    readonly lossChance: number;
    readonly duplicateChance: number;
  };
  readonly disk: { readonly delayMsMin: number; readonly delayMsMax: number };
  /** Mean time between faults of a kind; 0 switches the kind off. */
  readonly faults: {
    readonly crashMs: number;
    readonly partitionMs: number;
    readonly pauseMs: number;
    readonly clientMs: number;
    readonly linkMs: number;
  };
  readonly operationMs: number;
  readonly ttlMs: number;
  readonly graceMs: number;
  /** Small histories force RESETs. */
  readonly historyChangesMax: number;
  /** Small ones make members take, send and install snapshots all the time. */
  readonly snapshots: {
    readonly logBytesMin: number;
    readonly tailBytes: number;
    readonly laggardBytesMax: number;
    readonly chunkBytes: number;
  };
}

function drawFault(prng: Prng, low: number, high: number): number {
  return prng.chance(300) ? 0 : prng.between(low, high);
}

export function drawOptions(prng: Prng): SimOptions {
  const isCalm = prng.chance(150);
  return {
    nodes: prng.pick([1, 3, 3, 3, 5]),
    clients: prng.between(2, 6),
    watchers: prng.between(1, 4),
    safetyMs: prng.between(6_000, 16_000),
    livenessMs: 30_000,
    network: {
      delayMsMin: prng.between(0, 2),
      delayMsMax: prng.pick([3, 10, 40, 120]),
      tailChance: prng.pick([0, 5, 30]),
      lossChance: isCalm ? 0 : prng.pick([0, 5, 30, 120]),
      duplicateChance: isCalm ? 0 : prng.pick([0, 10, 100]),
    },
    disk: { delayMsMin: 0, delayMsMax: prng.pick([1, 5, 30, 150]) },
    faults: {
      crashMs: isCalm ? 0 : drawFault(prng, 800, 5_000),
      partitionMs: isCalm ? 0 : drawFault(prng, 1_000, 5_000),
      pauseMs: isCalm ? 0 : drawFault(prng, 1_000, 6_000),
      clientMs: drawFault(prng, 500, 4_000),
      linkMs: isCalm ? 0 : drawFault(prng, 300, 3_000),
    },
    operationMs: prng.pick([5, 20, 80]),
    ttlMs: prng.pick([3_000, 4_000, 10_000]),
    graceMs: prng.pick([0, 500, 2_000]),
    historyChangesMax: prng.pick([5, 50, 100_000]),
    snapshots: {
      logBytesMin: prng.pick([1_000, 5_000, 30_000, 10_000_000]),
      tailBytes: prng.pick([0, 1_000, 10_000]),
      laggardBytesMax: prng.pick([0, 5_000]),
      chunkBytes: prng.pick([1, 300, 2_000]),
    },
  };
}
