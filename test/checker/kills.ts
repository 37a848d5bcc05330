import { check } from "../../jepsen-lite/checker/check.ts";
import { recorded } from "../../jepsen-lite/checker/recorded.ts";
import { referee } from "../../jepsen-lite/checker/referee.ts";
import type { Event } from "../../jepsen-lite/history.ts";
import { Prng } from "../../jepsen-lite/prng.ts";
import { type Corruption, corruptions, type Subject, toldCorruptions } from "./corruptions.ts";
import { kindCorruptions } from "./kind-corruptions.ts";
import { readCorruptions, toldReadCorruptions } from "./read-corruptions.ts";

/** Those that are to be found in a history of real nodes, which tell nothing themselves. */
export const ofClients: readonly Corruption[] = [
  ...[...corruptions, ...readCorruptions, ...kindCorruptions],
  ...[...toldCorruptions, ...toldReadCorruptions],
].filter(({ byClients, byReferee }) => byClients === true || byReferee === true);

/** At most `max` of the places, drawn from the seed. */
export function some(places: readonly number[], seed: number, max: number): number[] {
  const prng = new Prng(seed, 4);
  const left = [...places];
  const count = Math.min(max, left.length);
  return Array.from({ length: count }, () => left.splice(prng.below(left.length), 1)[0] as number);
}

/** Who found it, each once. */
function finders(history: readonly Event[]): string[] {
  const all = [...check(history).findings, ...referee(recorded(history)).findings];
  return [...new Set(all.map(({ checker }) => checker))];
}

export interface Kills {
  readonly name: string;
  readonly made: number;
  /** At how many places, by checker. */
  readonly by: Readonly<Record<string, number>>;
  /** Where those that have to find it by what clients saw did not. */
  readonly missed: readonly number[];
}

/** Corrupts a history that nodes tell nothing in, at a few places that are drawn from `seed`. */
export function killsOf(
  corruption: Corruption,
  subject: Subject,
  { seed, places: max }: { readonly seed: number; readonly places: number },
): Kills {
  const { name, places, make, byClients, byReferee } = corruption;
  const by: Record<string, number> = {};
  const missed: number[] = [];
  const chosen = some(places(subject), seed, max);
  for (const at of chosen) {
    const found = finders(make(subject, at));
    for (const checker of found) by[checker] = (by[checker] ?? 0) + 1;
    const isFound = found.some((checker) => checker !== "referee");
    const isRefereed = found.includes("referee");
    if ((byClients === true && !isFound) || (byReferee === true && !isRefereed)) missed.push(at);
  }
  return { name, made: chosen.length, by, missed };
}

/** A line for each corruption: how often it was made, and who found it how often. */
export function tableOf(kills: readonly Kills[]): string {
  const checkers = [...new Set(kills.flatMap(({ by }) => Object.keys(by)))].sort();
  const row = (cells: readonly (string | number)[]): string => `| ${cells.join(" | ")} |`;
  return [
    row(["corruption", "made", ...checkers]),
    row(["", "", ...checkers].map(() => "---")),
    ...kills.map(({ name, made, by }) => row([name, made, ...checkers.map((c) => by[c] ?? "")])),
  ].join("\n");
}
