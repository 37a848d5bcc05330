import { expect, test } from "vitest";
import type { ConfChange } from "../../src/raft/conf-change.ts";
import { RandomCluster } from "./random-cluster.ts";

const SEEDS = Number(process.env["RAFT_SEEDS"] ?? 250);
const FIRST_SEED = Number(process.env["RAFT_FIRST_SEED"] ?? 1);
const STEPS = 4000;
const TIMEOUT_MS = Math.max(60_000, 400 * SEEDS);

interface Totals {
  elections: number;
  committed: number;
  reads: number;
  confsLost: number;
  installed: number;
  installedByNew: number;
  overtaken: number;
  logsLost: number;
  returned: number;
  filled: number;
  readonly changed: Map<ConfChange["type"], number>;
}

/** One input a step, and an input is worth at most so many messages: storms breed. */
function play(
  seeds: number,
  hasChanges: boolean,
  messagesPerStep: number,
  isReckless = false,
): Totals {
  const totals: Totals = {
    elections: 0,
    committed: 0,
    reads: 0,
    confsLost: 0,
    installed: 0,
    installedByNew: 0,
    overtaken: 0,
    logsLost: 0,
    returned: 0,
    filled: 0,
    changed: new Map(),
  };
  for (let seed = FIRST_SEED; seed < FIRST_SEED + seeds; seed++) {
    const world = new RandomCluster(seed, hasChanges, isReckless);
    try {
      world.run(STEPS);
      expect(world.sent).toBeLessThan(messagesPerStep * STEPS);
      if (!isReckless) world.demandProgress();
    } catch (cause) {
      const tail = world.trace.slice(-40).join("\n");
      throw new Error(`seed ${seed}: ${(cause as Error).message}\n${tail}`, { cause });
    }
    totals.elections += world.judge.elections;
    totals.committed += world.judge.committed.length;
    totals.reads += world.judge.readsServed;
    totals.confsLost += world.judge.confsLost;
    totals.installed += world.installed;
    totals.installedByNew += world.installedByNew;
    totals.overtaken += world.overtaken;
    totals.logsLost += world.logsLost;
    totals.returned += world.returned;
    totals.filled += world.filled;
    for (const [type, count] of world.changed) {
      totals.changed.set(type, (totals.changed.get(type) ?? 0) + count);
    }
  }
  return totals;
}

test(
  "whatever is lost, repeated, reordered, cut or crashed, Raft's properties hold",
  () => {
    const totals = play(SEEDS, false, 4);
    const { elections, committed, reads, installed, overtaken, logsLost, returned, filled } =
      totals;
    // A run that elects, commits or reads next to nothing has shown nothing.
    console.log(`${SEEDS} seeds: ${elections} elections, ${committed} entries, ${reads} reads`);
    console.log(`${installed} snapshots installed, ${overtaken} overtaken`);
    console.log(`${logsLost} logs lost, ${returned} members back, ${filled} disks full`);
    expect(filled).toBeGreaterThan(SEEDS);
    expect(logsLost).toBeGreaterThan(SEEDS / 4);
    expect(returned).toBeGreaterThan(logsLost / 2);
    expect(elections).toBeGreaterThan(2 * SEEDS);
    expect(committed).toBeGreaterThan(20 * SEEDS);
    expect(reads).toBeGreaterThan(5 * SEEDS);
    expect(installed).toBeGreaterThan(SEEDS);
  },
  TIMEOUT_MS,
);

test(
  "whoever joins, is promoted, replaced or removed meanwhile, they hold as well",
  () => {
    const seeds = Math.ceil(SEEDS / 2);
    const totals = play(seeds, true, 6);
    const { elections, committed, reads, confsLost, changed } = totals;
    const { installed, installedByNew, overtaken } = totals;
    const kinds = [...changed].map(([type, count]) => `${count} ${type}`).join(", ");
    console.log(
      `${seeds} seeds: ${elections} elections, ${committed} entries, ${kinds}, ${confsLost} lost`,
    );
    console.log(
      `${installed} snapshots installed, ${installedByNew} by new members, ${overtaken} overtaken`,
    );
    expect(elections).toBeGreaterThan(2 * seeds);
    expect(committed).toBeGreaterThan(20 * seeds);
    expect(reads).toBeGreaterThan(5 * seeds);
    // Who joins mostly finds the log cut off before, and gets its state and configuration at once.
    expect(installed).toBeGreaterThan(seeds);
    expect(installedByNew).toBeGreaterThan(seeds / 2);
    expect(confsLost).toBeGreaterThan(seeds / 5);
    for (const type of ["addLearner", "promote", "remove", "replace", "update"] as const) {
      expect(changed.get(type) ?? 0, type).toBeGreaterThan(seeds / 4);
    }
  },
  TIMEOUT_MS,
);

test(
  "however many lose their logs, and whoever joins or goes meanwhile, nothing committed is lost",
  () => {
    const seeds = Math.ceil(SEEDS / 2);
    const { elections, logsLost, returned, changed } = play(seeds, true, 6, true);
    const changes = [...changed.values()].reduce((sum, count) => sum + count, 0);
    console.log(
      `${seeds} seeds: ${elections} elections, ${changes} changes, ${logsLost} logs lost, ${returned} members back`,
    );
    expect(elections).toBeGreaterThan(2 * seeds);
    expect(changes).toBeGreaterThan(2 * seeds);
    expect(logsLost).toBeGreaterThan(2 * seeds);
    expect(returned).toBeGreaterThan(logsLost / 4);
  },
  TIMEOUT_MS,
);
