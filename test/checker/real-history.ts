import { readFileSync } from "node:fs";
import { brotliDecompressSync } from "node:zlib";
import type { Event } from "../../jepsen-lite/history.ts";

/**
 * The beginning of a run of three real nodes (`npm run jepsen -- --seed 7 --seconds 30 --only
 * client-kill,client-freeze,kill,partition`), without four of its six watchers: a partition, a
 * provider that is killed, the leader killed, and a provider that stood still until its session was
 * over. It kept every promise.
 */
export function realHistory(): readonly Event[] {
  const file = new URL("histories/client-kill.jsonl.br", import.meta.url);
  const text = brotliDecompressSync(readFileSync(file)).toString("utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Event);
}
