import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { commandLine, EXIT_USAGE } from "../command-line.ts";
import { type Result, runCampaign } from "./campaign.ts";
import { runCluster } from "./cluster.ts";
import { isSingle, KINDS } from "./corruption.ts";
import { roundTable, tables } from "./table.ts";

const EXIT_VIOLATION = 1;
const OPENER = fileURLToPath(new URL("./opener/main.js", import.meta.url));

const BIN = fileURLToPath(new URL("../../../bin/rollcall.js", import.meta.url));

const USAGE = `npm run rot -- [--corruptions N] [--seed S] [--only KIND,KIND] [--rounds N]
    damages N data directories (2000), each in a way drawn from S (1), opens and heals them as a node
    does, and prints what came of it (${KINDS.join(", ")})
    --rounds: and so often the directory of one of three real nodes under load
    --opener, --bin: the built program that opens the directories, and that of the nodes
Ends with 1 where one was opened with something else than was in it and nobody said so, or where the
process ended, and with 2 where it was called wrongly.`;

const OPTIONS = {
  corruptions: { type: "string", default: "2000" },
  seed: { type: "string", default: "1" },
  only: { type: "string" },
  rounds: { type: "string" },
  opener: { type: "string", default: OPENER },
  bin: { type: "string", default: BIN },
} as const;

async function main(): Promise<void> {
  const values = commandLine(USAGE, OPTIONS, ["corruptions", "seed", "rounds"]);
  const names = values.only?.split(",") ?? KINDS;
  const kinds = KINDS.filter((kind) => names.includes(kind));
  if (kinds.length !== names.length) {
    process.stderr.write(`not all of ${names.join()} are kinds\n\n${USAGE}\n`);
    process.exit(EXIT_USAGE);
  }
  const directory = await mkdtemp(join(tmpdir(), "rollcall-rot-"));
  const results = await runCampaign({
    seed: Number(values.seed),
    corruptions: Number(values.corruptions),
    kinds,
    opener: values.opener,
    directory,
    onResult: (result) => {
      if (isFailure(result)) say(lineOf(result));
    },
  });
  say(`seed ${values.seed}\n\n${tables(results)}`);
  const rounds = await runCluster({
    bin: values.bin,
    seed: Number(values.seed),
    rounds: Number(values.rounds ?? 0),
    kinds: kinds.filter(isSingle),
    directory: join(directory, "nodes"),
    onRound: ({ number, kind, verdict, text }) =>
      say(`round ${number}: ${kind}, ${verdict}, ${text}`),
  });
  if (rounds.length > 0) say(`\n${roundTable(rounds)}`);
  if ([...results, ...rounds].some(isFailure)) {
    say(`\nwhat is left is in ${directory}`);
    process.exitCode = EXIT_VIOLATION;
  } else await rm(directory, { recursive: true });
}

function isFailure({ verdict }: Pick<Result, "verdict">): boolean {
  return verdict === "silent" || verdict === "crashed";
}

function lineOf({ number, kind, faults, verdict, why }: Result): string {
  const done = faults.map(({ text }) => text).join("; ");
  return `${number}: ${kind}, ${verdict}: ${why}\n    ${done}`;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

await main();
