import { EXIT } from "../errors.ts";
import type { OutdatedLog } from "../raft/outdated-log.ts";
import { OUTDATED_ADVICE } from "../storage/recovery-advice.ts";
import { NodeError } from "./node-error.ts";

/** A node whose directory is older than what it has acknowledged. */
export function outdatedError(cause: OutdatedLog): NodeError {
  const text = `the data directory is an older copy, or its disk has lost what it had: ${cause.message}`;
  return new NodeError(EXIT.disk, text, OUTDATED_ADVICE, { cause });
}
