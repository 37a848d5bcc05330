import { NO_CHANGES } from "./configurations.ts";
import type { MemberCounts, RunResult } from "./run.ts";

/** What a row of runs came to; added up from those of several workers. */
export interface Tally {
  readonly seeds: number;
  readonly simulatedMs: number;
  readonly events: number;
  readonly faults: number;
  readonly installs: number;
  readonly seedsWithInstalls: number;
  readonly changes: MemberCounts;
  readonly returned: number;
}

export const NOTHING: Tally = {
  seeds: 0,
  simulatedMs: 0,
  events: 0,
  faults: 0,
  installs: 0,
  seedsWithInstalls: 0,
  changes: { ...NO_CHANGES, tooEarly: 0 },
  returned: 0,
};

export function tallyOf(result: RunResult): Tally {
  const { simulatedMs, events, faults, snapshots, changes, returned } = result;
  return {
    seeds: 1,
    simulatedMs,
    events,
    faults: Object.values(faults).reduce((total, count) => total + count, 0),
    installs: snapshots.installed,
    seedsWithInstalls: snapshots.installed > 0 ? 1 : 0,
    changes,
    returned,
  };
}

export function plus(a: Tally, b: Tally): Tally {
  return {
    seeds: a.seeds + b.seeds,
    simulatedMs: a.simulatedMs + b.simulatedMs,
    events: a.events + b.events,
    faults: a.faults + b.faults,
    installs: a.installs + b.installs,
    seedsWithInstalls: a.seedsWithInstalls + b.seedsWithInstalls,
    changes: added(a.changes, b.changes),
    returned: a.returned + b.returned,
  };
}

function added(a: MemberCounts, b: MemberCounts): MemberCounts {
  const sums = { ...a };
  for (const kind of Object.keys(b) as (keyof MemberCounts)[]) {
    sums[kind] += b[kind];
  }
  return sums;
}

export function lineOf(tally: Tally, seeds: number, seconds: number): string {
  const { added, promoted, removed, replaced, removedLeaders, updated } = tally.changes;
  return (
    `${tally.seeds}/${seeds} seeds, ${(tally.seeds / seconds).toFixed(1)} seeds/s,` +
    ` ${(tally.simulatedMs / 3_600_000).toFixed(2)} simulated hours, ${tally.faults} faults,` +
    ` ${tally.installs} installs in ${tally.seedsWithInstalls} seeds, ${tally.returned} returns,` +
    ` members ${added} added ${promoted} promoted ${removed} removed ${replaced} replaced` +
    ` ${updated} updated ${removedLeaders} of them leading, ${tally.events} events`
  );
}
