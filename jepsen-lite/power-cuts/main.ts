import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { commandLine, EXIT_USAGE } from "../command-line.ts";
import {
  inOwnNamespaces,
  isInOwnNamespaces,
  missingForNamespaces,
} from "../faults/own-namespaces.ts";
import { missingForPowerCuts } from "../faults/power-cut.ts";
import { type Result, runScenario } from "./campaign.ts";
import { scenarios } from "./scenarios.ts";
import { table } from "./table.ts";

const EXIT_VIOLATION = 1;
/** As for Automake's tests: it could not run here. */
const EXIT_SKIPPED = 77;
const BIN = fileURLToPath(new URL("../../../bin/rollcall.js", import.meta.url));
const DIRECTORY = "ROLLCALL_POWER_CUTS_DIRECTORY";

const USAGE = `npm run power-cuts -- [--cuts N] [--seed S] [--only NAME,NAME] [--bin PATH]
    cuts the power of real nodes under load at least N times (100), at moments drawn from S (1),
    spread evenly over the scenarios (${scenarios.map(({ name }) => name).join(", ")});
    prints a line a round and a table at the end
Ends with 1 where a promise was broken, with 77 and one line where it cannot run, and with 2 where it
was called wrongly.`;

const OPTIONS = {
  cuts: { type: "string", default: "100" },
  seed: { type: "string", default: "1" },
  only: { type: "string" },
  bin: { type: "string", default: BIN },
} as const;

async function main(): Promise<void> {
  const values = commandLine(USAGE, OPTIONS, ["cuts", "seed"]);
  const names = values.only?.split(",") ?? scenarios.map(({ name }) => name);
  const chosen = scenarios.filter(({ name }) => names.includes(name));
  if (chosen.length !== names.length) {
    process.stderr.write(`not all of ${names.join()} are scenarios\n\n${USAGE}\n`);
    process.exit(EXIT_USAGE);
  }
  if (!isInOwnNamespaces()) {
    process.exitCode = await guarded();
    return;
  }
  const missing = await missingForPowerCuts();
  if (missing !== null) {
    process.exitCode = skipped(missing);
    return;
  }
  const results: Result[] = [];
  for (const scenario of chosen) {
    const result = await runScenario(scenario, scenarios.indexOf(scenario), {
      bin: values.bin,
      seed: Number(values.seed),
      cuts: Math.ceil(Number(values.cuts) / chosen.length),
      directory: process.env[DIRECTORY] ?? "",
      onRound: (soFar) => say(lineOf(soFar)),
    });
    if (result.violation !== null) say(`${scenario.name}: ${result.violation}`);
    results.push(result);
  }
  say(`seed ${values.seed}\n\n${table(results)}`);
  const isBroken = results.some(({ violation }) => violation !== null);
  // Clients of nodes that are gone may still try.
  process.exit(isBroken ? EXIT_VIOLATION : 0);
}

/** From outside: what is left is removed here, but for the logs behind a violation. */
async function guarded(): Promise<number> {
  if (process.platform !== "linux") return skipped("Linux");
  if (process.getuid?.() !== 0) return skipped("root");
  const missing = await missingForNamespaces();
  if (missing !== null) return skipped(missing);
  const directory = await mkdtemp(join(tmpdir(), "rollcall-power-cuts-"));
  const code = await inOwnNamespaces({ [DIRECTORY]: directory });
  if (code === EXIT_VIOLATION) say(`the logs of the nodes are in ${directory}`);
  else await rm(directory, { recursive: true, force: true });
  return code;
}

function skipped(missing: string): number {
  say(`skipped: power cuts need ${missing}`);
  return EXIT_SKIPPED;
}

function lineOf({
  scenario,
  rounds,
  cuts,
  acknowledged,
  unknown,
  elections,
  seconds,
}: Result): string {
  const writes = `${acknowledged} writes acknowledged, ${unknown} unknown`;
  return `${scenario}: round ${rounds}, ${cuts} cuts, ${writes}, ${elections} elections, ${seconds.toFixed(0)} s`;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

await main();
