import type { LogEnd } from "../../src/raft/types.ts";
import { endOf, type LogState, NOTHING, persisted, setAside, voted } from "./log-state.ts";
import type { Action } from "./script.ts";
import { type Passed, progressOf, type Told } from "./told.ts";

/** What `docs/storage.md` says that the next start finds. */
export interface Found {
  readonly state: LogState;
  readonly isMade: boolean;
  readonly isBorn: boolean;
  /** Of a log that was set aside, as long as the member returns. */
  readonly lostEnd: LogEnd | null;
  readonly isRemoved: boolean;
}

export const UNMADE: Found = {
  state: NOTHING,
  isMade: false,
  isBorn: false,
  lostEnd: null,
  isRemoved: false,
};
export const MADE: Found = { ...UNMADE, isMade: true };

/** Behind an action that was reported. */
export function behind(action: Action, found: Found): Found {
  switch (action.type) {
    case "persist":
      return { ...found, state: persisted(found.state, action.part) };
    case "bear":
      return { ...found, isBorn: true };
    case "setAside":
      // The next start, whoever's it is, does the rest.
      return { ...found, state: setAside(found.state), lostEnd: endOf(found.state) };
    case "returned":
      return { ...found, lostEnd: null };
    case "leave":
      return { ...found, isRemoved: true };
    case "elapse":
    case "reopen":
    case "heal":
      return found;
    default:
      return action satisfies never;
  }
}

/** After all of `actions`, which were carried out on a directory that was `found`. */
export function behindAll(actions: readonly Action[], found: Found): Found {
  return actions.reduce((before, action) => behind(action, before), found);
}

/**
 * All that may be found where a victim was killed: one thing, or two where a step was being carried
 * out. Nothing of it is left to chance as long as only processes die: what was written before is
 * there, whether it was synced or not.
 */
export function expected(base: Found, act: readonly Action[], told: Told): readonly Found[] {
  if (!told.isOpened) {
    if (base.isMade) return [base];
    return either(
      UNMADE,
      MADE,
      progressOf(told.opening, (step) => step === "rename identity"),
    );
  }
  const opened = base.isMade ? base : MADE;
  const found = behindAll(act.slice(0, told.done), opened);
  const next = act[told.done];
  return told.isUnderway && next !== undefined ? within(next, found, told.current) : [found];
}

function within(action: Action, found: Found, steps: readonly Passed[]): readonly Found[] {
  if (action.type !== "persist") {
    const name = SWITCHES[action.type];
    const progress = progressOf(steps, (step) => step === `rename ${name}`);
    return either(found, behind(action, found), progress);
  }
  const whole = behind(action, found);
  const half = { ...found, state: voted(found.state, action.part) };
  const batch = progressOf(steps, isBatchOfRequest);
  // Nothing of the batch, and both copies of the vote or none: the newer one counts.
  if (batch > 0) return either(half, whole, batch);
  return either(
    found,
    half,
    progressOf(steps, (step) => step === "write vote-a"),
  );
}

/** The files whose renaming makes an action true. */
const SWITCHES: Readonly<Record<Exclude<Action["type"], "persist">, string>> = {
  bear: "birth",
  setAside: "diverged",
  returned: "generation",
  leave: "removed",
  elapse: "nothing",
  reopen: "nothing",
  heal: "nothing",
};

/** A sweep puts nothing. */
function isBatchOfRequest(step: string): boolean {
  return step.startsWith("batch ") && step.includes("put ") && step !== "batch put m/format";
}

function either(before: Found, behind: Found, progress: 0 | 1 | 2): readonly Found[] {
  if (progress === 0) return [before];
  return progress === 1 ? [before, behind] : [behind];
}
