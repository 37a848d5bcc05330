import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Prng } from "../prng.ts";
import { filesOf, type World } from "./world.ts";

/** Names that the table and `--only` have for what is done to a directory. */
export const KINDS = [
  "flip",
  "truncate",
  "zero-tail",
  "zero-page",
  "double",
  "missing",
  "older-file",
  "older-page",
  "other-node",
  "other-cluster",
  "two",
  "older-parts",
  "whole",
] as const;

export type Kind = (typeof KINDS)[number];
export type SingleKind = Exclude<Kind, "two" | "older-parts" | "whole">;

/** Parts of a directory that belong together, as they were at one earlier moment. */
const OLDER_PARTS: Readonly<Record<string, readonly FileKind[]>> = {
  "both votes": ["vote-a", "vote-b"],
  "the database": ["db"],
  "the database and its mark": ["db", "mark"],
  "all but the database": ["identity", "birth", "vote-a", "vote-b", "mark", "generation"],
  "all but the votes": ["identity", "birth", "mark", "generation", "db"],
};
const WHOLE = ["older", "other-node", "other-cluster"] as const;

/** One of what a directory consists of; `db` stands for all files of a database. */
type FileKind = (typeof FILE_KINDS)[number];

export const FILE_KINDS = [
  "identity",
  "birth",
  "vote-a",
  "vote-b",
  "mark",
  "generation",
  "CURRENT",
  "MANIFEST",
  "log",
  "table",
  "db",
  "directory",
] as const;

/** Whose files may stand in the place of the own ones. */
export type Elsewhere = Pick<World, "older" | "peer" | "stranger">;

/** What was done, as plain data. */
export interface Corruption {
  readonly kind: Kind;
  readonly faults: readonly Fault[];
}

export interface Fault {
  readonly kind: SingleKind | "older-parts" | "whole";
  readonly of: FileKind;
  /** For the table. */
  readonly name: string;
  readonly text: string;
  /** What of it an earlier moment of the same directory knows, and it alone. */
  readonly isOlder: boolean;
}

const PAGE_BYTES = 4_096;
const LEVEL_BLOCK_BYTES = 32 * 1_024;
const FLIPS_MAX = 8;

/** Draws what is done to the copy of n1's directory at `path`, and does it. */
export async function corrupt(
  path: string,
  kind: Kind,
  world: Elsewhere,
  prng: Prng,
): Promise<Corruption> {
  switch (kind) {
    case "two": {
      const singles = KINDS.filter(isSingle);
      const first = await single(path, prng.pick(singles), world, prng);
      return { kind, faults: [first, await single(path, prng.pick(singles), world, prng)] };
    }
    case "older-parts":
      return { kind, faults: await olderParts(path, world, prng) };
    case "whole":
      return { kind, faults: [await whole(path, world, prng)] };
    default:
      return { kind, faults: [await single(path, kind, world, prng)] };
  }
}

export function isSingle(kind: Kind): kind is SingleKind {
  return kind !== "two" && kind !== "older-parts" && kind !== "whole";
}

/** Null for what nobody reads. */
function kindOf(file: string): FileKind | null {
  if (/^(?:identity|birth|vote-a|vote-b|generation)$/.test(file)) return file as FileKind;
  if (/^mark(?:\.\d+)?$/.test(file)) return "mark";
  if (/\/CURRENT$/.test(file)) return "CURRENT";
  if (/\/MANIFEST-\d+$/.test(file)) return "MANIFEST";
  if (/\/\d+\.log$/.test(file)) return "log";
  return /\/\d+\.ldb$/.test(file) ? "table" : null;
}

/** The kind is drawn first: else the one `identity` would hardly be hit beside a dozen tables. */
async function drawFile(
  path: string,
  prng: Prng,
  isWanted: (file: string, of: FileKind) => boolean,
): Promise<{ readonly file: string; readonly of: FileKind }> {
  const files = (await filesOf(path)).flatMap((file) => {
    const of = kindOf(file);
    return of !== null && isWanted(file, of) ? [{ file, of }] : [];
  });
  const of = prng.pick([...new Set(files.map((file) => file.of))]);
  return prng.pick(files.filter((file) => file.of === of));
}

async function single(
  path: string,
  kind: SingleKind,
  world: Elsewhere,
  prng: Prng,
): Promise<Fault> {
  if (kind === "older-file" || kind === "older-page") {
    return await fromElsewhere(path, kind, world.older, prng);
  }
  if (kind === "other-node") return await fromElsewhere(path, kind, world.peer, prng);
  if (kind === "other-cluster") return await fromElsewhere(path, kind, world.stranger, prng);
  const { file, of } = await drawFile(path, prng, () => true);
  if (kind === "missing") {
    await rm(join(path, file));
    return { kind, of, name: `${of} (${kind})`, text: `${file} is gone`, isOlder: false };
  }
  const content = await readFile(join(path, file));
  const [changed, text] = CHANGES[kind](content, prng);
  await writeFile(join(path, file), changed);
  const done = `${file}, ${content.length} bytes: ${text}`;
  return { kind, of, name: `${of} (${kind})`, text: done, isOlder: false };
}

