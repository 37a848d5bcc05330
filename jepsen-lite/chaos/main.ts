import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { check } from "../checker/check.ts";
import { commandLine, EXIT_USAGE } from "../command-line.ts";
import { readHistory } from "./history-file.ts";
import { NEMESES } from "./plan.ts";
import { run } from "./run.ts";

const BIN = fileURLToPath(new URL("../../../bin/rollcall.js", import.meta.url));
const USAGE = `npm run jepsen -- [--nodes 3] [--seconds 30] [--seed S] [--only NAME,NAME] [--out DIR] [--bin FILE]
    real nodes (of another build with --bin) and clients, disturbed for so long; what they say is judged
    NAME: ${NEMESES.map(({ name }) => name).join(", ")}
npm run jepsen -- --recheck DIR
    judges the history of a run once more
Ends with 0 where every promise was kept, with 1 where one was not, with 2 where nothing can be said
(too little happened, or it was called wrongly), and with 3 where the harness itself has failed.`;

const EXITS = { valid: 0, invalid: 1, unknown: 2 } as const;
const EXIT_HARNESS = 3;

/** Ends all that was started, and writes down what there is. */
let ending: () => Promise<void> = async () => {};

async function main(): Promise<number> {
  const { recheck, ...values } = commandLine(
    USAGE,
    {
      nodes: { type: "string", default: "3" },
      seconds: { type: "string", default: "30" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      only: { type: "string" },
      out: { type: "string" },
      bin: { type: "string" },
      recheck: { type: "string" },
    },
    ["nodes", "seconds", "seed"],
  );
  if (recheck !== undefined) return await judgeAgain(recheck);
  const names = values.only?.split(",") ?? NEMESES.map(({ name }) => name);
  const nemeses = NEMESES.filter(({ name }) => names.includes(name));
  if (nemeses.length !== names.length) {
    process.stderr.write(`--only names what is not there: ${names.join(", ")}\n\n${USAGE}\n`);
    return EXIT_USAGE;
  }
  const directory = values.out ?? (await mkdtemp(join(tmpdir(), "rollcall-jepsen-")));
  const numbers = {
    nodes: Number(values.nodes),
    seconds: Number(values.seconds),
    seed: Number(values.seed),
  };
  const bin = values.bin ?? BIN;
  const result = await run({
    ...{ bin, nemeses, directory, onProgress: say, onMade: closeOnSignal },
    ...numbers,
  });
  const { outcome, why, faults, looked, ...counts } = result;
  say(JSON.stringify(counts));
  say(`faults: ${JSON.stringify(faults)}`);
  say(`looked at: ${JSON.stringify(looked)}`);
  for (const line of why) say(line);
  say(`${outcome}; all of it is in ${directory}`);
  return EXITS[outcome];
}

/** Nothing of it is left running behind Ctrl-C. */
function closeOnSignal(close: () => Promise<void>): void {
  ending = close;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      say(`${signal}: the nodes are ended`);
      void close().finally(() => process.exit(EXIT_HARNESS));
    });
  }
}

async function judgeAgain(directory: string): Promise<number> {
  const { outcome, findings, looked } = check(await readHistory(join(directory, "history.jsonl")));
  say(JSON.stringify(looked));
  for (const { promise, checker, what } of findings) say(`${promise} (${checker}): ${what}`);
  say(outcome);
  return { kept: EXITS.valid, broken: EXITS.invalid, unknown: EXITS.unknown }[outcome];
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

// Whatever was not foreseen is the harness's own failure, and no verdict.
for (const event of ["uncaughtException", "unhandledRejection"] as const) {
  process.on(event, (error: unknown) => {
    process.stderr.write(`${event}: ${error instanceof Error ? error.stack : error}\n`);
    void ending().finally(() => process.exit(EXIT_HARNESS));
  });
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
    process.exit(EXIT_HARNESS);
  },
);
