import type { RunResult } from "./run.ts";

/** What a row of runs came to; added up from those of several workers. */
export interface Tally {
  readonly seeds: number;
  readonly simulatedMs: number;
  readonly events: number;
  readonly faults: number;
  readonly installs: number;
  readonly seedsWithInstalls: number;
  readonly returned: number;
}

export const NOTHING: Tally = {
  seeds: 0,
  simulatedMs: 0,
  events: 0,
  faults: 0,
  installs: 0,
  seedsWithInstalls: 0,
  returned: 0,
};

export function tallyOf({ simulatedMs, events, faults, snapshots, returned }: RunResult): Tally {
  return {
    seeds: 1,
    simulatedMs,
    events,
    faults: Object.values(faults).reduce((total, count) => total + count, 0),
    installs: snapshots.installed,
    seedsWithInstalls: snapshots.installed > 0 ? 1 : 0,
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
    returned: a.returned + b.returned,
  };
}

export function lineOf(tally: Tally, seeds: number, seconds: number): string {
  return (
    `${tally.seeds}/${seeds} seeds, ${(tally.seeds / seconds).toFixed(1)} seeds/s,` +
    ` ${(tally.simulatedMs / 3_600_000).toFixed(2)} simulated hours, ${tally.faults} faults,` +
    ` ${tally.installs} installs in ${tally.seedsWithInstalls} seeds, ${tally.returned} returns, ${tally.events} events`
  );
}
