import type { Prng } from "../prng.ts";

/** What a seed draws before anything happens. Chances are per mille. */
export interface SimOptions {
  /** With which the cluster is born. */
  readonly nodes: number;
  /** Nothing goes wrong but sockets between nodes: then nobody may be deposed. */
  readonly hasOnlyStorms: boolean;
  readonly clients: number;
  readonly watchers: number;
  /** Faults happen for this long; then everything is healed. */
  readonly safetyMs: number;
  readonly livenessMs: number;
  /** That a minority stays broken for a while after the faults. */
  readonly coreChance: number;
  /** The most by which the clock of a node runs fast or slow, per mille. */
  readonly driftMax: number;
  readonly network: {
    readonly delayMsMin: number;
    readonly delayMsMax: number;
    /** One in so many messages takes up to twenty times as long. */
    readonly tailChance: number;
    readonly lossChance: number;
    readonly duplicateChance: number;
    /** Arrives seconds later, out of a connection that was given up. */
    readonly lateChance: number;
  };
  readonly disk: { readonly delayMsMin: number; readonly delayMsMax: number };
  /** Mean time between faults of a kind; 0 switches the kind off. */
  readonly faults: {
    readonly crashMs: number;
    readonly partitionMs: number;
    readonly pauseMs: number;
    readonly clientMs: number;
    readonly linkMs: number;
    readonly stormMs: number;
    readonly transferMs: number;
    readonly hangMs: number;
    readonly churnMs: number;
    /** Members set their logs aside; there is no core then, which might need what is in one. */
    readonly asideMs: number;
    /** Disks fill up. */
    readonly fillMs: number;
  };
  /** Nodes take what comes from whom they know to be removed, who then runs on. */
  readonly hearsStrangers: boolean;
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
  /** The members compare their states, and begin snapshots, at every index that it divides. */
  readonly checkpointEntries: number;
}

function drawFault(prng: Prng, low: number, high: number): number {
  return prng.chance(300) ? 0 : prng.between(low, high);
}

/** A network that loses nothing, a steady disk, and every socket broken about once a second. */
function onlyStorms(drawn: SimOptions, prng: Prng): SimOptions {
  const none = {
    crashMs: 0,
    partitionMs: 0,
    pauseMs: 0,
    transferMs: 0,
    hangMs: 0,
    asideMs: 0,
    fillMs: 0,
  };
  return {
    ...drawn,
    nodes: prng.pick([3, 5]),
    hasOnlyStorms: true,
    network: { ...drawn.network, delayMsMax: 3, tailChance: 0, lossChance: 0, lateChance: 0 },
    disk: { delayMsMin: 0, delayMsMax: 5 },
    faults: { ...drawn.faults, ...none, linkMs: 300, stormMs: 500 },
  };
}

export function drawOptions(prng: Prng): SimOptions {
  const drawn = drawAll(prng);
  if (prng.chance(100)) return onlyStorms(drawn, prng);
  const fillMs = prng.chance(500) ? 0 : prng.between(800, 5_000);
  return { ...drawn, faults: { ...drawn.faults, fillMs } };
}

function drawAll(prng: Prng): SimOptions {
  const isCalm = prng.chance(150);
  return {
    nodes: prng.pick([1, 3, 3, 3, 5]),
    hasOnlyStorms: false,
    clients: prng.between(2, 6),
    watchers: prng.between(1, 4),
    safetyMs: prng.between(6_000, 16_000),
    livenessMs: 30_000,
    coreChance: 350,
    driftMax: prng.pick([0, 0, 10, 100]),
    network: {
      delayMsMin: prng.between(0, 2),
      delayMsMax: prng.pick([3, 10, 40, 120]),
      tailChance: prng.pick([0, 5, 30]),
      lossChance: isCalm ? 0 : prng.pick([0, 5, 30, 120]),
      duplicateChance: isCalm ? 0 : prng.pick([0, 10, 100]),
      lateChance: isCalm ? 0 : prng.pick([0, 0, 5, 20]),
    },
    disk: { delayMsMin: 0, delayMsMax: prng.pick([1, 5, 30, 150]) },
    faults: {
      crashMs: isCalm ? 0 : drawFault(prng, 800, 5_000),
      partitionMs: isCalm ? 0 : drawFault(prng, 1_000, 5_000),
      pauseMs: isCalm ? 0 : drawFault(prng, 1_000, 6_000),
      clientMs: drawFault(prng, 500, 4_000),
      linkMs: isCalm ? 0 : drawFault(prng, 300, 3_000),
      stormMs: isCalm ? 0 : drawFault(prng, 500, 5_000),
      transferMs: isCalm ? 0 : drawFault(prng, 500, 4_000),
      hangMs: isCalm ? 0 : drawFault(prng, 1_500, 8_000),
      churnMs: prng.chance(150) ? 0 : prng.between(200, 1_500),
      asideMs: isCalm || prng.chance(700) ? 0 : prng.between(1_000, 6_000),
      fillMs: 0,
    },
    hearsStrangers: prng.chance(500),
    operationMs: prng.pick([5, 20, 80]),
    ttlMs: prng.pick([3_000, 4_000, 10_000]),
    graceMs: prng.pick([0, 500, 2_000]),
    historyChangesMax: prng.pick([5, 50, 100_000]),
    snapshots: prng.chance(650) ? pressing(prng) : seldom(prng),
    checkpointEntries: prng.pick([2, 4, 16, 64]),
  };
}

/** Whoever is away for a moment needs a snapshot when it comes back. */
function pressing(prng: Prng): SimOptions["snapshots"] {
  return {
    logBytesMin: prng.pick([500, 2_000, 5_000]),
    tailBytes: prng.pick([0, 0, 1_000]),
    laggardBytesMax: 0,
    chunkBytes: prng.pick([1, 300, 2_000]),
  };
}

function seldom(prng: Prng): SimOptions["snapshots"] {
  return {
    logBytesMin: prng.pick([5_000, 30_000, 10_000_000]),
    tailBytes: prng.pick([0, 1_000, 10_000]),
    laggardBytesMax: prng.pick([0, 5_000]),
    chunkBytes: prng.pick([1, 300, 2_000]),
  };
}
