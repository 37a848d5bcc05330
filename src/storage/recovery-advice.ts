/**
 * What an operator can do about a data directory that is damaged or lost. It is said here and
 * nowhere else, so that every refusal gives the same advice, and the same advice stays true.
 *
 * The directory comes first: where more members are lost than the cluster bears, what is left of it
 * may be the only copy of something that was acknowledged. And a copy of it is only as good as its
 * age: n1 is started from last night's copy, has forgotten that it voted for n2 in term 5, and
 * votes for n3 in term 5.
 */
const GOOD_COPY =
  "a copy of it that was made since the node last ran (an older one has forgotten votes and acknowledgements)";
const NEW_MEMBER =
  "put a new member in its place: 'rollcall start --join HOST:PORT --learner' with an empty directory, an --id and an address that no member has, then 'rollcall member replace OLD NEW'";
const WITHOUT_IT =
  "Until then the others go on without it as long as a majority of all members runs.";

/** Of a directory that is there and cannot be used. `why`: what would go wrong, as a sentence. */
export function damagedDirectoryAdvice(path: string, why: string): string {
  return `${why} Keep ${path}, moved aside if it is in the way: recovery may need it. Then start the node from ${GOOD_COPY}, or ${NEW_MEMBER}. ${WITHOUT_IT}`;
}

/** Of a member whose directory is not the one that it is started with. */
export function lostDirectoryAdvice(name: string): string {
  return `Start ${name} with its former data directory: see whether --data is right and its disk is mounted. If it is lost or damaged, keep what is left of it: recovery may need it. Then start the node from ${GOOD_COPY}, or ${NEW_MEMBER}. ${WITHOUT_IT}`;
}

/** Of a directory that was found to be older than what its member has acknowledged. */
export const OUTDATED_ADVICE = `It has forgotten acknowledgements, and perhaps votes, so it is not opened again. Start the node from the directory that it last ran on, or ${NEW_MEMBER}. ${WITHOUT_IT}`;

/** Of a node that runs, and goes on. */
export const DAMAGED_AT_REST_ADVICE =
  "What the node works with is in its memory, and right. See to the disk, then restart the node while the others run: a log that is damaged is fetched from them, and what cannot be is named.";

/** Of a node of which a client says that its cluster goes on in a later epoch. */
export const LATER_EPOCH_ADVICE =
  "Where the cluster was recovered (rollcall recover), stop this node, and have its machine join the new epoch with an empty directory. Otherwise the client is wrong; it is not served here.";

/** Of a node that asks its peers for what its log has lost. */
export const HEALING_ADVICE =
  "The node asks the other members for what is missing, and serves nobody until it has it: start those that do not run. Where all of them run and nobody has it, what is left is a backup ('rollcall snapshot restore'). It says at /readyz what it waits for. Keep its directory.";

/** Of a member that the others have removed. */
export const REMOVED_ADVICE =
  "its directory is of no use any more: to add the machine again, start it with an empty one and --join HOST:PORT of a member";

/** Of a member of an epoch that was given up. */
export const SUPERSEDED_ADVICE =
  "what it has is of before the recovery and must not be served again. Keep it until you are sure that nothing in it is missed; to add the machine to the cluster, start it with an empty --data and --join HOST:PORT of a member. If that recovery was a mistake and is undone, remove the file 'superseded' from the directory";

/** Of a directory whose format is newer than this program. */
export const NEWER_FORMAT_ADVICE =
  "Start it with the Rollcall that wrote it, or a newer one: no older one can tell what is in it. Nothing of it was changed, and it is not damaged.";
