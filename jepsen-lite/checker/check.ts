import type { History } from "../history.ts";
import { checkExactlyOnce } from "./exactly-once.ts";
import { Facts } from "./facts.ts";
import { checkFencing } from "./fencing.ts";
import { checkLeases } from "./leases.ts";
import { checkLostWrites } from "./lost-writes.ts";
import { checkMonotone } from "./monotone.ts";
import { recorded } from "./recorded.ts";
import { checkSerializable } from "./serializable.ts";
import { checkStreams } from "./streams.ts";
import type { Finding, LookingName, Part, Verdict } from "./verdict.ts";

/**
 * Judges a history by all checkers. O(n log n) in its events and the keys of its views.
 * Throws a HistoryError where it breaks the rules of its format: that is the recorder's fault.
 */
export function check(history: History): Verdict {
  const all = recorded(history);
  const facts = new Facts(all);
  const leases = checkLeases(all);
  // The streams first: what they claim is held against everything else.
  const parts: Record<LookingName, Part> = {
    streams: checkStreams(all, facts),
    serializable: checkSerializable(all, facts),
    "lost-writes": checkLostWrites(all),
    leases,
    monotone: checkMonotone(all),
    "exactly-once": checkExactlyOnce(all),
  };
  const findings = Object.values(parts).flatMap((part) => part.findings);
  findings.push(...checkFencing(all));
  const looked = Object.fromEntries(
    Object.entries(parts).map(([name, part]) => [name, part.looked]),
  ) as Record<LookingName, number>;
  const isEnough = Object.values(looked).every((count) => count > 0);
  const outcome = findings.length > 0 ? "broken" : isEnough ? "kept" : "unknown";
  return { outcome, findings, looked, bounds: leases.bounds };
}

/** A finding with the events that contradict each other, a line each. */
export function report(history: History, { checker, promise, what, events }: Finding): string {
  const places = [...new Set(events)].sort((a, b) => a - b);
  const lines = places.map((at) => `  ${at}: ${short(JSON.stringify(history[at]))}`);
  return [`${promise} (${checker}): ${what}`, ...lines].join("\n");
}

const EVENT_CHARACTERS_MAX = 600;

function short(line: string): string {
  return line.length > EVENT_CHARACTERS_MAX ? `${line.slice(0, EVENT_CHARACTERS_MAX)}…` : line;
}
