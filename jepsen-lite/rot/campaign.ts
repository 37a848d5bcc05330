import { cp, mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { Prng } from "../prng.ts";
import { type Corruption, corrupt, type Kind } from "./corruption.ts";
import { type Judgement, judge } from "./judge.ts";
import { Opening } from "./opening.ts";
import { filesOf, makeWorld, type World } from "./world.ts";

const CORRUPTIONS_PER_WORLD = 40;
const DRAWS_MAX = 50;
const LED_PER_MILLE = 750;
const NOTHING: Corruption = { kind: "flip", faults: [] };

export interface Result extends Corruption, Judgement {
  readonly number: number;
}

export interface CampaignOptions {
  readonly seed: number;
  readonly corruptions: number;
  readonly kinds: readonly Kind[];
  /** The built program that opens a directory. */
  readonly opener: string;
  readonly directory: string;
  readonly onResult: (result: Result) => void;
}

/**
 * One corruption after the other, each of a fresh copy of a directory. Of a failure the directory is
 * kept as it was before it was opened, in `failed/NUMBER`, with the peer's beside it.
 */
export async function runCampaign(options: CampaignOptions): Promise<Result[]> {
  const { seed, corruptions, directory, opener, onResult } = options;
  const opening = new Opening(opener);
  const results: Result[] = [];
  try {
    for (let first = 0; first < corruptions; first += CORRUPTIONS_PER_WORLD) {
      const place = join(directory, `world-${first / CORRUPTIONS_PER_WORLD}`);
      const world = await makeWorld(place, seed, first);
      await checkUndamaged(world, place, opening);
      const last = Math.min(first + CORRUPTIONS_PER_WORLD, corruptions);
      for (let number = first; number < last; number += 1) {
        const result = await one(number, world, place, opening, options);
        results.push(result);
        onResult(result);
      }
      await rm(place, { recursive: true });
    }
  } finally {
    opening.close();
  }
  return results;
}

/** Or every verdict about it would be worth nothing. */
async function checkUndamaged(world: World, place: string, opening: Opening): Promise<void> {
  const path = join(place, "undamaged");
  await cp(world.current, path, { recursive: true });
  const outcome = await opening.open({ path, name: "n1", peer: world.peer, isLed: true });
  const { verdict, why } = judge(world.truth, NOTHING, outcome);
  if (verdict !== "intact") throw new Error(`${path} is undamaged, and ${verdict}: ${why}`);
}

/** A copy that differs: what is from an earlier moment is often the same still. */
async function corrupted(path: string, kind: Kind, world: World, prng: Prng): Promise<Corruption> {
  for (let draws = 1; ; draws += 1) {
    await cp(world.current, path, { recursive: true });
    const corruption = await corrupt(path, kind, world, prng);
    if (draws === DRAWS_MAX || !(await isSame(path, world.current))) return corruption;
    await rm(path, { recursive: true });
  }
}

async function isSame(one: string, other: string): Promise<boolean> {
  const [files, others] = [await filesOf(one), await filesOf(other)];
  if (files.join() !== others.join()) return false;
  for (const file of files) {
    const [content, theirs] = [await readFile(join(one, file)), await readFile(join(other, file))];
    if (!content.equals(theirs)) return false;
  }
  return true;
}

async function one(
  number: number,
  world: World,
  place: string,
  opening: Opening,
  { seed, kinds, directory }: CampaignOptions,
): Promise<Result> {
  const prng = new Prng(seed, number + 1);
  const kind = kinds[number % kinds.length] ?? "flip";
  const path = join(place, String(number));
  const corruption = await corrupted(path, kind, world, prng);
  const before = `${path}-before`;
  await cp(path, before, { recursive: true });
  const isLed = prng.chance(LED_PER_MILLE);
  const job = { path, name: "n1", peer: world.peer, isLed };
  let judgement = judge(world.truth, corruption, await opening.open(job));
  if (judgement.verdict === "repaired") {
    // It needs nobody any more.
    const again = judge(world.truth, corruption, await opening.open(job));
    if (again.verdict !== "intact")
      judgement = { verdict: "silent", why: `at the next start ${again.verdict}: ${again.why}` };
  }
  if (judgement.verdict === "silent" || judgement.verdict === "crashed") {
    const failed = join(directory, "failed", String(number));
    await mkdir(failed, { recursive: true });
    await cp(before, join(failed, "n1"), { recursive: true });
    await cp(world.current, join(failed, "undamaged"), { recursive: true });
    await cp(world.peer, join(failed, "n2"), { recursive: true });
  }
  await rm(path, { recursive: true });
  await rm(before, { recursive: true });
  return { number, ...corruption, ...judgement };
}
