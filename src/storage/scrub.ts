import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { BLOCK_BYTES } from "./block.ts";
import { readIfThere } from "./durable-file.ts";
import { decodeGeneration } from "./generation.ts";
import { decodeBirth, decodeIdentity } from "./identity.ts";
import { DIRECTORY_FILES } from "./layout.ts";
import { type Look, lookForBadPart, lookForBadRecord } from "./level-damage.ts";
import { decodeMark } from "./mark-record.ts";
import { decodeVote } from "./vote-record.ts";

/** A file that was read again. */
export interface Scrubbed {
  /** In the data directory. */
  readonly file: string;
  readonly bytes: number;
  /** What is wrong with it, or null. */
  readonly damage: string | null;
}

export interface ScrubPlace {
  readonly path: string;
  readonly incarnation: string;
  /** Names of those in use. */
  readonly database: string;
  readonly mark: string;
  /** Wall clock, milliseconds since the epoch. */
  readonly nowMs: number;
}

/** A table that is younger may be in the making; it is looked at the next time. A log always is. */
const AGE_MS_MIN = 60_000;

const { identity, birth, generation, voteA, voteB } = DIRECTORY_FILES;
const NOT_AS_WRITTEN = "it is not as it was written";

/**
 * Reads once more what is at rest in the directory of a running node: the tables of its database,
 * which are never changed once they are written, its logs, to which is only added, and the small
 * files. What the operating system has in its cache is not read from the disk again.
 *
 * Nothing is written. `pause` is awaited every few blocks, and before a small file is looked at once
 * more, which may have been written while it was read.
 */
export async function* scrub(
  place: ScrubPlace,
  pause: () => Promise<void>,
): AsyncGenerator<Scrubbed> {
  for (const [file, isWhole] of smallFilesOf(place)) {
    const scrubbed = await scrubSmall(place, file, isWhole);
    if (scrubbed?.damage === null || scrubbed === null) {
      if (scrubbed !== null) yield scrubbed;
      continue;
    }
    await pause();
    yield (await scrubSmall(place, file, isWhole)) ?? scrubbed;
  }
  for (const name of (await readdir(join(place.path, place.database))).sort()) {
    const lookAt = lookOf(name);
    if (lookAt === null) continue;
    const file = join(place.database, name);
    const isTable = lookAt === lookForBadPart;
    if (isTable && (await isYoung(join(place.path, file), place.nowMs))) continue;
    const content = await readIfThere(join(place.path, file));
    // LevelDB has no use for it any more.
    if (content === null) continue;
    const damage = await damageOf(lookAt(content), pause);
    yield { file, bytes: content.length, damage };
  }
}

/** `CURRENT`, of 16 bytes, is replaced by each start. */
function lookOf(name: string): ((content: Buffer) => Look) | null {
  if (/\.(?:ldb|sst)$/.test(name)) return lookForBadPart;
  return /^(?:\d+\.log|MANIFEST-\d+)$/.test(name) ? lookForBadRecord : null;
}

async function isYoung(path: string, nowMs: number): Promise<boolean> {
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: nowMs }));
  return nowMs - mtimeMs < AGE_MS_MIN;
}

type IsWhole = (content: Buffer) => boolean;

function smallFilesOf({ incarnation, mark }: ScrubPlace): readonly (readonly [string, IsWhole])[] {
  return [
    [identity, (content) => decodeIdentity(content) !== null],
    [birth, (content) => decodeBirth(content) !== null],
    [generation, (content) => decodeGeneration(content) !== null],
    [voteA, (content) => decodeVote(content, incarnation) !== null],
    [voteB, (content) => decodeVote(content, incarnation) !== null],
    [
      mark,
      (content) =>
        [content.subarray(0, BLOCK_BYTES), content.subarray(BLOCK_BYTES)].every(
          (slot) => decodeMark(slot, incarnation) !== null,
        ),
    ],
  ];
}

/** Null where it is not there; that is only the start's to judge. */
async function scrubSmall(
  { path }: ScrubPlace,
  file: string,
  isWhole: IsWhole,
): Promise<Scrubbed | null> {
  const content = await readIfThere(join(path, file));
  if (content === null) return null;
  return { file, bytes: content.length, damage: isWhole(content) ? null : NOT_AS_WRITTEN };
}

const BLOCKS_BETWEEN_PAUSES = 8;

async function damageOf(looking: Look, pause: () => Promise<void>): Promise<string | null> {
  for (let blocks = 1; ; blocks += 1) {
    const { done, value } = looking.next();
    if (done === true) {
      return value === null ? null : `${value.text} (from byte ${value.offset} on)`;
    }
    if (blocks % BLOCKS_BETWEEN_PAUSES === 0) await pause();
  }
}
