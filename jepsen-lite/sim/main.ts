import { parseArgs } from "node:util";
import { type RunResult, run } from "./run.ts";

/**
 * `npm run sim -- --seed S` replays one run and says all of it; `--seeds N [--from S]` goes through
 * a row of them. Ends with 1 at the first violation, and prints the command that replays it.
 */
function main(): void {
  const { values } = parseArgs({
    options: {
      seed: { type: "string" },
      seeds: { type: "string", default: "200" },
      from: { type: "string", default: "1" },
    },
  });
  if (values.seed !== undefined) {
    const result = run(Number(values.seed));
    print(JSON.stringify(result, null, 2));
    process.exitCode = result.violation === null ? 0 : 1;
    return;
  }
  process.exitCode = row(Number(values.from), Number(values.seeds));
}

function row(from: number, seeds: number): number {
  const startedMs = performance.now();
  let simulatedMs = 0;
  let events = 0;
  let faults = 0;
  for (let seed = from; seed < from + seeds; seed += 1) {
    const result = run(seed);
    simulatedMs += result.simulatedMs;
    events += result.events;
    faults += Object.values(result.faults).reduce((total, count) => total + count, 0);
    if (result.violation !== null) {
      tell(result);
      return 1;
    }
    if ((seed - from) % 50 === 49) {
      progress(seed - from + 1, seeds, startedMs, simulatedMs, faults);
    }
  }
  progress(seeds, seeds, startedMs, simulatedMs, faults);
  print(`no violation in ${seeds} seeds from ${from}, ${events} events`);
  return 0;
}

function tell(result: RunResult): void {
  print(`seed ${result.seed}: ${result.violation}`);
  print(`replay: npm run sim -- --seed ${result.seed}`);
}

function progress(
  done: number,
  seeds: number,
  startedMs: number,
  simulatedMs: number,
  faults: number,
): void {
  const seconds = (performance.now() - startedMs) / 1000;
  const hours = simulatedMs / 3_600_000;
  print(
    `${done}/${seeds} seeds, ${(done / seconds).toFixed(1)} seeds/s,` +
      ` ${hours.toFixed(2)} simulated hours, ${faults} faults`,
  );
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

main();
