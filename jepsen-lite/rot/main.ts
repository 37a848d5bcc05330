import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { commandLine, EXIT_USAGE } from "../command-line.ts";
import { type Result, runCampaign } from "./campaign.ts";
import { KINDS } from "./corruption.ts";
import { tables } from "./table.ts";

const EXIT_VIOLATION = 1;
const OPENER = fileURLToPath(new URL("./opener/main.js", import.meta.url));

const USAGE = `npm run rot -- [--corruptions N] [--seed S] [--only KIND,KIND] [--opener PATH]
    damages N data directories (2000), each in a way drawn from S (1), opens and heals them as a node
    does, and prints what came of it (${KINDS.join(", ")})
Ends with 1 where one was opened with something else than was in it and nobody said so, or where the
process ended, and with 2 where it was called wrongly.`;

const OPTIONS = {
  corruptions: { type: "string", default: "2000" },
  seed: { type: "string", default: "1" },
  only: { type: "string" },
  opener: { type: "string", default: OPENER },
} as const;

async function main(): Promise<void> {
  const values = commandLine(USAGE, OPTIONS, ["corruptions", "seed"]);
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
  if (results.some(isFailure)) {
    say(`\nthe directories are in ${join(directory, "failed")}`);
    process.exitCode = EXIT_VIOLATION;
  } else await rm(directory, { recursive: true });
}

function isFailure({ verdict }: Result): boolean {
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
