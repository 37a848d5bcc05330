import { writeSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { Failpoint, type StepMoment } from "./failpoint.ts";
import { type Fault, HeldBack } from "./held-back.ts";
import { operationOf, scriptsOf } from "./operations.ts";
import { type Around, instrument } from "./seam.ts";
import { Session } from "./session.ts";

/** What a victim is told, as JSON in its only argument. */
export interface VictimOrder {
  readonly path: string;
  readonly operation: string;
  /** `setup`: what the operation begins with, and then its own end. */
  readonly part: "setup" | "act";
  readonly seed: number;
  readonly moment: StepMoment | null;
  readonly fault: Fault | null;
}

/**
 * Carries out the script of an operation on a directory, and says what it has begun, what each step
 * was, and what was reported as durable: each line is out of this process before anything else
 * happens, so that whatever kills it, the last line is the last word.
 */
async function main(): Promise<void> {
  const order = JSON.parse(process.argv[2] ?? "") as VictimOrder;
  const actions = scriptsOf(operationOf(order.operation), order.seed)[order.part];
  let underway = 0;
  const failpoint = new Failpoint(order.moment, (side, step) => say(`${side} ${step}`));
  const watched: Around = async (step, carryOut) => {
    underway += 1;
    try {
      return await failpoint.around(step, carryOut);
    } finally {
      underway -= 1;
    }
  };
  const heldBack = new HeldBack(order.fault);
  await instrument(order.path, heldBack.around(watched));
  const idle = async (): Promise<void> => {
    do await turn();
    while (underway > 0);
  };
  const session = new Session(order.path, order.seed, idle);
  say("opening");
  await session.open();
  say("opened");
  heldBack.begin();
  for (const [i, action] of actions.entries()) {
    say(`begin ${i}`);
    await session.run(action);
    say(`done ${i}`);
  }
  if (order.part === "setup") {
    await idle();
    process.kill(process.pid, "SIGKILL");
  }
  await heldBack.end();
  await session.close();
  say("closed");
}

function say(line: string): void {
  writeSync(1, `${line}\n`);
}

await main();
