import { nodeRandom } from "../env/node-env.ts";
import { isUnmade, openDirectory } from "../storage/directory.ts";
import { confIn } from "../storage/returning.ts";
import { asNodeError, configurationError } from "./node-error.ts";

/**
 * Sees to it that the node `id`, which is stopped, takes the state of the others at its next start.
 * Its log and snapshot are then set aside, and kept.
 *
 * @throws NodeError when it runs, is another one, is not part of a cluster, or has the only vote.
 */
export async function discardState(dataDir: string, id: string): Promise<void> {
  try {
    await mark(dataDir, id);
  } catch (error) {
    throw asNodeError(error);
  }
}

async function mark(dataDir: string, id: string): Promise<void> {
  if (await isUnmade(dataDir)) {
    throw configurationError(`${dataDir} is no data directory`, "give the --data of the node");
  }
  const directory = await openDirectory(dataDir, id, nodeRandom);
  try {
    const { birth, identity } = directory;
    if (birth === null) {
      throw configurationError(`${dataDir} is not part of a cluster`, "there is no state in it");
    }
    const { loaded } = await directory.open();
    const conf = confIn(loaded);
    const voters =
      conf === null
        ? birth.members.map(({ incarnation }) => incarnation)
        : [...conf.voters, ...conf.votersOutgoing];
    if (!voters.some((voter) => voter !== identity.incarnation)) {
      throw configurationError(
        `${id} has the only vote in its cluster`,
        "nobody else has a state that could take the place of its own",
      );
    }
    await directory.setAside("an operator had it set aside (rollcall discard-state)");
  } finally {
    await directory.close();
  }
}
