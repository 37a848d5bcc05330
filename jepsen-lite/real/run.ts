import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { missing as missingOf } from "../faults/capabilities.ts";
import { inOwnNamespaces, isInOwnNamespaces } from "../faults/own-namespaces.ts";
import type { Result } from "./campaign.ts";
import { type Columns, table } from "./table.ts";

const EXIT_VIOLATION = 1;
/** As for Automake's tests: it could not run here. */
const EXIT_SKIPPED = 77;
const DIRECTORY = "ROLLCALL_CAMPAIGN_DIRECTORY";

/** A program that breaks real nodes, and what it needs to do so. */
export interface Campaign {
  /** In words, e.g. `power cuts`. */
  readonly name: string;
  readonly columns: Columns;
  readonly seed: string;
  /** Null where everything is there; otherwise what is not. Asked in the namespaces. */
  readonly missing: () => Promise<string | null>;
  readonly run: (directory: string) => Promise<readonly Result[]>;
  /** Called outside with the process that leads into the namespaces. */
  readonly onEntered?: (pid: number, directory: string) => void;
}

/**
 * Runs it in namespaces of its own, and prints its table. Ends the process: with 1 where a promise
 * was broken, and with 77 and one line where it cannot run.
 *
 * From outside, what is left is removed, but for the logs behind a violation.
 */
export async function runCampaign(campaign: Campaign): Promise<void> {
  if (!isInOwnNamespaces()) {
    process.exitCode = await guarded(campaign);
    return;
  }
  const missing = await campaign.missing();
  if (missing !== null) {
    process.exitCode = skipped(campaign, missing);
    return;
  }
  const results = await campaign.run(process.env[DIRECTORY] ?? "");
  say(`seed ${campaign.seed}\n\n${table(results, campaign.columns)}`);
  const isBroken = results.some(({ violation }) => violation !== null);
  // Clients of nodes that are gone may still try.
  process.exit(isBroken ? EXIT_VIOLATION : 0);
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function guarded(campaign: Campaign): Promise<number> {
  const missing = await missingOf("namespaces");
  if (missing !== null) return skipped(campaign, missing);
  const prefix = `rollcall-${campaign.name.replaceAll(" ", "-")}-`;
  const directory = await mkdtemp(join(tmpdir(), prefix));
  const onEntered = (pid: number): void => campaign.onEntered?.(pid, directory);
  // Ended from outside, it has left logs as well.
  const code = (await inOwnNamespaces({ [DIRECTORY]: directory }, { onEntered })) ?? EXIT_VIOLATION;
  if (code === EXIT_VIOLATION) say(`the logs of the nodes are in ${directory}`);
  else await rm(directory, { recursive: true, force: true });
  return code;
}

function skipped({ name }: Campaign, missing: string): number {
  say(`skipped: ${name} need ${missing}`);
  return EXIT_SKIPPED;
}
