import { join } from "node:path";
import { Strace, type Tampering, underStrace } from "../faults/tampering.ts";
import type { World } from "../real/campaign.ts";
import { checkNotRetried } from "../real/ends.ts";
import type { Machine } from "../real/machines.ts";
import { progress } from "../real/progress.ts";
import { endsNaming } from "./exits.ts";
import { type DataFile, pathOf } from "./files.ts";

const ACKS_MAX = 100;
const CALLS_MAX = 8;
const ERRORS = ["EIO", "ENOSPC", "EDQUOT", "EROFS"] as const;

interface Step {
  readonly file: DataFile;
  readonly call: string;
}

/** What a node writes all the time, and how: LevelDB appends, the node itself overwrites in place. */
const STEPS: readonly Step[] = [
  { file: "log", call: "write" },
  { file: "log", call: "fdatasync" },
  { file: "mark", call: "pwrite64" },
  { file: "mark", call: "fdatasync" },
];
/** And at an election, or when it hears of one. */
const VOTE_STEPS: readonly Step[] = [
  { file: "vote-a", call: "pwrite64" },
  { file: "vote-b", call: "fdatasync" },
];

/**
 * One call on a file of the data directory fails. The node has to end with it, saying which file it
 * is, and without another sync of that file. Then, half of the time, the power of its disk fails as
 * well: what it has acknowledged though the failed call has left it in memory is lost then.
 */
export async function writeError(machines: readonly Machine[], world: World): Promise<string> {
  const { cluster, prng, turn } = world;
  const [machine] = machines as [Machine];
  const isAlone = cluster.machines.length === 1;
  const error = prng.pick(ERRORS);
  await progress(world, prng.between(1, ACKS_MAX));
  const step = turn([null, ...STEPS, ...(isAlone ? [] : VOTE_STEPS)]);
  const what =
    step === null
      ? await atStart(machine, error, world)
      : await atWork(machine, error, step, world);
  if (!isAlone) await progress(world, prng.between(1, ACKS_MAX));
  if (prng.chance(500)) await cluster.cut([machine]);
  cluster.start([machine]);
  return `${error} of ${what} at ${machine.node.name}`;
}

async function atWork(
  machine: Machine,
  error: string,
  { file, call }: Step,
  world: World,
): Promise<string> {
  const { cluster, prng, place } = world;
  const path = (await pathOf(machine, file)) ?? "";
  const isVote = VOTE_STEPS.some((step) => step.file === file);
  // Of one of its threads.
  const when = isVote ? 1 : prng.between(1, CALLS_MAX);
  const how = `error=${error}:when=${when}`;
  const tampering = { calls: [call], how, paths: [path], watched: ["fdatasync", "fsync"] };
  machine.node.isBeingKilled = true;
  const strace = await Strace.attach(machine.node.pid, tampering, join(place, "strace"));
  const ends = endsNaming(cluster, machine, path);
  ends.catch(() => {});
  try {
    if (isVote) await newTerm(machine, ends, world);
    await ends;
  } finally {
    // Comes first: one that has tried again goes on, too.
    checkNotRetried(await strace.detach(), path);
  }
  return `${call} ${when} on ${file}`;
}

/** The leader stands still, so that others vote; and hears of it when it goes on. */
async function newTerm(machine: Machine, ends: Promise<void>, { cluster }: World): Promise<void> {
  const leads = await cluster.leader();
  leads.node.signal("SIGSTOP");
  if (machine === leads) await cluster.leader(cluster.machines.filter((other) => other !== leads));
  else await ends;
  leads.node.signal("SIGCONT");
}

/** The first sync of a start: nothing was vouched for yet, and nothing may be from here on. */
async function atStart(
  machine: Machine,
  error: string,
  { cluster, place }: World,
): Promise<string> {
  const calls = ["fdatasync", "fsync"];
  const tampering: Tampering = { calls, how: `error=${error}:when=1`, paths: null };
  await machine.node.kill();
  const logPath = join(place, "strace");
  machine.node.start({ wrapped: (argv) => underStrace(tampering, logPath, argv) });
  machine.node.isBeingKilled = true;
  await endsNaming(cluster, machine, machine.node.dataDir);
  return "the first sync of a start";
}
