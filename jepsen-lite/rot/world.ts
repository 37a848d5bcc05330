import { cp, mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { LogEnd } from "../../src/raft/types.ts";
import { readIfThere } from "../../src/storage/durable-file.ts";
import { generationOfFile, markOf } from "../../src/storage/generation.ts";
import { MarkFile } from "../../src/storage/mark-file.ts";
import type { Membership } from "../../src/storage/storage.ts";
import { decodeVote } from "../../src/storage/vote-record.ts";
import { Prng } from "../prng.ts";
import { until } from "../real/wait.ts";
import { Life } from "./life.ts";
import { contentOf, type ToldSnapshot } from "./outcome.ts";

const STILL_MS_MAX = 20_000;
const LARGE_PER_MILLE = 300;
const KILLED_PER_MILLE = 500;

/** What the directory held when it was left. */
export interface Truth {
  readonly name: string;
  readonly incarnation: string;
  readonly clusterId: string;
  readonly term: number;
  readonly vote: string | null;
  /** Of every entry from the first on, cut or not. */
  readonly entries: readonly string[];
  /** Of those in whose place others came. */
  readonly former: readonly string[];
  /** How far the log was; what it had vouched for before its last 100 ms ends at or behind the mark. */
  readonly end: LogEnd;
  readonly mark: LogEnd;
  /** The mark knows of the last write of the vote: it was not one of the last 100 ms. */
  readonly isVoteMarked: boolean;
  /**
   * Those that were ever the current one, also before the log was set aside: a majority has agreed on
   * each, and the chain ties it to the log.
   */
  readonly snapshots: readonly ToldSnapshot[];
  readonly lostEnd: LogEnd | null;
}

/** Directories of one history; none of them is opened any more. */
export interface World {
  /** n1's, which is to be damaged, as it was left. */
  readonly current: string;
  /** As it was some time before. */
  readonly older: string;
  /** Of n2 in the same cluster, with the same log, of which it may have cut more. */
  readonly peer: string;
  /** Of the n1 of another cluster. */
  readonly stranger: string;
  readonly truth: Truth;
}

/** All of it is drawn from `seed` and `number`. */
export async function makeWorld(path: string, seed: number, number: number): Promise<World> {
  const place = (name: string): string => join(path, name);
  const [current, older] = [place("current"), place("older")];
  await mkdir(path, { recursive: true });
  const first = await lived(place("n1"), seed, number, "own");
  const truth = await first.left(current, older);
  const prng = new Prng(seed, number ^ 0x5eed);
  const peer = await followed(place("n2"), first.life, first.membership, prng);
  const other = await lived(place("stranger"), seed, number, "strange");
  await other.life.stop();
  await first.life.stop();
  await rm(place("n1"), { recursive: true });
  return { current, older, peer, stranger: place("stranger"), truth };
}

interface Lived {
  readonly life: Life;
  readonly membership: Membership;
  left(current: string, older: string): Promise<Truth>;
}

/** `salt`: two of one seed have the same history in different clusters. */
async function lived(path: string, seed: number, number: number, salt: string): Promise<Lived> {
  const ids = new Prng(seed ^ (salt === "own" ? 0 : 1), number + 77);
  const prng = new Prng(seed, number);
  const names = ["n1", "n2", "n3"];
  const membership = {
    clusterId: ids.hex(32),
    epoch: 1,
    members: names.map((name) => ({ name, incarnation: ids.hex(16) })),
    joinedIndex: 0,
  };
  const incarnation = membership.members[0]?.incarnation ?? "";
  const isLarge = prng.chance(LARGE_PER_MILLE);
  const bytesMax = isLarge ? 6_000 : 150;
  const life = new Life({ path, name: "n1", membership, incarnation, bytesMax }, prng);
  await life.start();
  const steps = prng.between(6, 14);
  const olderAt = prng.between(2, steps - 1);
  const before = `${path}-before`;
  await life.newTerm();
  await life.append(prng.between(3, isLarge ? 60 : 30));
  for (let step = 1; step <= steps; step += 1) {
    await drawnStep(life, prng, isLarge);
    if (step === olderAt) await copyStill(life, before);
  }
  const isKilled = prng.chance(KILLED_PER_MILLE);
  if (prng.chance(700)) life.raiseMark();
  const left = async (current: string, older: string): Promise<Truth> => {
    if (isKilled) {
      await copyStill(life, current);
    } else {
      await life.stop();
      await cp(path, current, { recursive: true });
    }
    await cp(before, older, { recursive: true });
    await rm(before, { recursive: true });
    const { hardState, end, lostEnd, snapshots } = life;
    return {
      name: "n1",
      incarnation,
      clusterId: membership.clusterId,
      ...hardState,
      entries: life.entries.map(contentOf),
      former: life.former.map(contentOf),
      end,
      ...(await markIn(current, incarnation)),
      snapshots: [...snapshots],
      lostEnd,
    };
  };
  return { life, membership, left };
}

async function drawnStep(life: Life, prng: Prng, isLarge: boolean): Promise<void> {
  const steps: readonly [weight: number, step: () => Promise<void>][] = [
    [6, () => life.append(prng.between(1, isLarge ? 60 : 20))],
    [3, () => life.newTerm()],
    [3, () => life.truncate()],
    [3, () => life.takeSnapshot()],
    [3, () => life.cut()],
    [1, () => life.install()],
    [3, () => restart(life)],
    [1, () => life.setAside()],
    [1, () => life.returned()],
  ];
  const all = steps.flatMap(([weight, step]) => Array.from({ length: weight }, () => step));
  await prng.pick(all)();
  if (prng.chance(500)) life.raiseMark();
}

async function restart(life: Life): Promise<void> {
  await life.stop();
  await life.start();
}

async function followed(
  path: string,
  { entries, hardState, end }: Life,
  membership: Membership,
  prng: Prng,
): Promise<string> {
  const incarnation = membership.members[1]?.incarnation ?? "";
  const life = new Life({ path, name: "n2", membership, incarnation, bytesMax: 150 }, prng);
  await life.start();
  await life.follow(entries.slice(0, end.index), { term: hardState.term, vote: null });
  if (prng.chance(400)) {
    await life.takeSnapshot();
    await life.cut();
  }
  await life.stop();
  return path;
}

/** As a process leaves it that is killed: nothing is under way, but nothing was closed either. */
async function copyStill(life: Life, to: string): Promise<void> {
  await until(STILL_MS_MAX, "the files to stand still", async () => {
    await rm(to, { recursive: true, force: true });
    const before = await shapeOf(life.path);
    await cp(life.path, to, { recursive: true }).catch(() => {});
    return before === (await shapeOf(life.path)) ? true : null;
  });
}

async function shapeOf(path: string): Promise<string> {
  const files = await filesOf(path);
  const stats = await Promise.all(
    files.map(async (file) => {
      const { size, mtimeMs } = await stat(join(path, file)).catch(() => ({ size: 0, mtimeMs: 0 }));
      return `${file} ${size} ${mtimeMs}`;
    }),
  );
  return stats.join("\n");
}

/** Below a data directory, in the order of their names. */
export async function filesOf(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map(({ parentPath, name }) => join(parentPath, name).slice(path.length + 1)).sort();
}

async function markIn(
  path: string,
  incarnation: string,
): Promise<Pick<Truth, "mark" | "isVoteMarked">> {
  const numbers = (await readdir(path)).map((file) => generationOfFile(file) ?? 0);
  const number = (await readIfThere(join(path, "generation"))) === null ? 0 : Math.max(...numbers);
  const mark = await MarkFile.read(join(path, markOf(number)), incarnation);
  if (mark === null) throw new Error(`${path} has no mark`);
  const { index, term } = mark.position;
  const vote = decodeVote(await readIfThere(join(path, "vote-a")), incarnation);
  return { mark: { index, term }, isVoteMarked: vote?.write === mark.votes };
}
