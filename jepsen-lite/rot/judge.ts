import type { LogEnd } from "../../src/raft/types.ts";
import type { Corruption, Fault } from "./corruption.ts";
import type { Opened, Outcome } from "./outcome.ts";
import type { Truth } from "./world.ts";

/** What came of a corruption; the last two are failures. */
export const VERDICTS = [
  /** The log that the node goes on with is the one that was there. */
  "intact",
  /** The same, with the help of a peer. */
  "repaired",
  /** The log is given up for the state of a peer, and the member knows what it had vouched for. */
  "set aside",
  /** It does not start, and says what is damaged and what to do; or asks its peers and says so. */
  "refused",
  /** Something differs, and no witness of it is left in the directory (docs/storage.md). */
  "untold",
  /** Something differs, and nobody said so. */
  "silent",
  /** The process is gone, hangs, or fails with what nobody had foreseen. */
  "crashed",
] as const;

export type Verdict = (typeof VERDICTS)[number];

export interface Judgement {
  readonly verdict: Verdict;
  readonly why: string;
}

const NAMED =
  /identity|birth|vote-[ab]|mark|generation|database|db|CURRENT|MANIFEST|\.log|\.ldb|entry \d+|chunk|snapshot|term|cluster|node|log/;

export function judge(truth: Truth, { faults }: Corruption, outcome: Outcome): Judgement {
  switch (outcome.type) {
    case "crashed":
      return { verdict: "crashed", why: outcome.how };
    case "refused": {
      const { code, message, hint } = outcome;
      const why = `${code}: ${message}`;
      const isTold = NAMED.test(message) && hint !== "" && code !== "DISK";
      return { verdict: isTold ? "refused" : "silent", why };
    }
    case "waits":
      return { verdict: "refused", why: outcome.message };
    case "unborn":
      return { verdict: "silent", why: "it would be born again" };
    default: {
      const why = differenceOf(truth, outcome);
      if (why !== null)
        return {
          verdict: isUntold(why, truth, faults) ? "untold" : "silent",
          why: `${why.what}: ${why.text}`,
        };
      const verdicts = { started: "intact", repaired: "repaired", setAside: "set aside" } as const;
      return { verdict: verdicts[outcome.way], why: "" };
    }
  }
}

interface Difference {
  readonly what: "whose" | "vote" | "end" | "log" | "snapshot" | "returning";
  readonly text: string;
}

function differenceOf(truth: Truth, opened: Outcome & { type: "opened" }): Difference | null {
  const { incarnation, clusterId, hardState, lostEnd } = opened;
  if (incarnation !== truth.incarnation || clusterId !== truth.clusterId) {
    return { what: "whose", text: `it is ${incarnation} of ${clusterId}` };
  }
  if (hardState.term !== truth.term || hardState.vote !== truth.vote) {
    const had = { term: truth.term, vote: truth.vote };
    return { what: "vote", text: `${JSON.stringify(hardState)}, not ${JSON.stringify(had)}` };
  }
  if (truth.lostEnd !== null && (lostEnd === null || isBefore(lostEnd, truth.lostEnd))) {
    return { what: "returning", text: `${JSON.stringify(lostEnd)} is given up` };
  }
  if (opened.way !== "setAside") return logDifference(truth, opened);
  if (opened.entries.length > 0) return { what: "log", text: "it was given up, and is there" };
  const isShort = lostEnd === null || isBefore(lostEnd, truth.mark);
  return isShort ? { what: "end", text: `${JSON.stringify(lostEnd)} of ${textOf(truth)}` } : null;
}

function logDifference(truth: Truth, opened: Opened): Difference | null {
  const { logStart, entries, snapshot, commitIndex } = opened;
  const last = logStart.index + entries.length;
  let isFormer = false;
  for (const [at, content] of entries.entries()) {
    const index = logStart.index + at + 1;
    if (!isFormer && truth.entries[index - 1] === content && index <= truth.end.index) continue;
    // Behind the mark, a truncation may be gone as well.
    isFormer = index > truth.mark.index && truth.former.includes(content);
    if (!isFormer) return { what: "log", text: `entry ${index} is another one` };
  }
  if (last < truth.mark.index) {
    return { what: "end", text: `it ends at ${last} of ${textOf(truth)}` };
  }
  if ((last > truth.end.index && !isFormer) || commitIndex > last) {
    return { what: "log", text: `it ends at ${last}, commit ${commitIndex}` };
  }
  if (snapshot === null) {
    return logStart.index === 0 ? null : { what: "snapshot", text: "it is gone" };
  }
  const own = truth.snapshots.find(({ nonce }) => nonce === snapshot.nonce);
  const isOwn = own !== undefined && JSON.stringify(own) === JSON.stringify(snapshot);
  const isWithin = logStart.index <= snapshot.index && snapshot.index <= last;
  return isOwn && isWithin ? null : { what: "snapshot", text: `at ${snapshot.index}` };
}

function textOf({ mark, end }: Truth): string {
  return `${JSON.stringify(end)}, with the mark at ${JSON.stringify(mark)}`;
}

function isBefore(one: LogEnd, other: LogEnd): boolean {
  return one.term < other.term || (one.term === other.term && one.index < other.index);
}

/**
 * What no directory can know of itself. Both copies of the vote are of an earlier moment, or one of
 * them is and the other one cannot be read, and so is the mark, or it does not know of the last vote
 * yet; the log and the mark, which is its only witness, were both changed; or it is another directory
 * as a whole.
 */
function isUntold(
  { what }: Difference,
  { isVoteMarked }: Truth,
  faults: readonly Fault[],
): boolean {
  const touched = (...kinds: readonly Fault["of"][]): Fault[] =>
    faults.filter(({ of }) => kinds.includes(of));
  if (touched("directory").length > 0) return true;
  const marks = touched("mark");
  if (what === "vote") {
    const votes = touched("vote-a", "vote-b");
    const isBoth = new Set(votes.map(({ of }) => of)).size === 2;
    const isWitnessed = isVoteMarked && marks.length === 0;
    return isBoth && votes.some(({ isOlder }) => isOlder) && !isWitnessed;
  }
  const database = touched("db", "CURRENT", "MANIFEST", "log", "table");
  if (database.length === 0 || marks.length === 0) return false;
  // An older log with its mark is whole in itself.
  return what === "end" || [...database, ...marks].every(({ isOlder }) => isOlder);
}
