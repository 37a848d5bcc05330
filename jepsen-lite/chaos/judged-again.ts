import { join } from "node:path";
import { check } from "../checker/check.ts";
import type { Verdict } from "../checker/verdict.ts";
import { Misuse } from "../command-line.ts";
import { writeReport } from "../report/write.ts";
import { readHistory } from "./history-file.ts";
import { FILES, writeJson } from "./run-directory.ts";

/**
 * Judges the history of a run once more, from its file alone; its verdict and its page are made anew.
 * Throws a `Misuse` where there is none.
 */
export async function judgedAgain(directory: string): Promise<Verdict> {
  const history = await readHistory(join(directory, FILES.history)).catch(() => {
    throw new Misuse(`there is no history of a run in '${directory}'`);
  });
  const verdict = check(history);
  await writeJson(join(directory, FILES.verdict), verdict);
  await writeReport(directory, history);
  return verdict;
}
