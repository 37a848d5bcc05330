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
  readonly changed: Map<ConfChange["type"], number>;
}

/** One input a step, and an input is worth at most so many messages: storms breed. */
function play(seeds: number, hasChanges: boolean, messagesPerStep: number): Totals {
  const totals: Totals = { elections: 0, committed: 0, reads: 0, confsLost: 0, changed: new Map() };
  for (let seed = FIRST_SEED; seed < FIRST_SEED + seeds; seed++) {
    const world = new RandomCluster(seed, hasChanges);
    try {
      world.run(STEPS);
      expect(world.sent).toBeLessThan(messagesPerStep * STEPS);
      world.demandProgress();
    } catch (cause) {
      const tail = world.trace.slice(-40).join("\n");
      throw new Error(`seed ${seed}: ${(cause as Error).message}\n${tail}`, { cause });
    }
    totals.elections += world.judge.elections;
    totals.committed += world.judge.committed.length;
    totals.reads += world.judge.readsServed;
    totals.confsLost += world.judge.confsLost;
    for (const [type, count] of world.changed) {
      totals.changed.set(type, (totals.changed.get(type) ?? 0) + count);
    }
  }
  return totals;
}

test(
  "whatever is lost, repeated, reordered, cut or crashed, Raft's properties hold",
  () => {
    const { elections, committed, reads } = play(SEEDS, false, 4);
    // A run that elects, commits or reads next to nothing has shown nothing.
    console.log(`${SEEDS} seeds: ${elections} elections, ${committed} entries, ${reads} reads`);
    expect(elections).toBeGreaterThan(2 * SEEDS);
    expect(committed).toBeGreaterThan(20 * SEEDS);
    expect(reads).toBeGreaterThan(5 * SEEDS);
  },
  TIMEOUT_MS,
);

test(
  "whoever joins, is promoted, replaced or removed meanwhile, they hold as well",
  () => {
    const seeds = Math.ceil(SEEDS / 2);
    const { elections, committed, reads, confsLost, changed } = play(seeds, true, 6);
    const kinds = [...changed].map(([type, count]) => `${count} ${type}`).join(", ");
    console.log(
      `${seeds} seeds: ${elections} elections, ${committed} entries, ${kinds}, ${confsLost} lost`,
    );
    expect(elections).toBeGreaterThan(2 * seeds);
    expect(committed).toBeGreaterThan(20 * seeds);
    expect(reads).toBeGreaterThan(5 * seeds);
    expect(confsLost).toBeGreaterThan(seeds / 5);
    for (const type of ["addLearner", "promote", "remove", "replace", "update"] as const) {
      expect(changed.get(type) ?? 0, type).toBeGreaterThan(seeds / 4);
    }
  },
  TIMEOUT_MS,
);
