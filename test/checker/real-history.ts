import { readFileSync } from "node:fs";
import { brotliDecompressSync } from "node:zlib";
import type { Event } from "../../jepsen-lite/history.ts";

/**
 * The beginnings of two runs of three real nodes, which kept every promise.
 *
 * - `client-kill`: `npm run jepsen -- --seed 7 --seconds 30 --only
 *   client-kill,client-freeze,kill,partition`, with a part of the clients of now, and without four of
 *   its six watchers: a partition, a provider that is killed, the leader killed, and a provider that
 *   stood still until its session was over.
 * - `every-kind`: `npm run jepsen -- --seed 5 --duration 20s --only kill,partition,client-freeze`, of
 *   watches those of one watcher alone: updates, updates that compare, goodbyes, and what is lasting.
 */
export function realHistory(name: "client-kill" | "every-kind" = "client-kill"): readonly Event[] {
  const file = new URL(`histories/${name}.jsonl.br`, import.meta.url);
  const text = brotliDecompressSync(readFileSync(file)).toString("utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Event);
}
