import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";

/** Term and vote, as a node keeps them. */
export interface VoteOnDisk {
  readonly term: number;
  /** Id of the member. */
  readonly vote: string | null;
  /** Counts up. */
  readonly write: number;
}

const COPIES = ["vote-a", "vote-b"];

/** The newer one of the two copies that can be read; null where none can. */
export async function voteOnDisk(dataDir: string): Promise<VoteOnDisk | null> {
  const copies = await Promise.all(COPIES.map((name) => readCopy(join(dataDir, name))));
  const readable = copies.filter((copy) => copy !== null);
  readable.sort((a, b) => b.term - a.term || b.write - a.write);
  return readable[0] ?? null;
}

/** A line of a checksum and JSON (docs of the product: `src/storage/layout.ts`), read once more. */
async function readCopy(path: string): Promise<VoteOnDisk | null> {
  const text = await readFile(path, "utf8").catch(() => "");
  const [, checksum, body = ""] = /^([0-9a-f]{8}) (\{.*\})$/m.exec(text) ?? [];
  const expected = crc32(`vote\n${body}`).toString(16).padStart(8, "0");
  return checksum === expected ? (JSON.parse(body) as VoteOnDisk) : null;
}