type Change = (content: Buffer, prng: Prng) => readonly [changed: Buffer, text: string];

const CHANGES: Readonly<
  Record<"flip" | "truncate" | "zero-tail" | "zero-page" | "double", Change>
> = {
  flip(content, prng) {
    if (content.length === 0) return [content, "nothing to flip"];
    const places = Array.from({ length: prng.between(1, FLIPS_MAX) }, () => {
      const at = prng.below(content.length);
      const bit = prng.below(8);
      content[at] = (content[at] ?? 0) ^ (1 << bit);
      return `${at}.${bit}`;
    });
    return [content, `flipped ${places.join(" ")}`];
  },
  truncate(content, prng) {
    const length = prng.below(Math.max(1, content.length));
    return [content.subarray(0, length), `cut to ${length}`];
  },
  "zero-tail"(content, prng) {
    const from = prng.below(Math.max(1, content.length));
    return [content.fill(0, from), `zeros from ${from} on`];
  },
  "zero-page"(content, prng) {
    const page = prng.below(Math.ceil(content.length / PAGE_BYTES) + 1) * PAGE_BYTES;
    return [
      content.fill(0, Math.min(page, content.length), Math.min(page + PAGE_BYTES, content.length)),
      `zeros in the page at ${page}`,
    ];
  },
  /** A record of LevelDB, a line, a block: written twice, the second behind the first or elsewhere. */
  double(content, prng) {
    const unit = prng.pick([PAGE_BYTES, LEVEL_BLOCK_BYTES, 0]);
    const [from, to] = unit === 0 ? recordIn(content, prng) : blockIn(content, unit, prng);
    const part = content.subarray(from, to);
    if (prng.chance(500)) {
      const changed = Buffer.concat([content.subarray(0, to), part, content.subarray(to)]);
      return [changed, `${from} to ${to} twice`];
    }
    return [Buffer.concat([content, part]), `${from} to ${to} again at the end`];
  },
};

function blockIn(content: Buffer, unit: number, prng: Prng): readonly [number, number] {
  const from = prng.below(Math.ceil(content.length / unit) || 1) * unit;
  return [from, Math.min(from + unit, content.length)];
}

/** By the lengths in their heads, as LevelDB's logs have them. */
function recordIn(content: Buffer, prng: Prng): readonly [number, number] {
  const records: (readonly [number, number])[] = [];
  for (let at = 0; at + 7 <= content.length && at < LEVEL_BLOCK_BYTES; ) {
    const next = at + 7 + content.readUInt16LE(at + 4);
    if (next > content.length) break;
    records.push([at, next]);
    at = next;
  }
  return records.length === 0 ? [0, content.length] : prng.pick(records);
}

/** The same file of another directory, or one that belongs to the same kind. */
async function fromElsewhere(
  path: string,
  kind: "older-file" | "older-page" | "other-node" | "other-cluster",
  from: string,
  prng: Prng,
): Promise<Fault> {
  const isOlder = kind.startsWith("older");
  const theirs = await filesOf(from);
  const { file, of } = await drawFile(path, prng, (_file, wanted) =>
    theirs.some((their) => kindOf(their) === wanted),
  );
  const ofKind = theirs.filter((their) => kindOf(their) === of);
  const source = ofKind.includes(file) ? file : prng.pick(ofKind);
  if (kind !== "older-page") {
    await cp(join(from, source), join(path, file));
    return { kind, of, name: `${of} (${kind})`, text: `${file} is its ${source}`, isOlder };
  }
  const [content, older] = [await readFile(join(path, file)), await readFile(join(from, source))];
  const at = prng.below(Math.ceil(older.length / PAGE_BYTES) || 1) * PAGE_BYTES;
  older.copy(content, at, at, Math.min(at + PAGE_BYTES, older.length, content.length));
  await writeFile(join(path, file), content);
  const done = `${file} has the page at ${at} of its ${source}`;
  return { kind, of, name: `${of} (${kind})`, text: done, isOlder };
}

async function olderParts(path: string, { older }: Elsewhere, prng: Prng): Promise<Fault[]> {
  const name = prng.pick(Object.keys(OLDER_PARTS));
  const parts = OLDER_PARTS[name] ?? [];
  const isPart = (file: string): boolean => {
    const of = kindOf(file);
    return of !== null && (parts.includes(of) || (parts.includes("db") && file.includes("/")));
  };
  for (const file of (await filesOf(path)).filter(isPart)) await rm(join(path, file));
  for (const file of (await filesOf(older)).filter(isPart)) {
    await cp(join(older, file), join(path, file), { recursive: true });
  }
  return parts.map((of) => ({
    kind: "older-parts",
    of,
    name: `${name}, as before`,
    text: `${name}, as before`,
    isOlder: true,
  }));
}

async function whole(path: string, world: Elsewhere, prng: Prng): Promise<Fault> {
  const whose = prng.pick(WHOLE);
  const from = { older: world.older, "other-node": world.peer, "other-cluster": world.stranger };
  await rm(path, { recursive: true });
  await cp(from[whose], path, { recursive: true });
  const name = `the whole directory: ${whose}`;
  return { kind: "whole", of: "directory", name, text: name, isOlder: whose === "older" };
}
