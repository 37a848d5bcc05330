import { fileURLToPath } from "node:url";
import { commandLine, EXIT_USAGE } from "../command-line.ts";
import { missing } from "../faults/capabilities.ts";
import { type Result, runScenario } from "../real/campaign.ts";
import { runCampaign, say } from "../real/run.ts";
import type { Columns } from "../real/table.ts";
import { scenarios } from "./scenarios.ts";

const BIN = fileURLToPath(new URL("../../../bin/rollcall.js", import.meta.url));

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

const COLUMNS: Columns = {
  counted: ["cuts", "elections", "acknowledged", "unknown", "refused"],
  broken: [
    ...["lost", "strange", "twoLeaders", "twoVotes"],
    ...["refused", "ended", "diverged", "stuck"],
  ] as Columns["broken"],
};

async function main(): Promise<void> {
  const values = commandLine(USAGE, OPTIONS, ["cuts", "seed"]);
  const names = values.only?.split(",") ?? scenarios.map(({ name }) => name);
  const chosen = scenarios.filter(({ name }) => names.includes(name));
  if (chosen.length !== names.length) {
    process.stderr.write(`not all of ${names.join()} are scenarios\n\n${USAGE}\n`);
    process.exit(EXIT_USAGE);
  }
  const cutsEach = Math.ceil(Number(values.cuts) / chosen.length);
  await runCampaign({
    name: "power cuts",
    columns: COLUMNS,
    seed: values.seed,
    missing: () => missing("disks"),
    run: async (directory) => {
      const results: Result[] = [];
      for (const scenario of chosen) {
        const result = await runScenario(scenario, scenarios.indexOf(scenario), {
          bin: values.bin,
          seed: Number(values.seed),
          directory,
          isOver: (_, { cuts }) => cuts >= cutsEach,
          onRound: (soFar) => say(lineOf(soFar)),
        });
        if (result.violation !== null) say(`${scenario.name}: ${result.violation}`);
        results.push(result);
      }
      return results;
    },
  });
}

function lineOf({ scenario, rounds, counted, seconds }: Result): string {
  const { cuts, acknowledged, unknown, elections } = counted;
  const writes = `${acknowledged} writes acknowledged, ${unknown} unknown`;
  return `${scenario}: round ${rounds}, ${cuts} cuts, ${writes}, ${elections} elections, ${seconds.toFixed(0)} s`;
}

await main();
