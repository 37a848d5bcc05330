import { EXIT } from "../errors.ts";
import type { DataDirectory } from "../storage/directory.ts";
import { SUPERSEDED_ADVICE } from "../storage/recovery-advice.ts";
import type { BirthRecord } from "../storage/storage.ts";
import type { LaterEpoch } from "./lineage.ts";
import { NodeError } from "./node-error.ts";

/**
 * Why a node ends at once, without a word to clients: what it serves is of before the recovery. It
 * has dialled a member, which said so; that is written down, and no start uses the directory again.
 */
export async function endOfEpoch(
  name: string,
  directory: DataDirectory,
  { clusterId, epoch: own }: BirthRecord,
  { epoch, by }: LaterEpoch,
): Promise<NodeError> {
  const text = `cluster ${clusterId} goes on in epoch ${epoch}, by the word of ${by}; ${name} is of epoch ${own}`;
  // Where that does not work it is told again by the others, whenever it starts.
  await directory.supersede(text).catch(() => {});
  return new NodeError(EXIT.configuration, text, SUPERSEDED_ADVICE);
}
