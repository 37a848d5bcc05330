import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { commandLine, EXIT_USAGE } from "../command-line.ts";
import { missing } from "../faults/capabilities.ts";
import { Freezer, startFreezer } from "../faults/freezer.ts";
import { type Result, runScenario } from "../real/campaign.ts";
import { runCampaign, say } from "../real/run.ts";
import type { Columns } from "../real/table.ts";
import { kinds, names, scenariosWith } from "./kinds.ts";
import { Providers } from "./providers.ts";

const BIN = fileURLToPath(new URL("../../../bin/rollcall.js", import.meta.url));
const TTL_MS = 6_000;
const FREEZER = "freezer";

const USAGE = `npm run failing-disks -- [--rounds N] [--seed S] [--only KIND,KIND] [--frozen S] [--bin PATH]
    lets the disks of real nodes under load fail, N times (3) in each way and for each node that it
    can hit, drawn from S (1); KIND is one of ${kinds.map(({ name }) => name).join(", ")},
    or one with whose disk it is: ${[...names.keys()].filter((name) => !kinds.some((kind) => kind.name === name)).join(", ")};
    a disk stands still for at most S seconds (30); prints a line a round and a table at the end
Ends with 1 where a promise was broken, with 77 and one line where it cannot run, and with 2 where it
was called wrongly.`;

const OPTIONS = {
  rounds: { type: "string", default: "3" },
  seed: { type: "string", default: "1" },
  only: { type: "string" },
  frozen: { type: "string", default: "30" },
  bin: { type: "string", default: BIN },
} as const;

const COLUMNS: Columns = {
  counted: ["ends", "cuts", "elections", "acknowledged", "unknown", "refused"],
  broken: [
    ...["lost", "strange", "twoLeaders", "twoVotes", "expired", "undurable", "silent", "retried"],
    ...["refused", "ended", "diverged", "stuck"],
  ] as Columns["broken"],
};

async function main(): Promise<void> {
  const values = commandLine(USAGE, OPTIONS, ["rounds", "seed", "frozen"]);
  const asked = values.only?.split(",") ?? kinds.map(({ name }) => name);
  if (!asked.every((name) => names.has(name))) {
    process.stderr.write(`not all of ${asked.join()} are kinds\n\n${USAGE}\n`);
    process.exit(EXIT_USAGE);
  }
  const chosen = new Set(asked.flatMap((name) => names.get(name) ?? []));
  await runCampaign({
    name: "failing disks",
    columns: COLUMNS,
    seed: values.seed,
    missing: () => missing("disks", "freezing", "strace", "limits"),
    onEntered: (pid, directory) => startFreezer(pid, join(directory, FREEZER)),
    run: async (directory) => {
      const freezer = await Freezer.connect(join(directory, FREEZER));
      const scenarios = scenariosWith({ freezer, frozenMsMax: 1_000 * Number(values.frozen) });
      const results: Result[] = [];
      for (const [stream, scenario] of scenarios.entries()) {
        if (!chosen.has(scenario.name)) continue;
        const result = await runScenario(scenario, stream, {
          bin: values.bin,
          seed: Number(values.seed),
          directory,
          isOver: (rounds) => rounds >= Number(values.rounds),
          witness: ({ urls }) => Providers.start(urls, TTL_MS),
          onRound: (soFar) => say(lineOf(soFar)),
        });
        if (result.violation !== null) say(`${scenario.name}: ${result.violation}`);
        results.push(result);
      }
      freezer.close();
      return results;
    },
  });
}

function lineOf({ scenario, rounds, counted, seconds }: Result): string {
  const { acknowledged, unknown, elections } = counted;
  const writes = `${acknowledged} writes acknowledged, ${unknown} unknown`;
  return `${scenario}: round ${rounds}, ${writes}, ${elections} elections, ${seconds.toFixed(0)} s`;
}

await main();
