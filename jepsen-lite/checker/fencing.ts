import type { Fenced } from "../history.ts";
import { acknowledged, type Placed, type Recorded } from "./recorded.ts";
import type { Finding } from "./verdict.ts";

/** What a lock has come to; of no use to a verdict. */
export interface LockUse {
  readonly accepted: number;
  /** With a token that a later holder had made an old one: what fencing is there for. */
  readonly refused: number;
  /**
   * Pairs of a holder and the next one that overlap in time: the first, which has not heard of the
   * second yet, uses the resource (or tries to) after the second holds the lock. No lock of any
   * registry can exclude it.
   */
  readonly overlaps: number;
}

/**
 * A lock whose holder uses a resource with a token, the revision at which its acquisition was
 * acknowledged. Holders may overlap; tokens may not lie:
 *
 * - what is used is the revision of an acknowledged write of that process, and of no other process;
 * - the resource accepts no token lower than one that it has accepted;
 * - it refuses none but for a higher one that it has accepted;
 * - who acquires the lock after a token was accepted gets a higher one.
 *
 * O(uses + writes).
 */
export function checkFencing(recorded: Recorded): Finding[] {
  const findings: Finding[] = [];
  const acquired = acquisitions(recorded);
  let highest: Placed<Fenced> | null = null;
  for (const use of recorded.fenced) {
    const { token, process, isAccepted } = use.event;
    const own = acquired.get(token)?.find((each) => each.process === process);
    if (own === undefined || own.at > use.at) {
      findings.push(fault(`${process} used token ${token}, which it had not got`, [use.at]));
    }
    const other = acquired.get(token)?.find((each) => each.process !== process);
    if (own !== undefined && other !== undefined) {
      const what = `${process} and ${other.process} both got token ${token}`;
      findings.push(fault(what, [own.at, other.at]));
    }
    const isStale = highest !== null && token < highest.event.token;
    if (isAccepted && isStale) {
      const what = `token ${token} was accepted after ${highest?.event.token}`;
      findings.push(fault(what, [highest?.at ?? 0, use.at]));
    }
    if (!isAccepted && !isStale) {
      findings.push(fault(`token ${token} was refused, and none was higher`, [use.at]));
    }
    if (isAccepted && (highest === null || token > highest.event.token)) {
      highest = use;
    }
  }
  findings.push(...tooLow(recorded, acquired));
  return findings;
}

/** Whoever acquires after a use has to get the better of it. */
function tooLow(
  { fenced }: Recorded,
  acquired: ReadonlyMap<number, readonly Acquisition[]>,
): Finding[] {
  const used = new Set(fenced.map(({ event }) => event.token));
  const all = [...acquired.values()].flat().filter(({ token }) => used.has(token));
  all.sort((a, b) => a.invokedAt - b.invokedAt);
  const findings: Finding[] = [];
  let next = 0;
  let highest: Placed<Fenced> | null = null;
  for (const { token, process, invokedAt, at } of all) {
    for (let use = fenced[next]; use !== undefined && use.at < invokedAt; use = fenced[next]) {
      highest = highest === null || use.event.token > highest.event.token ? use : highest;
      next += 1;
    }
    if (highest !== null && token <= highest.event.token) {
      const what = `${process} got token ${token}, and ${highest.event.token} had been used before it asked`;
      findings.push(fault(what, [highest.at, invokedAt, at]));
    }
  }
  return findings;
}

interface Acquisition {
  readonly token: number;
  readonly process: string;
  readonly invokedAt: number;
  readonly at: number;
}

/** By token; empty where no resource was used. */
function acquisitions({ writes, fenced }: Recorded): ReadonlyMap<number, readonly Acquisition[]> {
  const all = new Map<number, Acquisition[]>();
  for (const write of fenced.length === 0 ? [] : writes) {
    const answer = acknowledged(write);
    if (answer !== null && write.call.puts.length > 0) {
      const { process, invoked } = write;
      const token = answer.revision;
      const one = { token, process, invokedAt: invoked.at, at: answer.at };
      const got = all.get(token) ?? [];
      got.push(one);
      all.set(token, got);
    }
  }
  return all;
}

export function lockUse(recorded: Recorded): LockUse {
  const { fenced } = recorded;
  const acquired = acquisitions(recorded);
  const lastUse = new Map<number, number>();
  for (const { at, event } of fenced) {
    lastUse.set(event.token, at);
  }
  const tokens = [...lastUse.keys()].sort((a, b) => a - b);
  const overlaps = tokens.filter((token, i) => {
    const next = acquired.get(tokens[i + 1] ?? -1)?.[0];
    return next !== undefined && (lastUse.get(token) ?? 0) > next.at;
  });
  const accepted = fenced.filter(({ event }) => event.isAccepted).length;
  return { accepted, refused: fenced.length - accepted, overlaps: overlaps.length };
}

function fault(what: string, events: readonly number[]): Finding {
  return { checker: "fencing", promise: "Tokens", what, events };
}
