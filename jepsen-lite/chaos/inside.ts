import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { missing } from "../faults/capabilities.ts";
import { command } from "../faults/command.ts";
import { startFreezer } from "../faults/freezer.ts";
import { inOwnNamespaces, isInOwnNamespaces, isInOwnNetwork } from "../faults/own-namespaces.ts";

const FREEZER = "ROLLCALL_CHAOS_FREEZER";
/** Longer than a node takes to end whose disk stands still. */
const STOP_MS_MAX = 20_000;

/** Where the freezer listens that is outside; of no use where there is none. */
export function freezerPath(): string {
  return process.env[FREEZER] ?? "";
}

/**
 * Runs this program once more in namespaces of its own, where what is mounted goes with it, and
 * resolves with its exit code, or null where a signal has ended it. `isInside` where it is there
 * already, or cannot be.
 */
export async function entered(): Promise<number | null | "isInside"> {
  if (isInOwnNetwork()) await command("ip", "link", "set", "lo", "up");
  if (isInOwnNamespaces() || (await missing("namespaces")) !== null) return "isInside";
  const hasNetwork = (await missing("nftables")) === null;
  const scratch = await mkdtemp(join(tmpdir(), "rollcall-freezer-"));
  const path = join(scratch, "socket");
  const freezers: { end(): Promise<void> }[] = [];
  const onEntered = (pid: number): void => void freezers.push(startFreezer(pid, path));
  const code = await inOwnNamespaces(
    { [FREEZER]: path },
    { onEntered, stopMs: STOP_MS_MAX, hasNetwork },
  );
  await Promise.all(freezers.map((freezer) => freezer.end()));
  await rm(scratch, { recursive: true, force: true });
  return code;
}
