import { join } from "node:path";
import { judge } from "../checker/judge.ts";
import type { Judgement } from "../checker/verdict.ts";
import { Misuse } from "../command-line.ts";
import { type Format, writeExport } from "../export/write.ts";
import type { History } from "../history.ts";
import { writeReport } from "../report/write.ts";
import { readHistory } from "./history-file.ts";
import { CUT_OFF, NOTHING_SEEN, outcomeOf } from "./outcome.ts";
import { FILES, type Outcome, readRun, writeJson } from "./run-directory.ts";

/**
 * Judges the history of a run once more, from its file alone; its verdict and its page are made anew.
 * What the harness saw itself still stands. Throws a `Misuse` where there is no history.
 */
export async function judgedAgain(
  directory: string,
): Promise<Outcome & Pick<Judgement, "looked" | "bounds" | "referee">> {
  const history = await historyIn(directory);
  const judgement = judge(history);
  await writeJson(join(directory, FILES.verdict), judgement);
  await writeReport(directory, history);
  const { result, orders } = await readRun(directory, history);
  // A history by itself is of no run that could have been cut off.
  const seen = result ?? (orders === null ? NOTHING_SEEN : CUT_OFF);
  const { looked, bounds, referee } = judgement;
  return { ...outcomeOf(seen, judgement), looked, bounds, referee };
}

/**
 * Writes the history of a run for other judges into a directory of its own; gives the files.
 * Throws a `Misuse` where there is none.
 */
export async function exported(directory: string, format: Format): Promise<string[]> {
  return await writeExport(format, await historyIn(directory), join(directory, format));
}

async function historyIn(directory: string): Promise<History> {
  return await readHistory(join(directory, FILES.history)).catch(() => {
    throw new Misuse(`there is no history of a run in '${directory}'`);
  });
}
